"""The default key store as the KMS uses it: material, rotation, caching, waiting."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.support.default_store import DUBLIN, FRANKFURT, KEY_ID, OTHER_ID, Setup
from tests.support.memory import MemoryRepository

from hearthkms.core.eager import Suspended, finish
from hearthkms.core.errors import SealedError, ServiceError
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.keystores.default import BoundedOpenedKeys, DefaultKeyStore, Keyring
from hearthkms.kms.model.key import Key, Material
from hearthkms.kms.ports import DomainKey, KeyStore


class Snapshot:
    """A worker's view: it knows keys and material, waits for what it reads, and counts the reads."""

    def __init__(self, repository: MemoryRepository) -> None:
        self.repository = repository
        self.materials_read = 0
        self.domain_keys_read = 0

    async def key(self, region: str, key_id: str) -> Key | None:
        raise AssertionError("the key store has no business with this")

    async def alias(self, region: str, account_id: str, name: str) -> None:
        raise AssertionError("the key store has no business with this")

    async def material(self, region: str, key_id: str, material_id: str) -> Material | None:
        self.materials_read += 1
        await asyncio.sleep(0)
        return await self.repository.material(region, key_id, material_id)

    async def load_domain_key(self, region: str, version: int | None) -> DomainKey | None:
        self.domain_keys_read += 1
        await asyncio.sleep(0)
        return await self.repository.domain_key(region, version)


@pytest.fixture
def snapshot(setup: Setup) -> Snapshot:
    """The view of a worker that has loaded nothing."""
    return Snapshot(setup.repository)


@pytest.fixture
def worker(setup: Setup, snapshot: Snapshot) -> DefaultKeyStore:
    """The key store of a worker, which reads domain keys by its snapshot's loader."""
    return DefaultKeyStore(setup.restarted().keyring, snapshot.load_domain_key)


def test_it_is_a_key_store(setup: Setup) -> None:
    store: KeyStore = setup.store
    assert len(store.random(24)) == 24
    assert store.random(24) != store.random(24)


def test_what_it_encrypts_it_decrypts(setup: Setup, key: Key) -> None:
    sealed = finish(setup.store.encrypt(setup.repository, key, b"plaintext", {"a": "b"}))
    assert sealed.material_id == key.current_material_id
    opened = finish(setup.store.decrypt(setup.repository, key, sealed.blob, {"a": "b"}))
    assert opened.plaintext.reveal() == b"plaintext"
    assert opened.material_id == key.current_material_id


def test_every_message_is_new(setup: Setup, key: Key) -> None:
    blobs = [setup.encrypt(key, b"plaintext") for _ in range(500)]
    assert len({blob[50:66] for blob in blobs}) == len({blob[66:78] for blob in blobs}) == 500
    assert len({blob[:50] for blob in blobs}) == 1


@pytest.mark.parametrize("size", [0, 4097])
def test_it_makes_no_blob_that_could_not_be_read(setup: Setup, key: Key, size: int) -> None:
    with pytest.raises(ValueError):
        setup.encrypt(key, bytes(size))


def test_rotation_keeps_older_ciphertexts_readable(setup: Setup, key: Key) -> None:
    first = setup.encrypt(key, b"first")
    rotated = setup.add_material(key)
    second = setup.encrypt(rotated, b"second")
    assert first[18:50] != second[18:50]
    for seen in (setup, setup.restarted()):
        assert seen.decrypt(rotated, first) == b"first"
        assert seen.decrypt(rotated, second) == b"second"
    opened = finish(setup.store.decrypt(setup.repository, rotated, first, {}))
    assert opened.material_id == key.current_material_id != rotated.current_material_id


def test_materials_of_one_key_have_ids_of_their_own(setup: Setup, key: Key) -> None:
    made = {finish(setup.store.new_material(setup.repository, key)).material_id for _ in range(20)}
    assert len(made) == 20
    assert all(len(name) == 64 and bytes.fromhex(name) for name in made)


def test_material_is_stored_sealed(setup: Setup, key: Key) -> None:
    known = bytes(range(100, 132))
    store = DefaultKeyStore(setup.keyring, setup.repository.domain_key, random=lambda size: known[:size])
    fresh = finish(store.new_material(setup.repository, key))
    assert known not in fresh.sealed
    assert known.hex() not in fresh.material_id


def test_a_worker_waits_once_and_then_never(
    worker: DefaultKeyStore, snapshot: Snapshot, setup: Setup, key: Key
) -> None:
    with pytest.raises(Suspended):
        finish(worker.encrypt(snapshot, key, b"plaintext", {}))
    sealed = asyncio.run(worker.encrypt(snapshot, key, b"plaintext", {}))
    snapshot.materials_read = snapshot.domain_keys_read = 0
    again = finish(worker.encrypt(snapshot, key, b"again", {}))
    assert finish(worker.decrypt(snapshot, key, sealed.blob, {})).plaintext.reveal() == b"plaintext"
    assert finish(worker.decrypt(snapshot, key, again.blob, {})).plaintext.reveal() == b"again"
    assert (snapshot.materials_read, snapshot.domain_keys_read) == (0, 0)


