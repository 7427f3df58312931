"""Services on PostgreSQL: two machines as one deployment, and a database that restarts under load."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.aftermath import check_service, records, verify_trail
from tests.faults.load import Caller
from tests.integration.commands import run, wait_for
from tests.support.postgres import PostgresServer, postgres_server  # noqa: F401  a fixture
from tests.support.server import Server, running
from tests.support.signed import Client, NotSentError, Refused, UnansweredError

PROMISED = 1.0
"""Seconds after which a change acknowledged by one machine is in force on every other."""
NO_DATABASE = "The database cannot be used now, so the request is refused."
UNCONFIRMED = "The database did not confirm the change, so it may or may not have been made."


def machine(folder: Path, name: str, root_key: Path) -> tuple[Path, list[str]]:
    """The data folder of a further machine, and its arguments: the root key is the same everywhere."""
    settings = folder / f"{name}.toml"
    settings.write_text(f'root_key_file = "{root_key}"\n')
    return folder / name, ["--settings", str(settings), "--workers", "2"]


def code_of(call: Callable[[], object]) -> str:
    """The error that a call ends with; empty where it does not."""
    try:
        call()
    except Refused as refused:
        return refused.code
    return ""


def test_two_machines_are_one_deployment(tmp_path: Path, postgres_server: PostgresServer) -> None:  # noqa: F811
    database = ["--database", postgres_server.create_database()]
    root_key = tmp_path / "root.key"
    (one_data, one_more), (two_data, two_more) = (
        machine(tmp_path, name, root_key) for name in ("one", "two")
    )
    with (
        running(one_data, *database, *one_more) as first,
        running(two_data, *database, *two_more) as second,
        Client(lambda: first.access) as one,
        Client(lambda: second.access) as two,
    ):
        assert first.account_id == second.account_id
        assert first.access["access_key_id"] == second.access["access_key_id"]
        check_a_change_is_in_force_elsewhere(one, two)
        check_a_change_is_in_force_elsewhere(two, one)
    for data, more in ((one_data, one_more), (two_data, two_more)):
        told = run("audit", "verify", "--data", data, *database, *more[:2])
        assert told.returncode == 0, told.stdout
        # Each has the streams of its own workers, and knows how many the other one has.
        assert "the trail is whole" in told.stdout
        assert "2 streams are with the machine" in told.stdout
        assert len(list((data / "audit").glob("*.jsonl"))) == 2


def check_a_change_is_in_force_elsewhere(here: Client, there: Client) -> None:
    """What `here` acknowledges holds `there` no later than promised."""
    key_id = here.call("CreateKey")["KeyMetadata"]["KeyId"]
    name = f"alias/{key_id}"

    def encrypt() -> str:
        return code_of(lambda: there.call("Encrypt", KeyId=name, Plaintext="eA=="))

    # That there is no such alias is held in memory from now on.
    assert encrypt() == "NotFoundException"
    here.call("CreateAlias", AliasName=name, TargetKeyId=key_id)
    in_force(encrypt, "")
    sealed = there.call("Encrypt", KeyId=name, Plaintext="eA==")["CiphertextBlob"]
    assert here.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "eA=="
    here.call("DisableKey", KeyId=key_id)
    in_force(encrypt, "DisabledException")
    here.call("EnableKey", KeyId=key_id)
    in_force(encrypt, "")
    here.call("RotateKeyOnDemand", KeyId=key_id)
    newer = here.call("Encrypt", KeyId=name, Plaintext="eQ==")["CiphertextBlob"]
    # No need to wait: a material that is not known yet is read.
    assert there.call("Decrypt", CiphertextBlob=newer)["Plaintext"] == "eQ=="
    assert there.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "eA=="


def in_force(ask: Callable[[], str], expected: str) -> None:
    """Ask until the answer is the one that a change acknowledged just now calls for."""
    acknowledged = time.monotonic()
    while True:
        asked = time.monotonic()
        if ask() == expected:
            return
        assert asked - acknowledged < PROMISED
        time.sleep(0.01)


def callers_of(server: Server, count: int, done: threading.Event) -> list[Caller]:
    """Load on a service until `done`."""
    callers = [Caller(number, lambda: server.access, done, 11) for number in range(count)]
    for caller in callers:
        caller.start()
    return callers


def test_a_database_that_restarts_is_waited_for(tmp_path: Path, postgres_server: PostgresServer) -> None:  # noqa: F811
    database = postgres_server.create_database()
    data = tmp_path / "data"
    with running(data, "--database", database, "--workers", "2") as server:
        children = server.children()
        done = threading.Event()
        callers = callers_of(server, 4, done)
        try:

            def answered() -> int:
                return sum(len(caller.known.requests) for caller in callers)

            for how in (signal.SIGINT, signal.SIGQUIT):
                before = answered()
                wait_for(lambda before=before: answered() > before + 50, "an answer")  # type: ignore[misc]
                postgres_server.stop(how)
                # Longer than what a machine holds in memory may be used without asking.
                time.sleep(PROMISED + 0.3)
                quiet = answered()
                time.sleep(0.2)
                assert answered() == quiet, "without its database a machine cannot know what holds"
                postgres_server.start()
            before = answered()
            wait_for(lambda: answered() > before + 50, "an answer after the restarts")
        finally:
            done.set()
            for caller in callers:
                caller.join()
        all_known = [caller.known for caller in callers]
        assert server.children() == children
        # Every request had an answer, if only this one.
        assert sum(known.unanswered for known in all_known) == 0
        excuses = {excuse for known in all_known for excuse in known.excuses}
        assert NO_DATABASE in excuses
        assert excuses <= {NO_DATABASE, UNCONFIRMED}
        with Client(lambda: server.access) as client:
            check_service(client, all_known)
    assert "Traceback" not in server.log.read_text()
    verify_trail(data, database)
    assert any(b'"CreateKey"' in record for record in records(data, database))


def test_a_worker_that_dies_while_the_database_is_away_comes_back_with_it(
    tmp_path: Path,
    postgres_server: PostgresServer,  # noqa: F811
) -> None:
    with running(tmp_path / "data", "--database", postgres_server.create_database()) as server:
        with Client(lambda: server.access) as client:
            key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
        postgres_server.stop()
        try:
            for pid in server.children():
                os.kill(pid, signal.SIGKILL)
            # It cannot start, says why, and is tried again.
            wait_for(lambda: "worker 1 (pid" in server.log.read_text(), "the end of the worker")
            wait_for(lambda: server.log.read_text().count("ended with exit code 1") >= 2, "a second failure")
        finally:
            postgres_server.start()

        def encrypts() -> bool:
            try:
                with Client(lambda: server.access) as fresh:
                    fresh.call("Encrypt", KeyId=key_id, Plaintext="eA==")
            except (NotSentError, UnansweredError):
                return False
            return True

        wait_for(encrypts, "an answer of the new worker")
    assert "Traceback" not in server.log.read_text()


def test_without_its_database_a_start_says_so(tmp_path: Path, postgres_server: PostgresServer) -> None:  # noqa: F811
    missing = postgres_server.url("no_such_database")
    done = run("serve", "--dev", "--data", tmp_path / "data", "--port", "0", "--database", missing)
    assert done.returncode == 1
    assert 'database "no_such_database" does not exist' in done.stderr
    assert "Traceback" not in done.stderr


def test_another_root_key_does_not_open_a_shared_database(
    tmp_path: Path,
    postgres_server: PostgresServer,  # noqa: F811
) -> None:
    database = ["--database", postgres_server.create_database()]
    with running(tmp_path / "one", *database) as server:
        server.client().create_key()
    done = run("serve", "--dev", "--data", tmp_path / "two", "--port", "0", *database)
    assert done.returncode == 1
    assert "there is no key file" in done.stderr
    wrong = tmp_path / "two" / "root.key"
    wrong.touch(0o600)
    wrong.write_bytes(os.urandom(32))
    done = run("serve", "--dev", "--data", tmp_path / "two", "--port", "0", *database)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
