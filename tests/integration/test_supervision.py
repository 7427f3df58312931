"""Workers and the jobs process are started again when they die, and nothing leaks into them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from tests.faults.aftermath import records
from tests.integration.commands import wait_for
from tests.support.server import Server, running, start
from tests.support.signed import Client, NotSentError, UnansweredError

from hearthkms.app.processes import LONGEST_PAUSE, RESTART_SECONDS

ROOT = Path(__file__).parents[2]


def failing_service(folder: Path, *failing: int | str) -> subprocess.Popen[str]:
    """A supervisor whose worker fails at these starts."""
    command = [sys.executable, "-m", "tests.integration.failing_service", str(folder), *map(str, failing)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_a_worker_that_cannot_start_ends_the_service_with_the_reason(tmp_path: Path) -> None:
    process = failing_service(tmp_path, 1)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "The worker 1 process could not start: the stars are wrong"
    assert "Traceback" not in said
    assert not (tmp_path / "announced").exists()


def test_a_worker_that_fails_later_is_tried_again_after_growing_pauses(tmp_path: Path) -> None:
    process = failing_service(tmp_path, 2, 3, 4)
    starts = tmp_path / "starts"
    wait_for(lambda: starts.exists() and len(starts.read_text().split()) >= 5, "the fifth start")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    times = [float(line) for line in starts.read_text().split()]
    pauses = [after - before for before, after in pairwise(times)]
    # The first one had been at work. The next three had not: each pause is twice the one before.
    assert pauses[3] > pauses[1]
    assert sum(pauses[1:]) > 6 * RESTART_SECONDS
    assert max(pauses) < LONGEST_PAUSE
    assert said.count("the stars are wrong") == 3


def test_no_room_for_one_more_process_is_waited_out(tmp_path: Path) -> None:
    # Worker and jobs are the first two; the worker ends as soon as it is ready.
    process = failing_service(tmp_path, "no-room:3")
    starts = tmp_path / "starts"
    wait_for(lambda: starts.exists() and len(starts.read_text().split()) >= 2, "the second start")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert (
        "The worker 1 process cannot be started: Resource temporarily unavailable. It is tried again." in said
    )


def test_no_room_at_the_first_start_is_the_reason_why_there_is_none(tmp_path: Path) -> None:
    process = failing_service(tmp_path, "no-room:2")
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "The jobs process cannot be started: Resource temporarily unavailable."


def started_again(server: Server, before: set[int]) -> None:
    wait_for(
        lambda: len(server.children()) == len(before) and not before & set(server.children()),
        "the new start of every child",
    )


def test_children_that_are_killed_come_back_and_keep_every_key(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--workers", "2") as server, Client(lambda: server.access) as client:
        key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
        sealed = client.call("Encrypt", KeyId=key_id, Plaintext="eA==")["CiphertextBlob"]
        before = set(server.children())
        assert len(before) == 3
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        started_again(server, before)

        def decrypts() -> bool:
            try:
                return bool(client.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "eA==")
            except (NotSentError, UnansweredError):
                return False

        wait_for(decrypts, "an answer of a new worker")
    assert server.log.read_text().count("was ended by signal 9; it is started again") == 3


def test_every_worker_serves(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "--workers", "3") as server:
        with Client(lambda: server.access) as client:
            key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]

        def serving() -> set[str]:
            return {
                path.stem.split("-")[1] for path in (data / "audit").glob("*.jsonl") if path.stat().st_size
            }

        def ask() -> bool:
            # The kernel deals new connections out by their address.
            with Client(lambda: server.access) as fresh:
                fresh.call("Encrypt", KeyId=key_id, Plaintext="eA==")
            return serving() == {"w1", "w2", "w3"}

        wait_for(ask, "a record of each worker")
    streams = {json.loads(record)["eventName"] for record in records(data)}
    assert {"CreateKey", "Encrypt"} <= streams


def opened(pid: int) -> set[str]:
    """What a process has open that another could have, too: sockets, pipes and files by their names."""
    files = (path for path in Path(f"/proc/{pid}/fd").iterdir() if path.name not in {"0", "1", "2"})
    return {name for name in map(os.readlink, files) if not name.startswith("anon_inode:")}


@pytest.mark.skipif(os.geteuid() != 0, reason="hardened processes show their descriptors to root alone")
def test_a_child_inherits_the_lock_and_the_port_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "--workers", "2") as server:
        before = set(server.children())
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        started_again(server, before)
        expected = [f"{data}/lock", f"{data}/revision", "pipe", "socket"]

        def shared() -> list[list[str]]:
            own = opened(server.process.pid)
            return [sorted(opened(pid) & own) for pid in server.children()]

        def kinds() -> list[list[str]]:
            return [[name.partition(":")[0] for name in names] for names in shared()]

        # A child that was forked just now still has to let go of the rest.
        wait_for(lambda: kinds() == [expected] * 3, "letting go of what is the supervisor's")
        # The port is one for all; each pipe is a child's own.
        assert len({names[2] for names in shared()}) == 3
        assert len({names[3] for names in shared()}) == 1


def test_every_process_is_hardened(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        for pid in [server.process.pid, *server.children()]:
            limits = Path(f"/proc/{pid}/limits").read_text()
            core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
            assert core.split()[4:6] == ["0", "0"]
            if os.geteuid() != 0:
                # The files of a process that may not be traced belong to root.
                assert Path(f"/proc/{pid}/environ").stat().st_uid == 0


def test_children_do_not_outlive_their_supervisor(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(data, "--workers", "2")
    children = server.children()
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the end of every child")
    with running(data) as again, Client(lambda: again.access) as client:
        client.call("ListKeys")