def test_a_second_key_of_the_region_reads_no_domain_key(
    worker: DefaultKeyStore, snapshot: Snapshot, setup: Setup, key: Key
) -> None:
    other = setup.add_key(OTHER_ID)
    asyncio.run(worker.encrypt(snapshot, key, b"plaintext", {}))
    asyncio.run(worker.encrypt(snapshot, other, b"plaintext", {}))
    assert (snapshot.materials_read, snapshot.domain_keys_read) == (2, 1)


def test_inside_a_transaction_the_transaction_is_asked_for_domain_keys(setup: Setup) -> None:
    async def outside(region: str, version: int | None) -> DomainKey | None:
        raise AssertionError("a domain key of this transaction is not visible outside")

    transaction = setup.repository.begin()
    writer = setup._replace(repository=transaction)
    key = writer.add_key(KEY_ID)
    store = DefaultKeyStore(setup.restarted().keyring, outside)
    blob = finish(store.encrypt(transaction, key, b"plaintext", {})).blob
    assert finish(store.decrypt(transaction, key, blob, {})).plaintext.reveal() == b"plaintext"


def test_older_material_that_is_gone_is_out_of_use_at_once(setup: Setup, key: Key) -> None:
    blob = setup.encrypt(key, b"first")
    rotated = setup.add_material(key)
    assert setup.decrypt(rotated, blob) == b"first"
    older = setup.repository.materials.pop((FRANKFURT, KEY_ID, str(key.current_material_id)))
    with pytest.raises(ServiceError, match="InvalidCiphertextException"):
        setup.decrypt(rotated, blob)
    setup.repository.materials[FRANKFURT, KEY_ID, older.material_id] = older
    assert setup.decrypt(rotated, blob) == b"first"


def test_a_forgotten_key_is_read_again(setup: Setup, snapshot: Snapshot, key: Key) -> None:
    opened = BoundedOpenedKeys(10)
    store = DefaultKeyStore(setup.keyring, snapshot.load_domain_key, opened=opened)
    asyncio.run(store.encrypt(snapshot, key, b"plaintext", {}))
    opened.forget(DUBLIN, KEY_ID)
    finish(store.encrypt(snapshot, key, b"plaintext", {}))
    opened.forget(FRANKFURT, KEY_ID)
    with pytest.raises(Suspended):
        finish(store.encrypt(snapshot, key, b"plaintext", {}))


def test_what_is_opened_lives_as_long_as_its_owner_keeps_it(
    setup: Setup, snapshot: Snapshot, key: Key
) -> None:
    kept: dict[str, dict[Any, Any]] = {}
    store = DefaultKeyStore(
        setup.keyring, snapshot.load_domain_key, opened=lambda of: kept.setdefault(of.arn, {})
    )
    blob = asyncio.run(store.encrypt(snapshot, key, b"plaintext", {})).blob
    assert list(kept) == [key.arn]
    assert finish(store.decrypt(snapshot, key, blob, {})).plaintext.reveal() == b"plaintext"
    kept.clear()
    with pytest.raises(Suspended):
        finish(store.decrypt(snapshot, key, blob, {}))


def test_a_deleted_and_forgotten_key_does_not_come_back(setup: Setup, key: Key) -> None:
    blob = setup.encrypt(key, b"plaintext")
    finish(setup.repository.delete_key(FRANKFURT, KEY_ID))
    with pytest.raises(ServiceError, match="InvalidCiphertextException"):
        setup.restarted().decrypt(key, blob)
    with pytest.raises(AuthenticityError, match="missing"):
        setup.restarted().encrypt(key)


def test_the_cache_is_bounded_and_the_oldest_leaves(setup: Setup, snapshot: Snapshot) -> None:
    keys = [setup.add_key(f"{i:08x}-12ab-34cd-56ef-1234567890ab") for i in range(3)]
    store = DefaultKeyStore(setup.keyring, snapshot.load_domain_key, cached_keys=2)
    for key in keys:
        asyncio.run(store.encrypt(snapshot, key, b"plaintext", {}))
    for key in keys[1:]:
        finish(store.encrypt(snapshot, key, b"plaintext", {}))
    with pytest.raises(Suspended):
        finish(store.encrypt(snapshot, keys[0], b"plaintext", {}))


def test_the_same_key_id_in_two_regions_is_two_keys(setup: Setup, key: Key) -> None:
    elsewhere = setup.add_key(KEY_ID, DUBLIN)
    here, there = setup.encrypt(key, b"here"), setup.encrypt(elsewhere, b"there")
    assert setup.decrypt(key, here) == b"here"
    assert setup.decrypt(elsewhere, there) == b"there"


def test_sealed_it_makes_and_opens_nothing(setup: Setup, key: Key) -> None:
    blob = setup.encrypt(key, b"plaintext")
    store = DefaultKeyStore(Keyring(None, setup.time), setup.repository.domain_key)
    for attempt in (
        store.encrypt(setup.repository, key, b"plaintext", {}),
        store.decrypt(setup.repository, key, blob, {}),
        store.new_material(setup.repository, key),
    ):
        with pytest.raises(SealedError):
            finish(attempt)


def test_a_key_without_current_material_cannot_encrypt(setup: Setup, key: Key) -> None:
    with pytest.raises(ValueError):
        setup.encrypt(replace(key, current_material_id=None))
