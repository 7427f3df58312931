"""What happens by itself when its date has come: deletion and rotation, in a running service whose days pass.

Every process of the service finds a `sitecustomize` module that moves `time.time`, all that the service knows
of the date, by what a file says at that moment. The monotonic clock, by which event loops and time-outs go,
is left alone. botocore signs with the same moved date.

libfaketime would do it one layer below, but breaks what Python builds on the monotonic clock: with that clock
left alone `time.sleep` fails with EINVAL, and with it moved too the time-outs of locks never come.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.auth
import pytest
from botocore.exceptions import ClientError
from tests.conformance.answers import STRANGE_CIPHERTEXT, describe, new_alias, no_such_key, refusal
from tests.conformance.calls import Sample, new_sample
from tests.conformance.shapes import watch
from tests.support.server import Server, hearthkms, running

PATIENCE = 30.0

MOVED_TIME = """
import time

real = time.time


def moved():
    with open({file!r}) as file:
        return real() + float(file.read())


time.time = moved
"""


class Calendar:
    """The date that the service sees: today, moved by `offset`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._file = folder / "offset"
        (folder / "sitecustomize.py").write_text(MOVED_TIME.format(file=str(self._file)))
        self.offset = timedelta()
        self.move(timedelta())

    def move(self, offset: timedelta) -> None:
        """Set the date. The file is replaced as a whole, so that no process ever reads half of it."""
        self.offset = offset
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(offset.total_seconds()))
        fresh.replace(self._file)

    def now(self) -> datetime:
        """The moved date."""
        return datetime.now(UTC) + self.offset

    def for_signing(self, remove_tzinfo: bool = True) -> datetime:
        """What botocore asks for when it signs."""
        return self.now().replace(tzinfo=None) if remove_tzinfo else self.now()

    def environment(self) -> dict[str, str]:
        """What makes a process see this calendar."""
        return {"PYTHONPATH": str(self._folder)}


@pytest.fixture
def calendar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calendar:
    calendar = Calendar(tmp_path / "calendar")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", calendar.for_signing)
    return calendar


@pytest.fixture
def start(tmp_path: Path, calendar: Calendar) -> Callable[[], Any]:
    """Start the service, always with the same data; jobs are looked for five times a second."""
    settings = tmp_path / "settings.toml"
    settings.write_text("jobs_seconds = 0.2\n")
    arguments = ("--workers", "2", "--settings", str(settings))
    return lambda: running(tmp_path / "data", *arguments, environment=calendar.environment())


@pytest.fixture
def server(start: Callable[[], Any]) -> Iterator[Server]:
    """A service whose days pass as the calendar says."""
    with start() as server:
        yield server


@pytest.fixture
def kms(server: Server) -> Any:
    return watch(server.client())


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for what the jobs process is about to do."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it did not happen by itself"
        time.sleep(0.05)


def is_gone(kms: Any, key_id: str) -> bool:
    try:
        kms.describe_key(KeyId=key_id)
    except kms.exceptions.NotFoundException:
        return True
    return False


def rotations(kms: Any, sample: Sample) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = kms.list_key_rotations(KeyId=sample.key_id)["Rotations"]
    return listed


