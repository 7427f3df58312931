"""What was acknowledged survives kill -9 of any process at any moment, with nothing to repair by hand."""

from __future__ import annotations

import os
import random
import signal
import threading
from functools import partial
from pathlib import Path

import pytest
from tests.faults.aftermath import check_service, check_trail
from tests.faults.load import Caller
from tests.faults.shooting import Target, shoot
from tests.support.postgres import PostgresServer, postgres_server  # noqa: F401  a fixture
from tests.support.signed import Client

SOAK = bool(os.environ.get("HEARTHKMS_SOAK"))
SEED = int(os.environ.get("HEARTHKMS_SEED") or random.SystemRandom().randrange(1_000_000))
CALLERS = 6

pytestmark = pytest.mark.soak


def survive(data: Path, *arguments: str, times: int, postgres: PostgresServer | None = None) -> None:
    """Load a service while its processes are killed, and look for everything that was acknowledged."""
    database = None if postgres is None else postgres.create_database()
    if database is not None:
        arguments = (*arguments, "--database", database)
    target = Target(data, "--workers", "2", *arguments)
    try:
        _survive(target, database, times=times, postgres=postgres)
    finally:
        if target.server.process.poll() is None:
            target.kill_everything()


def _survive(target: Target, database: str | None, *, times: int, postgres: PostgresServer | None) -> None:
    done = threading.Event()
    callers = [Caller(number, target.access, done, SEED) for number in range(CALLERS)]
    for caller in callers:
        caller.start()

    def answered() -> int:
        return sum(len(caller.known.requests) for caller in callers)

    try:
        crash = None if postgres is None else partial(crash_and_restart, postgres)
        kills = shoot(target, times=times, seed=SEED, answered=answered, database=crash)
    finally:
        done.set()
        for caller in callers:
            caller.join()
    all_known = [caller.known for caller in callers]
    # The last shot is at the whole service, so that nothing is found that only a process remembers.
    target.kill_everything()
    target.start()
    with Client(target.access) as client:
        check_service(client, all_known)
    assert target.stop() == 0
    records = check_trail(target.data, all_known, database)
    print(
        f"\nseed {SEED}: {kills.total() + 1} kills {dict(kills)}; {answered()} requests answered, "
        f"{sum(known.unanswered for known in all_known)} unanswered, "
        f"{sum(known.unavailable for known in all_known)} answered 5xx; "
        f"{sum(len(key.ciphertexts) for known in all_known for key in known.keys)} ciphertexts, "
        f"{sum(len(known.keys) for known in all_known)} keys, {records} audit records"
    )
    assert "Traceback" not in target.server.log.read_text()
    assert answered() >= 2 * times


def crash_and_restart(postgres: PostgresServer) -> None:
    """Kill PostgreSQL, as far as it may be killed without cutting the power, and start it again."""
    postgres.stop(signal.SIGQUIT)
    postgres.start()


@pytest.mark.parametrize(("durability", "times"), [("strict", 20), ("relaxed", 14)])
def test_sqlite_survives_kills_of_any_process(tmp_path: Path, durability: str, times: int) -> None:
    survive(tmp_path / "data", "--audit-durability", durability, times=800 if SOAK else times)


def test_postgresql_survives_kills_of_any_process_and_its_own(
    tmp_path: Path,
    postgres_server: PostgresServer,  # noqa: F811
) -> None:
    survive(tmp_path / "data", times=300 if SOAK else 14, postgres=postgres_server)
