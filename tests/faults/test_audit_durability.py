"""The audit log against kill -9 and against disks that are really full."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.audit.material import (
    HEAD_KEY,
    KEYS,
    NOW,
    SIGNER,
    event_id,
    open_log,
    record,
    records,
    written,
)

from hearthkms.audit.chain import parse_line
from hearthkms.audit.checkpoint import Checkpoint, decode_checkpoint
from hearthkms.audit.log import Durability
from hearthkms.audit.recover import seal_dead
from hearthkms.audit.verify import verify_folder

ROOT = Path(__file__).parents[2]
SOAK = bool(os.environ.get("HEARTHKMS_SOAK"))
KILLS = 150 if SOAK else 6
BOTH: list[Durability] = ["strict", "relaxed"]


class Deployment:
    """A folder of streams, the registry of their checkpoints, and what was answered."""

    def __init__(self, base: Path, durability: Durability) -> None:
        self.folder = base / "audit"
        self._base = base
        self._durability = durability

    def start(self, stream: str, limit: int = 0) -> subprocess.Popen[bytes]:
        """A worker that writes `stream`."""
        arguments = [str(self.folder), stream, self._durability, str(self._answered(stream))]
        arguments += [str(self._base / "registry"), str(limit)]
        return subprocess.Popen([sys.executable, "-m", "tests.faults.audit_writer", *arguments], cwd=ROOT)

    def _answered(self, stream: str) -> Path:
        return self._base / f"{stream}.answered"

    def answered(self, stream: str) -> set[int]:
        """The numbers of the records of `stream` whose answers left."""
        path = self._answered(stream)
        text = path.read_bytes() if path.exists() else b""
        return {int(number) for number in text[: text.rfind(b"\n") + 1].split()}

    def wait_for(self, stream: str, count: int, process: subprocess.Popen[bytes]) -> None:
        """Until `count` bytes of answers have left."""
        path = self._answered(stream)
        deadline = time.monotonic() + 60
        while not path.exists() or path.stat().st_size < count:
            assert process.poll() is None, "the worker ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def written(self, stream: str) -> set[str]:
        """The event ids in the files of `stream` and its successors."""
        found = set()
        for path in self.folder.glob(f"{stream}*.jsonl"):
            if path.stem.split(".")[0] == stream:
                data = path.read_bytes()
                for line in data[: data.rfind(b"\n") + 1].splitlines():
                    found.add(json.loads(parse_line(line).record)["eventID"])
        return found

    def registry(self) -> dict[str, list[Checkpoint]]:
        """The checkpoints that were stored."""
        kept: dict[str, list[Checkpoint]] = {}
        for line in (self._base / "registry").read_bytes().splitlines():
            checkpoint = decode_checkpoint(line)
            kept.setdefault(checkpoint.stream, []).append(checkpoint)
        return kept

    def assert_clean(self, registry: dict[str, list[Checkpoint]]) -> int:
        """No finding in any stream; how many records there are."""
        reports = list(verify_folder(self.folder, registry, KEYS))
        assert [finding.describe() for report in reports for finding in report.findings] == []
        return sum(report.records for report in reports)


@pytest.mark.soak
@pytest.mark.parametrize("durability", BOTH)
def test_what_was_answered_survives_kill_9(tmp_path: Path, durability: Durability) -> None:
    deployment = Deployment(tmp_path, durability)
    rng = random.Random(durability)
    for kill in range(KILLS):
        stream = f"w{kill}"
        process = deployment.start(stream)
        try:
            deployment.wait_for(stream, rng.randrange(1, 1500), process)
        finally:
            process.kill()
            process.wait()
        answered = deployment.answered(stream)
        assert answered
        assert {event_id(number) for number in answered} <= deployment.written(stream)
    registry = deployment.registry()
    before = deployment.assert_clean(registry)
    # The successor ends the streams of the dead; from then on nothing may be added or cut off.
    for stream, kept in registry.items():
        if all(checkpoint.state in ("opened", "running") for checkpoint in kept):
            end = seal_dead(deployment.folder, stream, HEAD_KEY, SIGNER, NOW)
            assert end is not None
            kept.append(end)
    assert deployment.assert_clean(registry) == before


@pytest.mark.parametrize("durability", BOTH)
def test_a_limit_on_file_size_refuses_and_recovers(tmp_path: Path, durability: Durability) -> None:
    deployment = Deployment(tmp_path, durability)
    process = deployment.start("w0", limit=25_000)
    assert process.wait(timeout=60) == 0
    assert {event_id(number) for number in deployment.answered("w0")} == deployment.written("w0")
    assert deployment.assert_clean(deployment.registry()) == len(deployment.answered("w0"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root; the limit on file size is tested in any case")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("durability", BOTH)
def test_a_full_disk_refuses_and_recovers(small_disk: Path, durability: Durability) -> None:
    folder = small_disk / "audit"
    kept: list[Checkpoint] = []

    async def run() -> int:
        log = open_log(folder, durability, kept)
        number = 0
        ballast = os.open(small_disk / "ballast", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(ballast, bytes(48 << 10))
        for _ in range(3):
            while await written(log, record(number + 1)):
                number += 1
            good = number
            for _ in range(5):
                assert not await written(log, *[record(90 + more) for more in range(7)])
            assert log.failure is not None
            os.ftruncate(ballast, max(0, os.fstat(ballast).st_size - (16 << 10)))
            assert await written(log, record(number + 1))
            number = good + 1
            assert log.failure is None
        os.close(ballast)
        await log.aclose()
        return number

    number = asyncio.run(run())
    lines = (folder / "w1.jsonl").read_bytes().splitlines()
    assert [parse_line(line).record for line in lines] == records(number)
    (report,) = verify_folder(folder, {"w1": kept}, KEYS)
    assert report.ok
    assert report.notes == ()
    assert number > 30


@pytest.mark.parametrize("durability", BOTH)
def test_a_disk_that_is_full_from_the_start(small_disk: Path, durability: Durability) -> None:
    folder = small_disk / "audit"
    kept: list[Checkpoint] = []

    async def run() -> None:
        ballast = os.open(small_disk / "ballast", os.O_WRONLY | os.O_CREAT, 0o600)
        while True:
            try:
                os.write(ballast, bytes(4096))
            except OSError:
                break
        log = open_log(folder, durability, kept)
        assert not await written(log, record(1))
        assert kept == []
        os.ftruncate(ballast, 0)
        os.close(ballast)
        assert await written(log, record(1))
        await log.aclose()

    asyncio.run(run())
    reports = list(verify_folder(folder, {kept[0].stream: kept}, KEYS))
    assert [(report.ok, report.records) for report in reports] == [(True, 1)]
