"""The passphrase as a root of trust."""

from __future__ import annotations

import json

import pytest

from hearthkms.core.errors import SealedError, SettingsError
from hearthkms.core.secret import Secret
from hearthkms.crypto.passphrase import Cost
from hearthkms.keystores.default import PassphraseRoot

PASSPHRASE = Secret(b"correct horse battery staple")
CHEAP = Cost(iterations=1, lanes=1, memory_kib=19_456)


@pytest.fixture(scope="module")
def root() -> PassphraseRoot:
    """A root made from PASSPHRASE."""
    return PassphraseRoot.create(PASSPHRASE, CHEAP)


def test_the_passphrase_and_the_record_open_what_was_sealed(root: PassphraseRoot) -> None:
    sealed = root.seal(Secret(b"domain key"), b"aad")
    unlocked = PassphraseRoot.unlock(PASSPHRASE, root.record)
    assert unlocked.id == root.id
    assert unlocked.record == root.record
    assert unlocked.open(sealed, b"aad") == Secret(b"domain key")


def test_the_record_holds_nothing_secret(root: PassphraseRoot) -> None:
    record = json.loads(root.record)
    assert set(record) == {"kdf", "salt", "iterations", "lanes", "memory_kib", "root_id"}
    assert record["root_id"] == root.id
    assert root.id.startswith("passphrase:")
    assert (record["iterations"], record["lanes"], record["memory_kib"]) == (1, 1, 19_456)


def test_the_same_passphrase_makes_another_root_each_time(root: PassphraseRoot) -> None:
    assert PassphraseRoot.create(PASSPHRASE, CHEAP).id != root.id


def test_the_default_cost_is_the_one_in_the_specification() -> None:
    record = json.loads(PassphraseRoot.create(PASSPHRASE).record)
    assert (record["iterations"], record["lanes"], record["memory_kib"]) == (3, 4, 262_144)


@pytest.mark.parametrize("wrong", [b"correct horse battery stapl", b"Correct horse battery staple", b""])
def test_a_wrong_passphrase_is_said_to_be_that(root: PassphraseRoot, wrong: bytes) -> None:
    with pytest.raises(SealedError, match="not the passphrase"):
        PassphraseRoot.unlock(Secret(wrong), root.record)


@pytest.mark.parametrize("size", [0, 11])
def test_a_short_passphrase_is_refused(size: int) -> None:
    with pytest.raises(SettingsError, match="fewer than 12 bytes"):
        PassphraseRoot.create(Secret(b"x" * size), CHEAP)


@pytest.mark.parametrize(
    "change",
    [
        {"kdf": "scrypt"},
        {"salt": "00"},
        {"salt": "not hex"},
        {"iterations": 0},
        {"memory_kib": 8},
        {"memory_kib": 1 << 40},
        {"lanes": None},
    ],
)
def test_a_damaged_record_is_said_to_be_that(root: PassphraseRoot, change: dict[str, object]) -> None:
    record = json.dumps(json.loads(root.record) | change)
    with pytest.raises(SettingsError, match="damaged"):
        PassphraseRoot.unlock(PASSPHRASE, record)


@pytest.mark.parametrize("record", ["", "[]", "{}", "null"])
def test_what_is_no_record_is_said_to_be_damaged(record: str) -> None:
    with pytest.raises(SettingsError, match="damaged"):
        PassphraseRoot.unlock(PASSPHRASE, record)


def test_a_changed_salt_is_a_wrong_root(root: PassphraseRoot) -> None:
    record = json.dumps(json.loads(root.record) | {"salt": "00" * 16})
    with pytest.raises(SealedError):
        PassphraseRoot.unlock(PASSPHRASE, record)
