"""Upkeep of domain keys: sealing anew, dropping what is retired, and moving to another root."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.support.default_store import DUBLIN, FRANKFURT, KEY_ID, OTHER_ID, Setup
from tests.support.memory import MemoryRepository

from hearthkms.core.clock import DAY
from hearthkms.core.eager import finish
from hearthkms.core.errors import SealedError
from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.keystores.default import (
    ACCESS_KEY,
    SERVICE_DOMAIN,
    Keyring,
    regions_due,
    reseal,
    rewrap,
)
from hearthkms.keystores.default.root import SymmetricRoot
from hearthkms.kms.model.key import Key, Material


def reseal_all(setup: Setup, limit: int = 10) -> int:
    return finish(reseal(setup.keyring, setup.repository, setup.time, FRANKFURT, limit))


def versions(setup: Setup, region: str = FRANKFURT) -> list[int]:
    return [row.version for row in finish(setup.repository.list_domain_keys()) if row.region == region]


def test_sealing_anew_changes_the_seal_and_nothing_else(setup: Setup, key: Key) -> None:
    blob, before = setup.encrypt(key, b"kept"), setup.material_of(key)
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    assert reseal_all(setup) == 1
    after = setup.material_of(key)
    assert (before.domain_version, after.domain_version) == (1, 2)
    assert before.sealed != after.sealed
    assert (before.material_id, before.sequence) == (after.material_id, after.sequence)
    for seen in (setup, setup.restarted()):
        assert seen.decrypt(key, blob) == b"kept"


def test_works_in_lots(setup: Setup) -> None:
    keys = [setup.add_key(f"{i:08x}-12ab-34cd-56ef-1234567890ab") for i in range(5)]
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    assert [reseal_all(setup, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert {setup.material_of(key).domain_version for key in keys} == {2}


def test_leaves_other_regions_alone(setup: Setup, key: Key) -> None:
    elsewhere = setup.add_key(OTHER_ID, DUBLIN)
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    finish(setup.keyring.rotate(setup.repository, DUBLIN))
    assert reseal_all(setup) == 1
    assert setup.material_of(elsewhere).domain_version == 1


def test_drops_what_is_retired_after_a_day_without_users(setup: Setup, key: Key) -> None:
    blob = setup.encrypt(key, b"kept")
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    setup.time.now += 2 * DAY
    # A call that seals anew drops nothing: others may still hold what it changed.
    assert (reseal_all(setup), versions(setup)) == (1, [1, 2])
    assert (reseal_all(setup), versions(setup)) == (0, [2])
    for seen in (setup, setup.restarted()):
        assert seen.decrypt(key, blob) == b"kept"


def test_keeps_a_domain_key_whose_successor_is_young(setup: Setup, key: Key) -> None:
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    reseal_all(setup)
    setup.time.now += DAY - 1
    assert (reseal_all(setup), versions(setup)) == (0, [1, 2])
    setup.time.now += 1
    assert (reseal_all(setup), versions(setup)) == (0, [2])


def test_a_late_transaction_under_the_older_domain_key_loses_nothing(setup: Setup) -> None:
    late = setup.repository.begin()
    writer = setup._replace(repository=late)
    key = writer.add_key(KEY_ID)
    setup.repository.domain_keys.update(late.domain_keys)
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    reseal_all(setup)
    # Now the late transaction commits what it sealed under the older domain key.
    setup.repository.keys.update(late.keys)
    setup.repository.materials.update(late.materials)
    blob = setup.restarted().encrypt(key, b"kept")
    assert reseal_all(setup) == 1
    assert setup.restarted().decrypt(key, blob) == b"kept"


def test_the_service_s_own_domain_keeps_all_versions(setup: Setup) -> None:
    secret = Secret(b"access key secret")
    sealed, version = finish(setup.keyring.seal(setup.repository, SERVICE_DOMAIN, ACCESS_KEY, "AKIA", secret))
    finish(setup.keyring.rotate(setup.repository, SERVICE_DOMAIN))
    setup.time.now += 10 * DAY
    assert finish(reseal(setup.keyring, setup.repository, setup.time, SERVICE_DOMAIN, 10)) == 0
    assert versions(setup, SERVICE_DOMAIN) == [1, 2]
    source = setup.repository.domain_key
    opened = setup.restarted().keyring.open(source, SERVICE_DOMAIN, ACCESS_KEY, "AKIA", sealed, version)
    assert finish(opened) == secret


def test_a_region_without_domain_keys_needs_nothing(setup: Setup) -> None:
    assert reseal_all(setup) == 0
    assert setup.repository.domain_keys == {}


class Stale(MemoryRepository):
    """Lists materials as they were before another transaction changed them."""

    listed: Sequence[Material] = ()

    async def materials_not_under(self, region: str, domain_version: int, limit: int) -> Sequence[Material]:
        return self.listed


def test_what_changed_since_it_was_listed_is_read_again(setup: Setup, key: Key) -> None:
    other = setup.add_key(OTHER_ID)
    stale = Stale()
    stale.commit(setup.repository)
    stale.listed = [setup.material_of(key), setup.material_of(other)]
    finish(setup.keyring.rotate(stale, FRANKFURT))
    finish(stale.delete_key(FRANKFURT, other.key_id))
    assert finish(reseal(setup.keyring, stale, setup.time, FRANKFURT, 10)) == 1
    assert {m.key_id: m.domain_version for m in stale.materials.values()} == {key.key_id: 2}


def test_a_damaged_backing_key_stops_it_with_its_name(setup: Setup, key: Key) -> None:
    material = setup.material_of(key)
    setup.repository.materials[FRANKFURT, KEY_ID, material.material_id] = Material(
        FRANKFURT, KEY_ID, material.material_id, 1, material.sealed[:-1], 1, material.creation_date
    )
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    with pytest.raises(AuthenticityError, match=KEY_ID):
        reseal_all(setup)


def test_regions_are_due_by_their_newest_domain_key(setup: Setup, key: Key) -> None:
    finish(setup.keyring.active(setup.repository, SERVICE_DOMAIN))
    setup.time.now += 10
    setup.add_key(OTHER_ID, DUBLIN)
    setup.time.now += 90
    assert finish(regions_due(setup.repository, setup.time, 100)) == [FRANKFURT]
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    assert finish(regions_due(setup.repository, setup.time, 100)) == []
    assert finish(regions_due(setup.repository, setup.time, 90)) == [DUBLIN]


# another root


@pytest.fixture
def new_root() -> SymmetricRoot:
    """The root to move to."""
    return SymmetricRoot("passphrase", Secret(bytes(reversed(range(32)))))


def test_after_rewrapping_the_new_root_opens_everything_and_the_old_one_nothing(
    setup: Setup, key: Key, new_root: SymmetricRoot
) -> None:
    blob = setup.encrypt(key, b"kept")
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    finish(setup.keyring.active(setup.repository, SERVICE_DOMAIN))
    before = finish(setup.repository.list_domain_keys())

    assert finish(rewrap(setup.keyring, setup.repository, new_root)) == 3
    after = finish(setup.repository.list_domain_keys())
    assert [(r.region, r.version, r.creation_date) for r in before] == [
        (r.region, r.version, r.creation_date) for r in after
    ]
    assert {row.root_id for row in after} == {new_root.id}
    assert setup.under(new_root).decrypt(key, blob) == b"kept"
    assert finish(Keyring(None, setup.time).unlock(setup.repository, new_root)) == 3
    with pytest.raises(SealedError):
        setup.restarted().decrypt(key, blob)


def test_a_second_run_takes_up_what_was_added_under_the_old_root(
    setup: Setup, key: Key, new_root: SymmetricRoot
) -> None:
    finish(rewrap(setup.keyring, setup.repository, new_root))
    setup.add_key(OTHER_ID, DUBLIN)
    assert finish(rewrap(setup.restarted().keyring, setup.repository, new_root)) == 1
    assert finish(rewrap(setup.restarted().keyring, setup.repository, new_root)) == 0
    assert finish(Keyring(None, setup.time).unlock(setup.repository, new_root)) == 2


def test_the_wrong_old_root_rewraps_nothing(setup: Setup, key: Key, new_root: SymmetricRoot) -> None:
    before = dict(setup.repository.domain_keys)
    wrong = Keyring(SymmetricRoot("key-file", Secret(bytes(32))), setup.time)
    with pytest.raises(SealedError):
        finish(rewrap(wrong, setup.repository, new_root))
    assert setup.repository.domain_keys == before


class Forgetful:
    """A root that does not give back what it was given."""

    id = "forgetful:00000000"

    def seal(self, plaintext: Secret, aad: bytes) -> bytes:
        return b""

    def open(self, sealed: bytes, aad: bytes) -> Secret:
        return Secret(bytes(32))


def test_a_new_root_that_does_not_work_is_found_out_before_the_old_seal_is_gone(
    setup: Setup, key: Key
) -> None:
    before = dict(setup.repository.domain_keys)
    with pytest.raises(AuthenticityError):
        finish(rewrap(setup.keyring, setup.repository, Forgetful()))
    assert setup.repository.domain_keys == before