def service_events(server: Server, name: str) -> list[dict[str, Any]]:
    """The trail's records of what the service did by itself."""
    command = [hearthkms(), "audit", "tail", "--json", "-n", "1000", "--data", str(server.data)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    records = [json.loads(line) for line in printed.splitlines()]
    return [
        record
        for record in records
        if (record["eventName"], record["eventType"]) == (name, "AwsServiceEvent")
    ]


def check_service_event(record: dict[str, Any], server: Server, sample: Sample) -> None:
    assert record["userIdentity"] == {"accountId": server.account_id, "invokedBy": "AWS Internal"}
    assert (record["sourceIPAddress"], record["userAgent"]) == ("AWS Internal", "AWS Internal")
    assert (record["requestParameters"], record["responseElements"]) == (None, None)
    assert record["readOnly"] is False
    assert record["resources"] == [
        {"accountId": server.account_id, "type": "AWS::KMS::Key", "ARN": sample.arn}
    ]


def test_a_key_is_deleted_when_its_window_ends(
    start: Callable[[], Any], calendar: Calendar, server: Server, kms: Any
) -> None:
    gone, waiting, saved = (new_sample(kms) for _ in range(3))
    kms.tag_resource(KeyId=gone.key_id, Tags=[{"TagKey": "a", "TagValue": "b"}])
    second_alias = new_alias()
    kms.create_alias(AliasName=second_alias, TargetKeyId=gone.key_id)
    kms.rotate_key_on_demand(KeyId=gone.key_id)
    kms.schedule_key_deletion(KeyId=gone.key_id, PendingWindowInDays=7)
    kms.schedule_key_deletion(KeyId=saved.key_id, PendingWindowInDays=7)
    calendar.move(timedelta(days=1))
    kms.schedule_key_deletion(KeyId=waiting.key_id, PendingWindowInDays=7)
    calendar.move(timedelta(days=6, hours=23))
    assert describe(kms, gone.key_id)["KeyState"] == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=saved.key_id)

    calendar.move(timedelta(days=7, minutes=1))
    wait_until(lambda: is_gone(kms, gone.key_id))

    # The same pass looked at the other keys, and left them.
    assert describe(kms, waiting.key_id)["KeyState"] == "PendingDeletion"
    assert describe(kms, saved.key_id)["KeyState"] == "Disabled"
    check_gone(kms, gone, second_alias)
    kms.create_alias(AliasName=second_alias, TargetKeyId=saved.key_id)
    assert describe(kms, second_alias)["KeyId"] == saved.key_id
    (event,) = service_events(server, "DeleteKey")
    check_service_event(event, server, gone)
    assert "serviceEventDetails" not in event
    due = calendar.now() - datetime.fromisoformat(event["eventTime"])
    assert abs(due.total_seconds()) < 2 * PATIENCE
    command = [hearthkms(), "audit", "verify", "--data", str(server.data)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.endswith("whole.\n")


def check_gone(kms: Any, gone: Sample, alias: str) -> None:
    """Nothing of a deleted key is left, by whatever name and with whatever operation it is asked for."""
    missing = no_such_key(gone.arn)
    for method in ("describe_key", "list_resource_tags", "get_key_policy", "get_key_last_usage"):
        assert refusal(getattr(kms, method), KeyId=gone.key_id) == missing
    assert refusal(kms.cancel_key_deletion, KeyId=gone.arn) == missing
    assert refusal(kms.encrypt, KeyId=gone.arn, Plaintext=b"x") == missing
    assert refusal(kms.decrypt, CiphertextBlob=gone.ciphertext) == STRANGE_CIPHERTEXT
    answer = refusal(kms.encrypt, KeyId=gone.alias, Plaintext=b"x")
    assert answer == ("NotFoundException", f"Alias {gone.alias_arn} is not found.")
    left = {entry["AliasName"] for entry in kms.list_aliases(Limit=100)["Aliases"]}
    assert left.isdisjoint({gone.alias, alias})
    assert gone.key_id not in {key["KeyId"] for key in kms.list_keys()["Keys"]}


def test_what_fell_due_while_the_service_was_down(start: Callable[[], Any], calendar: Calendar) -> None:
    with start() as server:
        kms = watch(server.client())
        gone, kept = new_sample(kms), new_sample(kms)
        kms.schedule_key_deletion(KeyId=gone.key_id, PendingWindowInDays=7)
        kms.enable_key_rotation(KeyId=kept.key_id, RotationPeriodInDays=90)
        first = describe(kms, kept.key_id)["CurrentKeyMaterialId"]
    calendar.move(timedelta(days=400))
    with start() as server:
        kms = watch(server.client())
        wait_until(lambda: is_gone(kms, gone.key_id))
        wait_until(lambda: len(rotations(kms, kept)) > 0)
        # Four periods have passed, but one rotation makes up for all of them.
        (rotation,) = rotations(kms, kept)
        assert rotation["RotationType"] == "AUTOMATIC"
        opened = kms.decrypt(CiphertextBlob=kept.ciphertext)
        assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"sample", first)
        status = kms.get_key_rotation_status(KeyId=kept.key_id)
        due = status["NextRotationDate"] - rotation["RotationDate"]
        assert due == timedelta(days=90)


