"""A disk that is full, and a trail or a database that cannot be written: refused clearly, nothing lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.aftermath import check_service, check_trail, records
from tests.faults.disks import small_disk
from tests.faults.load import Caller
from tests.support.server import Server, hearthkms, running
from tests.support.signed import Client, Refused

AUDIT = "The audit trail cannot be written, so the request is refused."
DATABASE = "The database cannot be used now, so the request is refused."
PATIENCE = 20.0
SOAK = bool(os.environ.get("HEARTHKMS_SOAK"))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refusal(client: Client, operation: str, **parameters: object) -> Refused | None:
    """The error that a call ends with; None where it does not."""
    try:
        client.call(operation, **parameters)
    except Refused as refused:
        return refused
    return None


@contextlib.contextmanager
def callers_of(server: Server, count: int) -> Iterator[list[Caller]]:
    """Load on a service for the time of a `with` block."""
    done = threading.Event()
    callers = [Caller(number, lambda: server.access, done, 7) for number in range(count)]
    for caller in callers:
        caller.start()
    try:
        yield callers
    finally:
        done.set()
        for caller in callers:
            caller.join()


def answered(callers: list[Caller]) -> int:
    """How many calls have been answered so far."""
    return sum(len(caller.known.requests) for caller in callers)


def unavailable(callers: list[Caller]) -> int:
    """How many calls have been answered 5xx so far."""
    return sum(caller.known.unavailable for caller in callers)


@needs_root
@pytest.mark.parametrize("durability", ["strict", "relaxed"])
def test_a_full_disk_under_load_refuses_and_then_serves_again(tmp_path: Path, durability: str) -> None:
    with small_disk(tmp_path / "disk", 24 << 20) as disk:
        data = disk.path / "data"
        with running(data, "--workers", "2", "--audit-durability", durability) as server:
            children = server.children()
            with callers_of(server, 4) as callers:
                wait_for(lambda: answered(callers) > 100)
                disk.fill()
                wait_for(lambda: unavailable(callers) > 100)
                disk.free()
                before = answered(callers)
                wait_for(lambda: answered(callers) > before + 100)
            all_known = [caller.known for caller in callers]
            # Nobody died, and no connection was dropped.
            assert server.children() == children
            assert [known.unanswered for known in all_known] == [0] * 4
            excuses = {excuse for known in all_known for excuse in known.excuses}
            assert AUDIT in excuses
            assert excuses <= {AUDIT, DATABASE}
            with Client(lambda: server.access) as client:
                check_service(client, all_known)
        assert "Traceback" not in server.log.read_text()
        check_trail(data, all_known)


@needs_root
def test_what_a_full_disk_refuses_has_not_happened(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16 << 20) as disk:
        data = disk.path / "data"
        with running(data) as server:
            client = Client(lambda: server.access)
            disk.fill()
            made, refused = set[str](), set[str]()
            # The database's log has some room left from earlier transactions.
            while len(refused) < 5:
                name = f"key {len(made) + len(refused)}"
                error = refusal(client, "CreateKey", Description=name)
                if error is None:
                    made.add(name)
                else:
                    assert (error.status, error.code) == (500, "KMSInternalException")
                    assert error.message in (AUDIT, DATABASE)
                    refused.add(name)
                assert len(made) < 500
            disk.free()
            listed = client.call("ListKeys")["Keys"]
            found = {
                client.call("DescribeKey", KeyId=entry["KeyId"])["KeyMetadata"]["Description"]
                for entry in listed
            }
            assert found == made
            assert refusal(client, "CreateKey") is None
            client.close()
        ledger = b"".join(record for record in records(data) if b'"errorCode"' not in record)
        assert not [name for name in refused if f'"{name}"'.encode() in ledger]


@needs_root
def test_a_service_started_on_a_full_disk_says_so_or_serves_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16 << 20) as disk:
        data = disk.path / "data"
        with running(data) as server:
            client = Client(lambda: server.access)
            key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
            sealed = client.call("Encrypt", KeyId=key_id, Plaintext="eA==")["CiphertextBlob"]
            client.close()
        disk.fill()
        done = subprocess.run(
            [hearthkms(), "serve", "--data", data, "--port", "0", "--dev"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert "disk" in done.stderr or "space" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        disk.free()
        with running(data) as server:
            client = Client(lambda: server.access)
            assert client.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "eA=="
            client.close()


def test_a_removed_audit_folder_is_made_again_and_what_is_gone_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "--audit-durability", "relaxed") as server:
        client = Client(lambda: server.access)
        key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
        client.call("Encrypt", KeyId=key_id, Plaintext="eA==")
        lost = {path.stem for path in (data / "audit").glob("*.jsonl")}
        shutil.rmtree(data / "audit")
        client.call("Encrypt", KeyId=key_id, Plaintext="eA==")
        request_id = client.request_id
        client.close()
    assert any(request_id.encode() in record for record in records(data))
    told = subprocess.run(
        [hearthkms(), "audit", "verify", "--data", data], capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert {line.partition(":")[0] for line in told.stdout.splitlines() if "stream missing" in line} == lost


@pytest.mark.parametrize("durability", ["strict", "relaxed"])
def test_an_audit_folder_that_cannot_be_written_refuses_until_it_can(tmp_path: Path, durability: str) -> None:
    data = tmp_path / "data"
    with running(data, "--audit-durability", durability) as server:
        client = Client(lambda: server.access)
        key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
        children = server.children()
        audit = data / "audit"
        shutil.rmtree(audit)
        audit.write_bytes(b"")  # Also root cannot make a file below a file.
        for operation in ("Encrypt", "GenerateDataKeyWithoutPlaintext"):
            given = {"Plaintext": "eA=="} if operation == "Encrypt" else {"KeySpec": "AES_256"}
            error = refusal(client, operation, KeyId=key_id, **given)
            assert error is not None
            assert (error.status, error.code, error.message) == (500, "KMSInternalException", AUDIT)
        # A change has its record in the database, so it needs no log.
        assert refusal(client, "TagResource", KeyId=key_id, Tags=[{"TagKey": "a", "TagValue": "b"}]) is None
        audit.unlink()
        wait_for(lambda: refusal(client, "Encrypt", KeyId=key_id, Plaintext="eA==") is None)
        assert server.children() == children
        client.close()
    log = server.log.read_text()
    assert "Traceback" not in log
    assert any(client.request_id.encode() in record for record in records(data))


def test_a_database_locked_by_another_process_holds_up_changes_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "--workers", "2") as server:
        client, changing = Client(lambda: server.access), Client(lambda: server.access)
        key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
        other = sqlite3.connect(data / "hearthkms.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        ended: list[Refused | None] = []
        change = threading.Thread(target=lambda: ended.append(refusal(changing, "DisableKey", KeyId=key_id)))
        change.start()
        for _ in range(200):
            client.call("Encrypt", KeyId=key_id, Plaintext="eA==")
        assert change.is_alive()
        if SOAK:
            # Nobody waits for ever.
            change.join(PATIENCE)
            assert ended[0] is not None
            assert (ended[0].status, ended[0].message) == (500, DATABASE)
            change = threading.Thread(
                target=lambda: ended.append(refusal(changing, "DisableKey", KeyId=key_id))
            )
            change.start()
        other.execute("ROLLBACK")
        other.close()
        change.join(PATIENCE)
        assert ended[-1] is None
        assert client.call("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"] == "Disabled"
        client.close()
        changing.close()
