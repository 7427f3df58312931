"""A change acknowledged on one connection is in force for the very next request on every other one.

Three workers, and several connections to each of them, which stay open: every change is made through one
connection, in turn, and then every other connection is asked once. Nothing is tried twice.
"""

from __future__ import annotations

import base64
import itertools
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials
from tests.conformance.connections import Connection, one_to_each
from tests.support.server import Server, hearthkms, running

WORKERS = 3
EACH = 3
ROUNDS = 40
PLAINTEXT = base64.b64encode(b"x").decode()


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with three workers."""
    with running(tmp_path_factory.mktemp("spread") / "data", "--workers", str(WORKERS)) as server:
        yield server


@pytest.fixture(scope="module")
def connections(spread: Server) -> Iterator[list[Connection]]:
    """Three connections to each worker, in an order that goes from worker to worker."""
    if os.geteuid() != 0:
        pytest.skip("hardened processes show their descriptors to root alone")
    opened = list(one_to_each(spread, WORKERS, EACH))
    by_worker = itertools.groupby(sorted(opened, key=lambda c: c.worker), key=lambda c: c.worker)
    groups = [list(group) for _, group in by_worker]
    assert [len(group) for group in groups] == [EACH] * WORKERS
    yield [connection for turn in zip(*groups, strict=True) for connection in turn]
    assert all(connection.still_open() for connection in opened), "a connection was lost on the way"
    for connection in opened:
        connection.close()


class Turns:
    """Each change goes over the next connection; each check over the others, those of other workers first."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections
        self._next = itertools.cycle(connections)
        self._last = connections[0]

    def change(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make a change, which must succeed."""
        self._last = next(self._next)
        answer = self._last.call(operation, parameters)
        assert "__type" not in answer, answer
        return answer

    def everywhere(
        self, operation: str, credentials: Credentials | None = None, **parameters: Any
    ) -> list[dict[str, Any]]:
        """What every other connection answers."""
        others = [connection for connection in self._connections if connection is not self._last]
        others.sort(key=lambda connection: connection.worker == self._last.worker)
        return [connection.call(operation, parameters, credentials) for connection in others]


@pytest.fixture
def turns(connections: list[Connection]) -> Turns:
    return Turns(connections)


def test_connections_are_spread_over_all_workers(spread: Server, connections: list[Connection]) -> None:
    served = {connection.worker for connection in connections}
    assert len(served) == WORKERS
    # The jobs process is the one child that serves nobody.
    assert len(set(spread.children()) - served) == 1


def test_disable_and_enable(turns: Turns) -> None:
    key = turns.change("CreateKey")["KeyMetadata"]
    for _ in range(ROUNDS):
        turns.change("DisableKey", KeyId=key["KeyId"])
        for answer in turns.everywhere("Encrypt", KeyId=key["KeyId"], Plaintext=PLAINTEXT):
            assert answer == {"__type": "DisabledException", "message": f"{key['Arn']} is disabled."}
        turns.change("EnableKey", KeyId=key["KeyId"])
        for answer in turns.everywhere("Encrypt", KeyId=key["KeyId"], Plaintext=PLAINTEXT):
            assert answer["KeyId"] == key["Arn"]


def test_a_new_key(turns: Turns) -> None:
    for _ in range(ROUNDS):
        key = turns.change("CreateKey")["KeyMetadata"]
        for answer in turns.everywhere("GenerateDataKey", KeyId=key["Arn"], KeySpec="AES_256"):
            assert answer["KeyMaterialId"] == key["CurrentKeyMaterialId"]


def test_an_alias_that_comes_moves_and_goes(turns: Turns) -> None:
    """It is asked for before it exists, too, so that its absence is known everywhere."""
    keys = [turns.change("CreateKey")["KeyMetadata"] for _ in range(2)]
    for turn in range(ROUNDS):
        name = f"alias/moving-{turn % 3}"
        for answer in turns.everywhere("DescribeKey", KeyId=name):
            assert answer["__type"] == "NotFoundException"
        turns.change("CreateAlias", AliasName=name, TargetKeyId=keys[0]["KeyId"])
        for answer in turns.everywhere("Encrypt", KeyId=name, Plaintext=PLAINTEXT):
            assert answer["KeyId"] == keys[0]["Arn"]
        turns.change("UpdateAlias", AliasName=name, TargetKeyId=keys[1]["KeyId"])
        for answer in turns.everywhere("Encrypt", KeyId=name, Plaintext=PLAINTEXT):
            assert answer["KeyId"] == keys[1]["Arn"]
        turns.change("DeleteAlias", AliasName=name)
        for answer in turns.everywhere("Encrypt", KeyId=name, Plaintext=PLAINTEXT):
            assert answer["__type"] == "NotFoundException"


def test_what_describes_a_key(turns: Turns) -> None:
    key = turns.change("CreateKey")["KeyMetadata"]["KeyId"]
    for turn in range(ROUNDS):
        turns.change("UpdateKeyDescription", KeyId=key, Description=f"turn {turn}")
        for answer in turns.everywhere("DescribeKey", KeyId=key):
            assert answer["KeyMetadata"]["Description"] == f"turn {turn}"
        turns.change("TagResource", KeyId=key, Tags=[{"TagKey": "turn", "TagValue": str(turn)}])
        for answer in turns.everywhere("ListResourceTags", KeyId=key):
            assert answer["Tags"] == [{"TagKey": "turn", "TagValue": str(turn)}]
        turns.change("EnableKeyRotation", KeyId=key, RotationPeriodInDays=90 + turn)
        for answer in turns.everywhere("GetKeyRotationStatus", KeyId=key):
            assert answer["RotationPeriodInDays"] == 90 + turn


def test_a_policy(turns: Turns) -> None:
    key = turns.change("CreateKey")["KeyMetadata"]["KeyId"]
    former = turns.everywhere("GetKeyPolicy", KeyId=key)[0]["Policy"]
    for turn in range(ROUNDS):
        policy = former + " " * (turn + 1)
        turns.change("PutKeyPolicy", KeyId=key, Policy=policy)
        for answer in turns.everywhere("GetKeyPolicy", KeyId=key):
            assert answer["Policy"] == policy


def test_rotation(turns: Turns) -> None:
    key = turns.change("CreateKey")["KeyMetadata"]["KeyId"]
    blobs = [turns.everywhere("Encrypt", KeyId=key, Plaintext=PLAINTEXT)[0]["CiphertextBlob"]]
    used = set()
    for _ in range(25):
        turns.change("RotateKeyOnDemand", KeyId=key)
        made = {
            answer["KeyMaterialId"]
            for answer in turns.everywhere("GenerateDataKey", KeyId=key, KeySpec="AES_128")
        }
        assert len(made) == 1
        assert not made & used, "a worker used the former key material"
        used |= made
        blobs.append(turns.change("Encrypt", KeyId=key, Plaintext=PLAINTEXT)["CiphertextBlob"])
        for blob in (blobs[0], blobs[-1]):
            for answer in turns.everywhere("Decrypt", CiphertextBlob=blob):
                assert answer["Plaintext"] == PLAINTEXT


def test_deletion_scheduled_and_cancelled(turns: Turns) -> None:
    key = turns.change("CreateKey")["KeyMetadata"]
    for _ in range(ROUNDS // 2):
        turns.change("ScheduleKeyDeletion", KeyId=key["KeyId"])
        for answer in turns.everywhere("Encrypt", KeyId=key["KeyId"], Plaintext=PLAINTEXT):
            assert answer["message"] == f"{key['Arn']} is pending deletion."
        turns.change("CancelKeyDeletion", KeyId=key["KeyId"])
        for answer in turns.everywhere("DescribeKey", KeyId=key["KeyId"]):
            assert answer["KeyMetadata"]["KeyState"] == "Disabled"


def test_an_access_key_that_the_operator_makes_and_takes_away(spread: Server, turns: Turns) -> None:
    """Commands beside the running service reach every worker just so."""

    def command(*arguments: str) -> str:
        done = subprocess.run(
            [hearthkms(), "access-key", *arguments, "--data", str(spread.data)],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    printed = (line.removeprefix("export ").split("=", 1) for line in command("create").splitlines())
    exports = dict(printed)
    made = Credentials(exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"])
    for answer in turns.everywhere("GenerateRandom", made, NumberOfBytes=8):
        assert "Plaintext" in answer
    command("delete", made.access_key)
    for answer in turns.everywhere("GenerateRandom", made, NumberOfBytes=8):
        assert answer["__type"] == "UnrecognizedClientException"
