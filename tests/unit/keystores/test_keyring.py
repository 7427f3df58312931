"""The keyring: domain keys in transactions, in races, in memory, and what their records bind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.default_store import DUBLIN, FRANKFURT, ROOT_KEY, Setup
from tests.support.memory import MemoryRepository

from hearthkms.core.eager import Suspended, finish
from hearthkms.core.errors import SealedError
from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.keystores.default import ACCESS_KEY, AUDIT_KEY, SERVICE_DOMAIN, Keyring
from hearthkms.keystores.default.keyring import BACKING_KEY
from hearthkms.keystores.default.root import SymmetricRoot
from hearthkms.kms.ports import DomainKey

SECRET = Secret(b"0123456789abcdef0123456789abcdef")


async def nowhere(region: str, version: int | None) -> DomainKey | None:
    """A source that must not be asked."""
    raise AssertionError("the source was asked")


def seal(keyring: Keyring, repository: MemoryRepository, region: str = FRANKFURT) -> tuple[bytes, int]:
    return finish(keyring.seal(repository, region, BACKING_KEY, "key/material", SECRET))


def open_(keyring: Keyring, source: Any, sealed: bytes, version: int, region: str = FRANKFURT) -> Secret:
    return finish(keyring.open(source, region, BACKING_KEY, "key/material", sealed, version))


def test_the_first_domain_key_of_a_region_is_made_when_needed(setup: Setup) -> None:
    assert finish(setup.keyring.active(setup.repository, FRANKFURT)) == 1
    assert finish(setup.keyring.active(setup.repository, FRANKFURT)) == 1
    assert finish(setup.keyring.active(setup.repository, DUBLIN)) == 1
    rows = finish(setup.repository.list_domain_keys())
    assert [(row.region, row.version) for row in rows] == [(FRANKFURT, 1), (DUBLIN, 1)]
    assert {row.root_id for row in rows} == {setup.keyring.root.id}
    assert {row.creation_date for row in rows} == {setup.time()}


def test_another_process_opens_what_was_sealed(setup: Setup) -> None:
    sealed, version = seal(setup.keyring, setup.repository)
    assert open_(setup.restarted().keyring, setup.repository.domain_key, sealed, version) == SECRET


def test_a_kept_domain_key_is_not_read_again(setup: Setup) -> None:
    sealed, version = seal(setup.keyring, setup.repository)
    assert open_(setup.keyring, nowhere, sealed, version) == SECRET


def test_unlocking_keeps_every_domain_key(setup: Setup) -> None:
    sealed = {region: seal(setup.keyring, setup.repository, region) for region in (FRANKFURT, DUBLIN)}
    fresh = setup.restarted().keyring
    assert finish(fresh.unlock(setup.repository, setup.keyring.root)) == 2
    for region, (record, version) in sealed.items():
        assert open_(fresh, nowhere, record, version, region) == SECRET


def test_opening_waits_for_the_source_the_first_time_alone(setup: Setup) -> None:
    sealed, version = seal(setup.keyring, setup.repository)
    fresh = setup.restarted().keyring

    async def slow(region: str, version: int | None) -> DomainKey | None:
        await asyncio.sleep(0)
        return await setup.repository.domain_key(region, version)

    with pytest.raises(Suspended):
        open_(fresh, slow, sealed, version)
    found = asyncio.run(fresh.open(slow, FRANKFURT, BACKING_KEY, "key/material", sealed, version))
    assert found == SECRET
    assert open_(fresh, slow, sealed, version) == SECRET


def test_of_two_first_domain_keys_the_committed_one_stands(setup: Setup) -> None:
    other = setup.restarted().keyring

    class Overtaken(MemoryRepository):
        """Another transaction commits the Region's first domain key just before ours is put."""

        async def put_domain_key(self, domain_key: DomainKey) -> None:
            if not self.domain_keys:
                seal(other, elsewhere)
                self.domain_keys.update(elsewhere.domain_keys)
            await super().put_domain_key(domain_key)

    elsewhere, ours = MemoryRepository(), Overtaken()
    sealed, version = seal(setup.keyring, ours)
    assert version == 1
    assert ours.domain_keys == elsewhere.domain_keys
    assert open_(other, nowhere, sealed, version) == SECRET