def test_key_material_is_rotated_when_due(calendar: Calendar, server: Server, kms: Any) -> None:
    """90 days: domain keys are replaced on the way as well."""
    rotating, disabled = new_sample(kms), new_sample(kms)
    for sample in (rotating, disabled):
        kms.enable_key_rotation(KeyId=sample.key_id, RotationPeriodInDays=90)
    kms.disable_key(KeyId=disabled.key_id)
    first = describe(kms, rotating.key_id)["CurrentKeyMaterialId"]

    calendar.move(timedelta(days=89, hours=23, minutes=30))
    kms.rotate_key_on_demand(KeyId=rotating.key_id)
    second = describe(kms, rotating.key_id)["CurrentKeyMaterialId"]
    calendar.move(timedelta(days=89, hours=23, minutes=45))
    code, message = refusal(kms.rotate_key_on_demand, KeyId=rotating.key_id)
    assert code == "ConflictException"
    assert rotating.arn in message
    middle = kms.encrypt(KeyId=rotating.key_id, Plaintext=b"middle")["CiphertextBlob"]

    calendar.move(timedelta(days=90, minutes=1))
    wait_until(lambda: len(rotations(kms, rotating)) == 2)
    by_hand, by_itself = rotations(kms, rotating)
    third = describe(kms, rotating.key_id)["CurrentKeyMaterialId"]
    assert (by_hand["RotationType"], by_hand["KeyMaterialId"]) == ("ON_DEMAND", second)
    assert (by_itself["RotationType"], by_itself["KeyMaterialId"]) == ("AUTOMATIC", third)
    assert (by_hand["KeyMaterialState"], by_itself["KeyMaterialState"]) == ("NON_CURRENT", "CURRENT")
    status = kms.get_key_rotation_status(KeyId=rotating.key_id)
    assert status["NextRotationDate"] - by_itself["RotationDate"] == timedelta(days=90)
    last = kms.generate_data_key(KeyId=rotating.key_id, KeySpec="AES_256")
    assert last["KeyMaterialId"] == third
    for blob, material in ((rotating.ciphertext, first), (middle, second), (last["CiphertextBlob"], third)):
        assert kms.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == material
    # Now that it has happened, the next one is far away.
    kms.rotate_key_on_demand(KeyId=rotating.key_id)

    (event,) = service_events(server, "RotateKey")
    check_service_event(event, server, rotating)
    assert event["serviceEventDetails"] == {
        "keyId": rotating.key_id,
        "rotationType": "AUTOMATIC",
        "keyOrigin": "AWS_KMS",
        "previousKeyMaterialId": second,
        "currentKeyMaterialId": third,
    }
    # A disabled key waits; once it is enabled, what is overdue happens at once.
    assert rotations(kms, disabled) == []
    kms.enable_key(KeyId=disabled.key_id)
    wait_until(lambda: len(rotations(kms, disabled)) == 1)
    assert kms.decrypt(CiphertextBlob=disabled.ciphertext)["Plaintext"] == b"sample"


def test_the_service_does_see_the_calendar(calendar: Calendar, kms: Any) -> None:
    """Were it not so, the tests above would fail for the wrong reason, or not at all."""
    calendar.move(timedelta(days=3))
    created = kms.create_key()["KeyMetadata"]["CreationDate"]
    assert abs((created - calendar.now()).total_seconds()) < 5
    calendar.offset = timedelta()
    with pytest.raises(ClientError) as caught:
        kms.list_keys()
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
