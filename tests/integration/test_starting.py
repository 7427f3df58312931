"""Starting: what stands in the way is said, nothing is shared by accident, an interruption is harmless."""

from __future__ import annotations

import random
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
from tests.integration.commands import begin, run, wait_for
from tests.support.server import running
from tests.support.signed import Client


def serve(data: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A start that is to fail."""
    return run("serve", "--dev", "--data", data, *arguments)


def test_a_first_start_cut_off_anywhere_leaves_nothing_to_repair(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    chosen = random.Random(3)
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        process = begin("serve", "--dev", "--data", data, "--port", "0", "--workers", "2", log=log)
        with pytest.raises(subprocess.TimeoutExpired):
            # Imports take the first part of a start.
            process.wait(chosen.uniform(0.25, 0.9))
        process.send_signal(how)
        process.wait(20)
    with running(data, "--workers", "2") as server, Client(lambda: server.access) as client:
        key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
        client.call("Encrypt", KeyId=key_id, Plaintext="eA==")
    verified = run("audit", "verify", "--data", data)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_port_that_somebody_listens_on_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        # Somebody who would share the port: the kernel would deal out the clients between both.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = serve(tmp_path / "data", "--port", str(port))
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {port}: another process listens there." in done.stderr
    assert "Traceback" not in done.stderr


def test_two_services_do_not_share_a_port(tmp_path: Path) -> None:
    with running(tmp_path / "one") as server:
        done = serve(tmp_path / "two", "--port", str(server.port))
        assert done.returncode == 1
        assert "another process listens there" in done.stderr
        # The port is free again at once, although connections to it linger.
        with Client(lambda: server.access) as client:
            client.call("ListKeys")
    with running(tmp_path / "two", "--port", str(server.port)) as again:
        assert again.port == server.port


def test_a_second_service_on_the_same_data_is_refused_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data):
        before = time.monotonic()
        done = serve(data, "--port", "0")
        assert time.monotonic() - before < 8.0
        assert done.returncode == 1
        assert f"Another hearthkms has the data folder {data} open; stop it first." in done.stderr


def test_the_ready_file_of_a_killed_service_does_not_stay(tmp_path: Path) -> None:
    data, ready = tmp_path / "data", tmp_path / "ready.json"
    log = tmp_path / "log"
    first = begin("serve", "--dev", "--data", data, "--port", "0", "--ready-file", ready, log=log)
    wait_for(ready.exists, "the ready file")
    assert stat.S_IMODE(ready.stat().st_mode) == 0o600
    first.kill()
    first.wait()
    assert ready.exists()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = serve(data, "--port", str(other.getsockname()[1]), "--ready-file", ready)
    assert done.returncode == 1
    assert not ready.exists()


def test_a_data_folder_with_a_long_name_works(tmp_path: Path) -> None:
    data = tmp_path / ("long-" * 40) / "data"
    with running(data):
        status = run("root", "status", "--data", data)
    assert status.returncode == 0, status.stderr
    assert "is unsealed" in status.stdout


def test_a_data_folder_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    data = file / "data"
    done = serve(data)
    assert done.returncode == 1
    # Without root, the log may say before that memory cannot be locked.
    (said,) = [line for line in done.stderr.splitlines() if " INFO " not in line]
    assert f"The data folder {data} cannot be used" in said


def test_everything_in_the_data_folder_is_its_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "--tls-dev", "--workers", "2") as server:
        server.client().create_key()
        found = [data, *data.rglob("*")]
        modes = {str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode) for path in found}
    assert len(modes) > 10
    assert {name for name, mode in modes.items() if mode & 0o077} == set()


def test_a_closed_terminal_stops_the_service(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(20) == 0