def test_of_two_rotations_the_committed_one_stands(setup: Setup) -> None:
    finish(setup.keyring.active(setup.repository, FRANKFURT))
    first, second = setup.repository.begin(), setup.repository.begin()
    assert finish(setup.keyring.rotate(first, FRANKFURT)) == 2
    assert finish(setup.restarted().keyring.rotate(second, FRANKFURT)) == 2
    setup.repository.commit(first)
    sealed, version = seal(setup.keyring, setup.repository)
    assert (version, open_(setup.restarted().keyring, setup.repository.domain_key, sealed, version)) == (
        2,
        SECRET,
    )


def test_a_rolled_back_domain_key_is_never_used_again(setup: Setup) -> None:
    lost = setup.repository.begin()
    seal(setup.keyring, lost)
    # Sealing: the database says which key stands, whatever this process has kept.
    sealed, version = seal(setup.keyring, setup.repository)
    assert open_(setup.restarted().keyring, setup.repository.domain_key, sealed, version) == SECRET


def test_a_rolled_back_domain_key_does_not_hinder_opening(setup: Setup) -> None:
    other = setup.restarted().keyring
    seal(setup.keyring, setup.repository.begin())
    sealed, version = seal(other, setup.repository)
    assert open_(setup.keyring, setup.repository.domain_key, sealed, version) == SECRET
    assert open_(setup.keyring, nowhere, sealed, version) == SECRET


def test_rotation_seals_under_the_newest_and_opens_all(setup: Setup) -> None:
    old = seal(setup.keyring, setup.repository)
    assert finish(setup.keyring.rotate(setup.repository, FRANKFURT)) == 2
    new = seal(setup.keyring, setup.repository)
    assert (old[1], new[1]) == (1, 2)
    for keyring in (setup.keyring, setup.restarted().keyring):
        for sealed, version in (old, new):
            assert open_(keyring, setup.repository.domain_key, sealed, version) == SECRET


def test_rotating_a_region_without_a_domain_key_makes_its_first(setup: Setup) -> None:
    assert finish(setup.keyring.rotate(setup.repository, FRANKFURT)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"region": DUBLIN},
        {"identity": "key/other"},
        {"identity": "other/material"},
        {"version": 2},
        {"purpose": "access-key"},
    ],
)
def test_a_record_opens_only_in_its_place(setup: Setup, change: dict[str, Any]) -> None:
    sealed, version = seal(setup.keyring, setup.repository)
    finish(setup.keyring.rotate(setup.repository, FRANKFURT))
    finish(setup.keyring.active(setup.repository, DUBLIN))
    place = {"region": FRANKFURT, "purpose": BACKING_KEY, "identity": "key/material", "version": version}
    source = setup.repository.domain_key
    assert finish(setup.keyring.open(source, sealed=sealed, **place)) == SECRET
    with pytest.raises(AuthenticityError):
        finish(setup.keyring.open(source, sealed=sealed, **(place | change)))


def test_a_domain_key_opens_only_in_its_place(setup: Setup) -> None:
    seal(setup.keyring, setup.repository)
    row = setup.repository.domain_keys[FRANKFURT, 1]
    for moved in (row._replace(region=DUBLIN), row._replace(version=2)):
        setup.repository.domain_keys = {(moved.region, moved.version): moved}
        with pytest.raises(AuthenticityError, match="does not open"):
            seal(setup.restarted().keyring, setup.repository, moved.region)
        with pytest.raises(AuthenticityError):
            finish(setup.restarted().keyring.unlock(setup.repository, setup.keyring.root))


