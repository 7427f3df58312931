"""Keys and their material, as the KMS domain's port asks for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.contract.storage_values import ACCOUNT, REGION, a_key, a_material, an_alias

from hearthkms.core.errors import AlreadyStoredError, NotStoredError
from hearthkms.kms.model.key import Key, KeyState, LastUsage, Material, Rotation
from hearthkms.storage.database import Database
from hearthkms.storage.transaction import Transaction

FULL = a_key(
    key_id="mrk-" + "0f" * 16,
    state=KeyState.PENDING_DELETION,
    policy='{"Statement": "ünï"}',
    description="for \U0001f511 and\ttabs",
    spec="RSA_2048",
    usage="SIGN_VERIFY",
    origin="EXTERNAL",
    manager="AWS",
    multi_region=True,
    current_material_id="ab" * 32,
    deletion_date=1_800_000_000.001,
    pending_window_days=7,
    rotation=Rotation(True, 90, 1_790_000_000.999),
)


def insert(database: Database, *keys: Key) -> None:
    async def work(transaction: Transaction) -> None:
        for key in keys:
            await transaction.insert_key(key)

    database.write_now(work)


@pytest.mark.parametrize("key", [a_key(), FULL], ids=["plain", "every field"])
def test_a_key_comes_back_as_it_was_put(database: Database, key: Key) -> None:
    insert(database, key)

    assert database.read_now(lambda t: t.key(key.region, key.key_id)) == key
    assert database.write_now(lambda t: t.lock_key(key.region, key.key_id)) == key


def test_a_key_belongs_to_its_region(database: Database) -> None:
    key = a_key()
    elsewhere = a_key(key_id=key.key_id, region="us-west-2", description="a replica")
    insert(database, key, elsewhere)

    assert database.read_now(lambda t: t.key("us-west-2", key.key_id)) == elsewhere
    assert database.read_now(lambda t: t.key("ap-south-1", key.key_id)) is None


def test_a_key_id_is_taken_once(database: Database) -> None:
    key = a_key()
    insert(database, key)

    with pytest.raises(AlreadyStoredError):
        insert(database, replace(key, description="another"))

    assert database.read_now(lambda t: t.key(REGION, key.key_id)) == key


def test_an_update_replaces_every_field(database: Database) -> None:
    insert(database, FULL)
    changed = a_key(key_id=FULL.key_id)

    database.write_now(lambda t: t.update_key(changed))

    assert database.read_now(lambda t: t.key(REGION, FULL.key_id)) == changed


def test_what_is_not_there_cannot_be_changed(database: Database) -> None:
    key = a_key()
    for work in (
        lambda t: t.update_key(key),
        lambda t: t.delete_key(key.region, key.key_id),
        lambda t: t.update_material(a_material(key)),
    ):
        with pytest.raises(NotStoredError):
            database.write_now(work)


def test_deletion_takes_everything_of_the_key_and_nothing_else(database: Database) -> None:
    doomed, kept = a_key(), a_key()
    usage = LastUsage("Encrypt", 1_700_000_002.5, "event", "request")

    async def fill(transaction: Transaction) -> None:
        for number, key in enumerate((doomed, kept)):
            await transaction.insert_key(key)
            await transaction.insert_material(a_material(key, 1))
            await transaction.insert_material(a_material(key, 2))
            await transaction.insert_alias(an_alias(key, f"alias/{number}"))
            await transaction.put_tags(REGION, key.key_id, {"a": "b"})
            await transaction.put_usage(REGION, key.key_id, usage)

    async def count(transaction: Transaction, key: Key) -> list[int]:
        return [
            int(await transaction.key(REGION, key.key_id) is not None),
            len(await transaction.list_materials(REGION, key.key_id, 0, 10)),
            await transaction.count_aliases(REGION, key.key_id),
            len(await transaction.list_tags(REGION, key.key_id, "", 10)),
            int(await transaction.usage(REGION, key.key_id) is not None),
        ]

    database.write_now(fill)
    database.write_now(lambda t: t.delete_key(REGION, doomed.key_id))

    assert database.read_now(lambda t: count(t, doomed)) == [0, 0, 0, 0, 0]
    assert database.read_now(lambda t: count(t, kept)) == [1, 2, 1, 1, 1]


def test_keys_are_listed_by_id_in_pages(database: Database) -> None:
    keys = [a_key(key_id=key_id) for key_id in ("mrk-ff", "0a", "b1", "00", "mrk-00")]
    other_account = a_key(account_id="444455556666")
    insert(database, *keys, other_account, a_key(region="us-west-2"))

    def ids(after: str, limit: int) -> list[str]:
        return [key.key_id for key in database.read_now(lambda t: t.list_keys(REGION, ACCOUNT, after, limit))]

    assert ids("", 2) == ["00", "0a"]
    assert ids("0a", 2) == ["b1", "mrk-00"]
    assert ids("mrk-00", 2) == ["mrk-ff"]
    assert ids("mrk-ff", 2) == []
    assert ids("", 100) == ["00", "0a", "b1", "mrk-00", "mrk-ff"]


def test_only_customer_managed_keys_count(database: Database) -> None:
    pending = a_key(state=KeyState.PENDING_DELETION)
    insert(database, a_key(), pending, a_key(manager="AWS"), a_key(account_id="444455556666"))

    assert database.read_now(lambda t: t.count_keys(REGION, ACCOUNT)) == 2


def test_due_keys_are_those_whose_date_has_come(database: Database) -> None:
    rotating = Rotation(True, 90, 1000.0)
    deleted = a_key(state=KeyState.PENDING_DELETION, deletion_date=900.0, pending_window_days=7)
    rotated = a_key(rotation=rotating, region="us-west-2", account_id="444455556666")
    insert(
        database,
        rotated,
        deleted,
        a_key(state=KeyState.PENDING_DELETION, deletion_date=1000.5),
        a_key(state=KeyState.PENDING_DELETION, deletion_date=2000.0, rotation=rotating),
        a_key(state=KeyState.DISABLED, rotation=rotating),
        a_key(rotation=Rotation(False, 90, 1000.0)),
        a_key(rotation=Rotation(True, 90, 1001.0)),
        a_key(),
    )

    assert database.read_now(lambda t: t.keys_due(1000.0, 10)) == [deleted, rotated]
    assert database.read_now(lambda t: t.keys_due(1000.0, 1)) == [deleted]
    assert database.read_now(lambda t: t.keys_due(899.9, 10)) == []

    database.write_now(lambda t: t.update_key(replace(deleted, state=KeyState.DISABLED, deletion_date=None)))
    assert database.read_now(lambda t: t.keys_due(1000.0, 10)) == [rotated]


def test_material_comes_back_as_it_was_put(database: Database) -> None:
    key = a_key()
    first = a_material(key)
    second = a_material(key, 2, rotation_date=1_700_000_003.25, rotation_type="ON_DEMAND")
    insert(database, key)

    async def put(transaction: Transaction) -> None:
        await transaction.insert_material(second)
        await transaction.insert_material(first)

    database.write_now(put)

    assert database.read_now(lambda t: t.material(REGION, key.key_id, first.material_id)) == first
    assert database.read_now(lambda t: t.material(REGION, key.key_id, second.material_id)) == second
    assert database.read_now(lambda t: t.material(REGION, key.key_id, "00" * 32)) is None
    assert database.read_now(lambda t: t.list_materials(REGION, key.key_id, 0, 10)) == [first, second]
    assert database.read_now(lambda t: t.list_materials(REGION, key.key_id, 0, 1)) == [first]
    assert database.read_now(lambda t: t.list_materials(REGION, key.key_id, 1, 10)) == [second]

    again = replace(first, sealed=b"sealed anew", domain_version=2)
    database.write_now(lambda t: t.update_material(again))
    assert database.read_now(lambda t: t.material(REGION, key.key_id, first.material_id)) == again


def test_a_sequence_number_is_taken_once(database: Database) -> None:
    key = a_key()
    insert(database, key)
    database.write_now(lambda t: t.insert_material(a_material(key, 1)))

    with pytest.raises(AlreadyStoredError):
        database.write_now(lambda t: t.insert_material(a_material(key, 1)))


def test_materials_that_another_domain_key_seals_are_found(database: Database) -> None:
    key, elsewhere = a_key(), a_key(region="us-west-2")
    by_version: dict[int, Material] = {v: a_material(key, v, domain_version=v) for v in (1, 2, 3)}
    insert(database, key, elsewhere)

    async def put(transaction: Transaction) -> None:
        for material in (*by_version.values(), a_material(elsewhere)):
            await transaction.insert_material(material)

    database.write_now(put)

    def under(version: int, limit: int) -> list[int]:
        found = database.read_now(lambda t: t.materials_not_under(REGION, version, limit))
        assert all(by_version[material.sequence] == material for material in found)
        return [material.sequence for material in found]

    assert under(2, 10) == [1, 3]
    assert under(2, 1) == [1]
    assert under(9, 10) == [1, 2, 3]
