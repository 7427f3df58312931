"""The log: on the disk before the answer, in order, and refusing while the disk does."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.audit.material import HEAD_KEY, KEYS, SIGNER, open_log, record, records, written

from hearthkms.audit.chain import genesis, parse_line
from hearthkms.audit.checkpoint import Checkpoint, check_checkpoint
from hearthkms.audit.log import AuditLog, Durability
from hearthkms.audit.verify import verify_folder, verify_stream

BOTH: list[Durability] = ["strict", "relaxed"]
FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


class Disk:
    """Stands in front of the system calls of the log: notes them, and fails those that it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.failing: dict[str, OSError] = {}
        self.taken: int | None = None
        """How many bytes of the next write are taken before it is short."""
        self.gate: threading.Event | None = None
        for name in ("write", "pwrite", "fdatasync", "ftruncate"):
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Callable[..., int]) -> Callable[..., int]:
        def call(fd: int, *rest: object) -> int:
            self.calls.append(name)
            if name == "fdatasync" and self.gate is not None:
                assert self.gate.wait(10)
            if name == "write" and self.taken is not None:
                taken, self.taken = self.taken, None
                self.failing["write"] = FULL
                return real(fd, bytes(memoryview(rest[0])[:taken]))  # type: ignore[call-overload]
            if name in self.failing:
                raise self.failing[name]
            return real(fd, *rest)

        return call


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    yield Disk(monkeypatch)