def test_no_bit_of_a_sealed_domain_key_can_change_and_none_be_missing(setup: Setup) -> None:
    seal(setup.keyring, setup.repository)
    row = setup.repository.domain_keys[FRANKFURT, 1]
    flipped = [
        bytes(byte ^ (1 << bit % 8) if at == bit // 8 else byte for at, byte in enumerate(row.sealed))
        for bit in range(8 * len(row.sealed))
    ]
    for sealed in flipped + [row.sealed[:size] for size in range(len(row.sealed))]:
        setup.repository.domain_keys[FRANKFURT, 1] = row._replace(sealed=sealed)
        with pytest.raises(AuthenticityError):
            finish(setup.keyring.unlock(setup.repository, setup.keyring.root))


def test_a_failed_unlock_changes_nothing(setup: Setup) -> None:
    sealed, version = seal(setup.keyring, setup.repository)
    with pytest.raises(SealedError):
        finish(setup.keyring.unlock(setup.repository, SymmetricRoot("key-file", Secret(bytes(32)))))
    assert open_(setup.keyring, nowhere, sealed, version) == SECRET
    assert seal(setup.keyring, setup.repository)[1] == 1


def test_another_root_is_told_from_damage(setup: Setup) -> None:
    sealed, version = seal(setup.keyring, setup.repository)
    wrong = Keyring(SymmetricRoot("key-file", Secret(bytes(32))), setup.time)
    for attempt in (
        lambda: seal(wrong, setup.repository),
        lambda: open_(wrong, setup.repository.domain_key, sealed, version),
        lambda: finish(setup.keyring.unlock(setup.repository, wrong.root)),
    ):
        with pytest.raises(SealedError, match=f"under {setup.keyring.root.id}.* is {wrong.root.id}"):
            attempt()
    assert len(setup.repository.domain_keys) == 1


def test_a_root_that_lies_about_its_id_opens_nothing(setup: Setup) -> None:
    seal(setup.keyring, setup.repository)
    liar = SymmetricRoot("key-file", Secret(bytes(32)))
    liar.id = setup.keyring.root.id
    with pytest.raises(AuthenticityError):
        finish(setup.keyring.unlock(setup.repository, liar))


def test_a_sealed_keyring_neither_seals_nor_opens(setup: Setup) -> None:
    sealed, version = seal(setup.keyring, setup.repository)
    keyring = Keyring(None, setup.time)
    assert keyring.sealed
    for region in (FRANKFURT, DUBLIN):
        with pytest.raises(SealedError, match="unseal"):
            seal(keyring, setup.repository, region)
    with pytest.raises(SealedError, match="unseal"):
        open_(keyring, setup.repository.domain_key, sealed, version)
    assert (DUBLIN, 1) not in setup.repository.domain_keys

    finish(keyring.unlock(setup.repository, SymmetricRoot("key-file", Secret(ROOT_KEY))))
    assert not keyring.sealed
    assert open_(keyring, nowhere, sealed, version) == SECRET


def test_a_missing_domain_key_is_said(setup: Setup) -> None:
    sealed, version = seal(setup.keyring, setup.repository)
    setup.repository.domain_keys.clear()
    with pytest.raises(AuthenticityError, match="domain key 1 of eu-central-1 is missing"):
        open_(setup.restarted().keyring, setup.repository.domain_key, sealed, version)


def test_the_service_s_secrets_have_a_domain_of_their_own(setup: Setup) -> None:
    for purpose in (ACCESS_KEY, AUDIT_KEY):
        sealed, version = finish(
            setup.keyring.seal(setup.repository, SERVICE_DOMAIN, purpose, "AKIA", SECRET)
        )
        source = setup.repository.domain_key
        opened = setup.restarted().keyring.open(source, SERVICE_DOMAIN, purpose, "AKIA", sealed, version)
        assert finish(opened) == SECRET


@pytest.mark.parametrize(("region", "purpose"), [(SERVICE_DOMAIN, BACKING_KEY), (FRANKFURT, ACCESS_KEY)])
def test_nothing_is_sealed_where_it_would_not_be_sealed_anew(setup: Setup, region: str, purpose: str) -> None:
    with pytest.raises(ValueError):
        finish(setup.keyring.seal(setup.repository, region, purpose, "name", SECRET))
