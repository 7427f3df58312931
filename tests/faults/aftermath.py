"""After the shooting: everything that was acknowledged is there, and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.faults.known import Known, KnownKey
from tests.support.server import hearthkms
from tests.support.signed import Client

from hearthkms.app.offline import opened
from hearthkms.audit.tail import stream_entries
from hearthkms.settings import load

_NO_ALIAS = "alias/aws/"


def check_service(client: Client, all_known: Sequence[Known]) -> None:
    """Ask the service for everything that its callers know of."""
    wrong = [what for known in all_known for what in known.wrong]
    assert not wrong, "\n".join(wrong)
    check_keys(client, all_known)
    check_aliases(client, all_known)
    for known in all_known:
        for key in known.keys:
            _check_key(client, key)


def check_keys(client: Client, all_known: Sequence[Known]) -> None:
    """Every acknowledged key is listed; each other one is of a creation that was not answered."""
    listed = {entry["KeyId"] for entry in _pages(client, "ListKeys", "Keys")}
    known_keys = {key.key_id for known in all_known for key in known.keys}
    assert known_keys <= listed
    extra = Counter(
        client.call("DescribeKey", KeyId=key_id)["KeyMetadata"]["Description"]
        for key_id in listed - known_keys
    )
    possible = {token for known in all_known for token in known.creations_unanswered}
    assert set(extra) <= possible
    assert all(count == 1 for count in extra.values())
    for key_id in listed - known_keys:
        # It came into being whole or not at all.
        sealed = client.call("Encrypt", KeyId=key_id, Plaintext="eA==")["CiphertextBlob"]
        assert client.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "eA=="


def check_aliases(client: Client, all_known: Sequence[Known]) -> None:
    """Every alias points where it was last pointed to, or where an unanswered call may have pointed it."""
    found = {
        entry["AliasName"]: entry["TargetKeyId"]
        for entry in _pages(client, "ListAliases", "Aliases")
        if not entry["AliasName"].startswith(_NO_ALIAS)
    }
    known_aliases = {name: possible for known in all_known for name, possible in known.aliases.items()}
    assert set(found) <= set(known_aliases)
    wrong = {
        name: (found.get(name), possible)
        for name, possible in known_aliases.items()
        if found.get(name) not in possible.values
    }
    assert wrong == {}


def _check_key(client: Client, key: KnownKey) -> None:
    metadata = client.call("DescribeKey", KeyId=key.key_id)["KeyMetadata"]
    assert metadata["Description"] in key.description.values
    assert metadata["KeyState"] in key.state.values
    _check_tags(client, key)
    if metadata["KeyState"] == "PendingDeletion":
        client.call("CancelKeyDeletion", KeyId=key.key_id)
    if metadata["KeyState"] != "Enabled":
        client.call("EnableKey", KeyId=key.key_id)
    status = client.call("GetKeyRotationStatus", KeyId=key.key_id)
    assert status["KeyRotationEnabled"] in key.rotates.values
    rotations = len(list(_pages(client, "ListKeyRotations", "Rotations", KeyId=key.key_id)))
    assert key.rotations <= rotations <= key.rotations + key.rotations_unanswered
    for sealed in key.ciphertexts:
        answer = client.call("Decrypt", CiphertextBlob=sealed.blob, EncryptionContext=sealed.context)
        assert sealed.plaintext in (None, answer["Plaintext"])
        assert sealed.material_id in (None, answer["KeyMaterialId"])
        assert answer["KeyId"] == metadata["Arn"]


def _check_tags(client: Client, key: KnownKey) -> None:
    entries = _pages(client, "ListResourceTags", "Tags", KeyId=key.key_id)
    found = {entry["TagKey"]: entry["TagValue"] for entry in entries}
    assert set(found) <= set(key.tags)
    wrong = {
        name: (found.get(name), possible)
        for name, possible in key.tags.items()
        if found.get(name) not in possible.values
    }
    assert wrong == {}


def _pages(client: Client, operation: str, member: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    while True:
        page = client.call(operation, Limit=50, **parameters)
        yield from page[member]
        if not page["Truncated"]:
            return
        parameters["Marker"] = page["NextMarker"]


def check_trail(data: Path, all_known: Iterable[Known], database: str | None = None) -> int:
    """Every answered request is on the trail exactly once, and the trail is whole; how many records it has.

    The trail is read as it lies on the disk and in the database, by what the product reads it with.
    """
    requests = Counter[str]()
    operations: dict[str, str] = {}
    created = Counter[str]()
    events = Counter[str]()
    for record in records(data, database):
        event = json.loads(record)
        events[event["eventID"]] += 1
        requests[event["requestID"]] += 1
        operations[event["requestID"]] = event["eventName"]
        if event["eventName"] == "CreateKey" and "errorCode" not in event:
            created[event["responseElements"]["keyMetadata"]["keyId"]] += 1
    assert max(events.values()) == 1
    assert max(created.values()) == 1
    answered = [request for known in all_known for request in known.requests]
    wrong = [
        f"{operation} {request}: {requests[request]} records"
        for operation, request in answered
        if requests[request] != 1 or operations[request] != operation
    ]
    assert not wrong, "\n".join(wrong)
    verify_trail(data, database)
    return sum(events.values())


def records(data: Path, database: str | None = None) -> Iterator[bytes]:
    """Every record of the trail: the streams' in this data folder, and the ledger's."""
    for path in sorted((data / "audit").glob("*.jsonl")):
        with path.open("rb") as file:
            yield from (entry.record for entry in stream_entries(file))
    with opened(load(None, {"data": data, "database": database}), keys=False) as deployment:
        after = 0
        while rows := deployment.database.read_now(
            lambda transaction, after=after: transaction.ledger_rows(after, 1000)  # type: ignore[misc]
        ):
            yield from (row.event for row in rows)
            after = rows[-1].seq


def verify_trail(data: Path, database: str | None = None) -> str:
    """What `hearthkms audit verify` says, which must be that the trail is whole."""
    where = ["--data", str(data), *(["--database", database] if database else [])]
    done = subprocess.run(
        [hearthkms(), "audit", "verify", *where], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the trail is whole" in done.stdout
    return done.stdout