@pytest.fixture
def kept() -> list[Checkpoint]:
    return []


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, which has to be soon."""
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


def stored(folder: Path, stream: str = "w1") -> list[bytes]:
    """The records in the file, in order."""
    lines = (folder / f"{stream}.jsonl").read_bytes().splitlines()
    return [parse_line(line).record for line in lines]


def assert_clean(folder: Path, kept: list[Checkpoint]) -> None:
    """Nothing is wrong with any stream, and no line stands behind what was vouched for."""
    registry: dict[str, list[Checkpoint]] = {}
    for checkpoint in kept:
        check_checkpoint(checkpoint, KEYS)
        registry.setdefault(checkpoint.stream, []).append(checkpoint)
    for report in verify_folder(folder, registry, KEYS):
        assert report.ok, [finding.describe() for finding in report.findings]
        assert report.notes == ()


@pytest.mark.parametrize("durability", BOTH)
def test_records_are_written_before_the_answer_leaves(
    tmp_path: Path, kept: list[Checkpoint], durability: Durability
) -> None:
    async def run() -> None:
        log = open_log(tmp_path / "audit", durability, kept)
        for number in range(1, 6):
            assert await written(log, record(number))
            assert stored(tmp_path / "audit") == records(number)
        assert log.failure is None
        await log.aclose()

    asyncio.run(run())
    assert_clean(tmp_path / "audit", kept)
    assert [(one.state, one.seq) for one in kept] == [("opened", 0), ("closed", 5)]
    assert kept[0].chain == genesis("w1").hex()
    assert (tmp_path / "audit" / "w1.jsonl").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700


def test_strict_syncs_between_the_write_and_the_release(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, "strict", kept)
        disk.calls.clear()
        log.append(record(1))
        done = asyncio.Event()

        def release(allowed: bool) -> None:
            assert allowed
            disk.calls.append("release")
            done.set()

        log.commit(release)
        assert "release" not in disk.calls
        await done.wait()
        assert disk.calls == ["write", "fdatasync", "pwrite", "release"]
        await log.aclose()

    asyncio.run(run())


def test_relaxed_is_one_write_and_no_waiting(tmp_path: Path, kept: list[Checkpoint], disk: Disk) -> None:
    async def run() -> None:
        log = open_log(tmp_path, "relaxed", kept)
        disk.calls.clear()
        for number in range(1, 33):
            log.append(record(number))
        log.commit(lambda allowed: disk.calls.append(f"release {allowed}"))
        assert disk.calls == ["write", "pwrite", "release True"]
        assert stored(tmp_path) == records(32)
        await log.aclose()

    asyncio.run(run())
    assert_clean(tmp_path, kept)


@pytest.mark.parametrize("durability", BOTH)
def test_without_records_the_answer_leaves_at_once(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk, durability: Durability
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, durability, kept)
        disk.calls.clear()
        released: list[bool] = []
        log.commit(released.append)
        assert released == [True]
        assert disk.calls == []
        await log.aclose()

    asyncio.run(run())


def test_what_waits_shares_one_sync_and_is_released_in_order(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, "strict", kept)
        disk.calls.clear()
        disk.gate = threading.Event()
        order: list[int] = []
        done = asyncio.Event()

        def release(number: int) -> Callable[[bool], None]:
            def call(allowed: bool) -> None:
                assert allowed
                order.append(number)
                if number == 20:
                    done.set()

            return call

        for number in range(1, 21):
            if number % 4:  # every fourth turn has no record, and may not overtake the others
                log.append(record(number))
            log.commit(release(number))
            if number == 1:
                await until(lambda: "fdatasync" in disk.calls)  # the first one is on its way
        assert order == []
        disk.gate.set()
        await done.wait()
        assert order == list(range(1, 21))
        assert disk.calls.count("fdatasync") == 2
        await log.aclose()

    asyncio.run(run())
    assert stored(tmp_path) == [record(number) for number in range(1, 21) if number % 4]
    assert_clean(tmp_path, kept)


@pytest.mark.parametrize("durability", BOTH)
@pytest.mark.parametrize("taken", [None, 0, 1, 700, 1500])
def test_a_full_disk_refuses_and_comes_back_by_itself(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk, durability: Durability, taken: int | None
) -> None:
    """`taken` bytes fit before the disk is full; None: the write fails at once."""

    async def run() -> None:
        log = open_log(tmp_path, durability, kept)
        assert await written(log, *records(2))
        good = (tmp_path / "w1.jsonl").read_bytes()
        if taken is None:
            disk.failing["write"] = FULL
        disk.taken = taken
        for _ in range(3):
            assert not await written(log, record(90), record(91))
            assert (tmp_path / "w1.jsonl").read_bytes() == good
        assert log.failure is not None
        disk.failing.clear()
        assert await written(log, record(3))
        assert log.failure is None
        await log.aclose()

    asyncio.run(run())
    assert stored(tmp_path) == records(3)
    assert_clean(tmp_path, kept)


@pytest.mark.parametrize("durability", BOTH)
def test_a_torn_write_that_cannot_be_undone_at_once(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk, durability: Durability
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, durability, kept)
        assert await written(log, *records(2))
        disk.taken, disk.failing["ftruncate"] = 300, BROKEN
        assert not await written(log, record(90))
        disk.failing.pop("write")
        assert not await written(log, record(91))  # not behind the torn one
        disk.failing.clear()
        assert await written(log, record(3))
        await log.aclose()

    asyncio.run(run())
    assert stored(tmp_path) == records(3)
    assert_clean(tmp_path, kept)


def test_only_the_batches_of_the_failed_group_are_refused(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, "strict", kept)
        disk.gate = threading.Event()
        outcomes: list[tuple[int, bool]] = []
        for number in range(1, 4):
            if number < 3:
                log.append(record(number))
            log.commit(lambda allowed, number=number: outcomes.append((number, allowed)))
            if number == 1:
                await until(lambda: "fdatasync" in disk.calls)
        disk.failing["write"] = FULL
        disk.gate.set()
        await until(lambda: len(outcomes) == 3)
        assert outcomes == [(1, True), (2, False), (3, True)]  # the third had nothing to write
        disk.failing.clear()
        await log.aclose()

    asyncio.run(run())
    assert stored(tmp_path) == [record(1)]
    assert_clean(tmp_path, kept)


def test_after_a_failed_sync_the_stream_is_left_for_a_new_one(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, "strict", kept)
        assert await written(log, *records(2))
        disk.failing["fdatasync"] = BROKEN
        assert not await written(log, record(90))
        disk.failing.clear()
        assert await written(log, record(3))
        await log.aclose()

    asyncio.run(run())
    assert stored(tmp_path) == records(2)
    assert stored(tmp_path, "w1.2") == [record(3)]
    assert [(one.stream, one.state, one.seq, one.previous) for one in kept] == [
        ("w1", "opened", 0, ""),
        ("w1", "abandoned", 2, ""),
        ("w1.2", "opened", 0, "w1"),
        ("w1.2", "closed", 1, ""),
    ]
    assert_clean(tmp_path, kept)


def test_a_relaxed_stream_whose_sync_fails_is_left_too(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, "relaxed", kept, checkpoint_seconds=0.01)
        disk.failing["fdatasync"] = BROKEN
        assert await written(log, *records(2))
        await until(lambda: log.failure is not None)
        disk.failing.clear()
        assert await written(log, record(3))
        await log.aclose()

    asyncio.run(run())
    assert stored(tmp_path, "w1.2") == [record(3)]
    assert ("w1", "abandoned", 2) in [(one.stream, one.state, one.seq) for one in kept]
    assert_clean(tmp_path, kept)


def test_a_head_that_cannot_be_written_refuses_the_answer_and_keeps_the_record(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, "relaxed", kept)
        disk.failing["pwrite"] = BROKEN
        assert not await written(log, record(1))
        disk.failing.clear()
        assert await written(log, record(2))
        await log.aclose()

    asyncio.run(run())
    assert stored(tmp_path) == records(2)
    assert_clean(tmp_path, kept)


@pytest.mark.parametrize("durability", BOTH)
def test_a_disk_that_is_full_at_the_start(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk, durability: Durability
) -> None:
    async def run() -> None:
        disk.failing["write"] = FULL
        log = open_log(tmp_path, durability, kept)
        assert log.failure is FULL
        assert not await written(log, record(90))
        assert kept == []
        assert os.listdir(tmp_path) == []
        released: list[bool] = []
        log.commit(released.append)  # nothing to write: nothing to refuse
        assert released == [True]
        disk.failing.clear()
        assert await written(log, record(1))
        await log.aclose()

    asyncio.run(run())
    assert stored(tmp_path) == [record(1)]
    assert_clean(tmp_path, kept)


@pytest.mark.parametrize("durability", BOTH)
def test_a_full_file_is_followed_by_another(
    tmp_path: Path, kept: list[Checkpoint], durability: Durability
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, durability, kept, roll_bytes=2000)
        for number in range(1, 8):
            assert await written(log, record(number))
        await log.aclose()

    asyncio.run(run())
    names = ["w1", "w1.2", "w1.3", "w1.4"]
    assert sorted(path.stem for path in tmp_path.glob("*.jsonl")) == names
    assert [one for name in names for one in stored(tmp_path, name)] == records(7)
    opened = {one.stream: one.previous for one in kept if one.state == "opened"}
    assert opened == {"w1": "", "w1.2": "w1", "w1.3": "w1.2", "w1.4": "w1.3"}
    assert {one.stream: one.seq for one in kept if one.state == "closed"} == {
        "w1": 2,
        "w1.2": 2,
        "w1.3": 2,
        "w1.4": 1,
    }
    assert_clean(tmp_path, kept)


def test_a_full_file_goes_on_while_another_cannot_be_made(
    tmp_path: Path, kept: list[Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def no_new_files(path: object, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_CREAT:
            raise FULL
        return real(path, flags, *rest, **more)  # type: ignore[arg-type]

    async def run() -> None:
        log = open_log(tmp_path, "strict", kept, roll_bytes=1500)
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", no_new_files)
            for number in range(1, 5):
                assert await written(log, record(number))
        assert await written(log, record(5))
        await log.aclose()

    asyncio.run(run())
    assert stored(tmp_path) == records(4)
    assert stored(tmp_path, "w1.2") == [record(5)]
    assert_clean(tmp_path, kept)


def test_a_name_that_exists_is_not_written_to(tmp_path: Path, kept: list[Checkpoint]) -> None:
    async def run() -> None:
        first = open_log(tmp_path, "strict", kept)
        assert await written(first, record(1))
        second = open_log(tmp_path, "strict", kept)
        assert await written(second, record(2))
        await first.aclose()
        await second.aclose()

    asyncio.run(run())
    assert stored(tmp_path) == [record(1)]
    assert stored(tmp_path, "w1.2") == [record(2)]
    assert_clean(tmp_path, kept)


@pytest.mark.parametrize("durability", BOTH)
def test_checkpoints_come_while_there_is_activity(
    tmp_path: Path, kept: list[Checkpoint], disk: Disk, durability: Durability
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, durability, kept, checkpoint_seconds=0.01)
        assert await written(log, *records(2))
        disk.calls.clear()
        await until(lambda: len(kept) == 2)
        # In relaxed mode the checkpoint first puts on the disk what it vouches for.
        assert disk.calls == ([] if durability == "strict" else ["fdatasync"])
        assert (kept[1].state, kept[1].seq) == ("running", 2)
        await asyncio.sleep(0.05)
        assert len(kept) == 2  # nothing happened since
        assert await written(log, record(3))
        await until(lambda: len(kept) == 3)
        await log.aclose()

    asyncio.run(run())
    assert [(one.state, one.seq) for one in kept] == [
        ("opened", 0),
        ("running", 2),
        ("running", 3),
        ("closed", 3),
    ]
    assert_clean(tmp_path, kept)


@pytest.mark.parametrize("durability", BOTH)
def test_closing_writes_what_is_pending_and_then_refuses(
    tmp_path: Path, kept: list[Checkpoint], durability: Durability
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, durability, kept)
        released: list[bool] = []
        log.append(record(1))
        log.commit(released.append)
        log.append(record(2))
        await log.aclose()
        assert released == [True]
        log.append(record(3))
        log.commit(released.append)
        assert released == [True, False]
        log.commit(released.append)
        assert released == [True, False, True]

    asyncio.run(run())
    assert stored(tmp_path) == records(2)
    assert_clean(tmp_path, kept)
    assert not [thread for thread in threading.enumerate() if thread.name == "audit-committer"]


def test_one_release_that_raises_does_not_hold_up_the_others(tmp_path: Path, kept: list[Checkpoint]) -> None:
    async def run() -> None:
        seen: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: seen.append(str(context["exception"]))
        )
        log = open_log(tmp_path, "strict", kept)

        def broken(allowed: bool) -> None:
            raise RuntimeError("in the front")

        log.append(record(1))
        log.commit(broken)
        assert await written(log, record(2))
        assert seen == ["in the front"]
        await log.aclose()

    asyncio.run(run())
    assert_clean(tmp_path, kept)


@pytest.mark.parametrize("durability", BOTH)
def test_a_record_that_is_no_line_is_refused_and_harms_nothing(
    tmp_path: Path, kept: list[Checkpoint], durability: Durability
) -> None:
    async def run() -> None:
        log = open_log(tmp_path, durability, kept)
        assert not await written(log, b'{"a":\n1}')
        assert await written(log, record(1))
        await log.aclose()

    asyncio.run(run())
    assert_clean(tmp_path, kept)


def test_a_committer_that_breaks_refuses_for_good(
    tmp_path: Path, kept: list[Checkpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as memory running out in the middle: nothing hangs, and nothing is answered without a record."""
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))

    def no_memory(*_: object) -> None:
        raise MemoryError

    async def run() -> None:
        log = open_log(tmp_path, "strict", kept)
        assert await written(log, record(1))
        with monkeypatch.context() as patched:
            patched.setattr("hearthkms.audit.stream.extend", no_memory)
            assert not await written(log, record(90))
        assert not await written(log, record(91))
        assert isinstance(log.failure, OSError)
        await log.aclose()

    asyncio.run(run())
    assert told == [MemoryError]
    assert stored(tmp_path) == [record(1)]
    assert_clean(tmp_path, kept)


@pytest.mark.parametrize("name", ["", "../w", "w" * 101, "w 1", "w/1"])
def test_a_bad_stream_id_is_refused(tmp_path: Path, name: str) -> None:
    async def run() -> None:
        AuditLog(
            tmp_path,
            name,
            HEAD_KEY,
            "strict",
            asyncio.get_running_loop(),
            signer=SIGNER,
            on_checkpoint=lambda _: None,
        )

    with pytest.raises(ValueError):
        asyncio.run(run())


def test_the_keys_do_not_reach_the_disk(tmp_path: Path, kept: list[Checkpoint]) -> None:
    async def run() -> None:
        log = open_log(tmp_path, "strict", kept)
        assert await written(log, record(1))
        await log.aclose()

    asyncio.run(run())
    assert all(HEAD_KEY.reveal() not in path.read_bytes() for path in tmp_path.iterdir())
    assert verify_stream(tmp_path, "w1", kept, KEYS).ok
