"""Aliases, tags, last uses, domain keys, accounts, access keys and audit streams."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.contract.storage_values import ACCOUNT, REGION, a_domain_key, a_key, an_access_key, an_alias

from hearthkms.audit.chain import Position
from hearthkms.audit.checkpoint import Checkpoint, Mark, Signer, State, sign_checkpoint
from hearthkms.core.errors import AlreadyStoredError, NotStoredError
from hearthkms.core.ids import root_arn
from hearthkms.kms.model.key import Key, LastUsage
from hearthkms.storage.database import Database
from hearthkms.storage.streams import Stream
from hearthkms.storage.transaction import Transaction


@pytest.fixture
def key(database: Database) -> Key:
    stored = a_key()
    database.write_now(lambda t: t.insert_key(stored))
    return stored


def test_an_alias_comes_back_and_changes(database: Database, key: Key) -> None:
    other = a_key()
    alias = an_alias(key)
    moved = replace(alias, target_key_id=other.key_id, last_updated_date=1_700_000_009.0)
    database.write_now(lambda t: t.insert_key(other))
    database.write_now(lambda t: t.insert_alias(alias))
    assert database.read_now(lambda t: t.alias(REGION, ACCOUNT, alias.name)) == alias

    database.write_now(lambda t: t.update_alias(moved))
    assert database.read_now(lambda t: t.alias(REGION, ACCOUNT, alias.name)) == moved
    assert database.read_now(lambda t: t.count_aliases(REGION, key.key_id)) == 0
    assert database.read_now(lambda t: t.count_aliases(REGION, other.key_id)) == 1

    database.write_now(lambda t: t.delete_alias(REGION, ACCOUNT, alias.name))
    assert database.read_now(lambda t: t.alias(REGION, ACCOUNT, alias.name)) is None


def test_an_alias_is_one_accounts_and_regions(database: Database, key: Key) -> None:
    database.write_now(lambda t: t.insert_alias(an_alias(key)))

    assert database.read_now(lambda t: t.alias(REGION, "444455556666", "alias/test")) is None
    assert database.read_now(lambda t: t.alias("us-west-2", ACCOUNT, "alias/test")) is None


def test_a_refused_insert_leaves_the_transaction_usable(database: Database, key: Key) -> None:
    database.write_now(lambda t: t.insert_alias(an_alias(key)))

    async def work(transaction: Transaction) -> None:
        with pytest.raises(AlreadyStoredError):
            await transaction.insert_alias(an_alias(key))
        await transaction.insert_alias(an_alias(key, "alias/other"))

    database.write_now(work)
    assert database.read_now(lambda t: t.count_aliases(REGION, key.key_id)) == 2


def test_aliases_that_are_not_there_cannot_be_changed(database: Database, key: Key) -> None:
    with pytest.raises(NotStoredError):
        database.write_now(lambda t: t.update_alias(an_alias(key)))
    with pytest.raises(NotStoredError):
        database.write_now(lambda t: t.delete_alias(REGION, ACCOUNT, "alias/test"))


def test_aliases_are_listed_by_name_as_bytes(database: Database, key: Key) -> None:
    other = a_key()
    names = ["alias/a-b", "alias/B", "alias/a/b", "alias/a_b", "alias/ab", "alias/a:b", "alias/Z", "alias/0"]

    async def fill(transaction: Transaction) -> None:
        await transaction.insert_key(other)
        for name in names:
            await transaction.insert_alias(an_alias(key, name))
        await transaction.insert_alias(an_alias(other, "alias/mine"))

    database.write_now(fill)

    def listed(target: str | None, after: str, limit: int) -> list[str]:
        found = database.read_now(lambda t: t.list_aliases(REGION, ACCOUNT, target, after, limit))
        return [alias.name for alias in found]

    assert listed(None, "", 100) == sorted([*names, "alias/mine"])
    assert listed(key.key_id, "", 100) == sorted(names)
    assert listed(key.key_id, sorted(names)[2], 3) == sorted(names)[3:6]
    assert listed(other.key_id, "", 100) == ["alias/mine"]


def test_tags_are_set_replaced_and_removed(database: Database, key: Key) -> None:
    database.write_now(lambda t: t.put_tags(REGION, key.key_id, {"b": "1", "a": "", "C": "3"}))
    database.write_now(lambda t: t.put_tags(REGION, key.key_id, {"b": "2", "é": "4"}))
    database.write_now(lambda t: t.put_tags(REGION, key.key_id, {}))

    def listed(after: str, limit: int) -> list[tuple[str, str]]:
        return list(database.read_now(lambda t: t.list_tags(REGION, key.key_id, after, limit)))

    assert listed("", 10) == [("C", "3"), ("a", ""), ("b", "2"), ("é", "4")]
    assert listed("C", 2) == [("a", ""), ("b", "2")]

    database.write_now(lambda t: t.delete_tags(REGION, key.key_id, ["b", "missing", "é"]))
    assert listed("", 10) == [("C", "3"), ("a", "")]


def test_the_latest_use_is_kept(database: Database, key: Key) -> None:
    middle, early, late = (LastUsage("Encrypt", at, f"event {at}", "request") for at in (2.0, 1.0, 3.5))

    def usage() -> LastUsage | None:
        return database.read_now(lambda t: t.usage(REGION, key.key_id))

    assert usage() is None
    database.write_now(lambda t: t.put_usage(REGION, key.key_id, middle))
    assert usage() == middle
    database.write_now(lambda t: t.put_usage(REGION, key.key_id, early))
    assert usage() == middle
    database.write_now(lambda t: t.put_usage(REGION, key.key_id, late))
    assert usage() == late


def test_the_use_of_a_deleted_key_is_not_kept(database: Database, key: Key) -> None:
    database.write_now(lambda t: t.delete_key(REGION, key.key_id))

    database.write_now(lambda t: t.put_usage(REGION, key.key_id, LastUsage("Decrypt", 1.0, "e", "r")))

    assert database.read_now(lambda t: t.usage(REGION, key.key_id)) is None


def test_domain_keys_by_version_or_the_newest(database: Database) -> None:
    first, second, tenth = (a_domain_key(version) for version in (1, 2, 10))
    elsewhere = a_domain_key(7, region="ap-south-1")

    async def fill(transaction: Transaction) -> None:
        for domain_key in (tenth, first, elsewhere, second):
            await transaction.put_domain_key(domain_key)

    database.write_now(fill)

    assert database.read_now(lambda t: t.domain_key(REGION, None)) == tenth
    assert database.read_now(lambda t: t.domain_key(REGION, 2)) == second
    assert database.read_now(lambda t: t.domain_key(REGION, 3)) is None
    assert database.read_now(lambda t: t.domain_key("us-west-2", None)) is None
    assert database.read_now(lambda t: t.list_domain_keys()) == [elsewhere, first, second, tenth]


def test_a_domain_key_is_never_replaced_by_another(database: Database) -> None:
    first = a_domain_key(sealed=b"first")
    database.write_now(lambda t: t.put_domain_key(first))
    database.write_now(lambda t: t.put_domain_key(a_domain_key(sealed=b"second")))
    assert database.read_now(lambda t: t.domain_key(REGION, 1)) == first

    wrapped = a_domain_key(sealed=b"wrapped anew")

    async def wrap(transaction: Transaction) -> None:
        await transaction.delete_domain_key(REGION, 1)
        await transaction.put_domain_key(wrapped)

    database.write_now(wrap)
    assert database.read_now(lambda t: t.domain_key(REGION, 1)) == wrapped
    with pytest.raises(NotStoredError):
        database.write_now(lambda t: t.delete_domain_key(REGION, 2))


def test_accounts_and_their_root_principals(database: Database) -> None:
    for account_id in ("999999999999", ACCOUNT):
        database.write_now(lambda t, a=account_id: t.insert_account(a, 1.0))

    assert database.read_now(lambda t: t.accounts()) == [ACCOUNT, "999999999999"]
    with pytest.raises(AlreadyStoredError):
        database.write_now(lambda t: t.insert_account(ACCOUNT, 2.0))
    assert database.read_now(lambda t: t.principal_exists(root_arn(ACCOUNT)))
    for arn in (
        root_arn("444455556666"),
        f"arn:aws:iam::{ACCOUNT}:user/nobody",
        f"arn:aws:sts::{ACCOUNT}:root",
        f"arn:aws:iam:{REGION}:{ACCOUNT}:root",
        f"arn:aws-cn:iam::{ACCOUNT}:root",
        ACCOUNT,
    ):
        assert not database.read_now(lambda t, arn=arn: t.principal_exists(arn))


def test_facts_are_kept_and_replaced(database: Database) -> None:
    assert database.read_now(lambda t: t.meta("account_id")) is None
    for value in ("1", "2"):
        database.write_now(lambda t, v=value: t.put_meta("account_id", v))
        assert database.read_now(lambda t: t.meta("account_id")) == value


def test_access_keys(database: Database) -> None:
    database.write_now(lambda t: t.insert_account(ACCOUNT, 1.0))
    first, second = sorted((an_access_key(), an_access_key()), key=lambda a: a.access_key_id)
    for access_key in (second, first):
        database.write_now(lambda t, a=access_key: t.insert_access_key(a))

    assert database.read_now(lambda t: t.access_key(first.access_key_id)) == first
    assert database.read_now(lambda t: t.access_key("AKIANOBODY")) is None
    assert database.read_now(lambda t: t.list_access_keys(ACCOUNT)) == [first, second]
    assert database.read_now(lambda t: t.list_access_keys("444455556666")) == []
    with pytest.raises(AlreadyStoredError):
        database.write_now(lambda t: t.insert_access_key(first))

    inactive = replace(first, active=False, sealed_secret=b"sealed anew", domain_version=4)
    database.write_now(lambda t: t.update_access_key(inactive))
    assert database.read_now(lambda t: t.access_key(first.access_key_id)) == inactive

    database.write_now(lambda t: t.delete_access_key(first.access_key_id))
    assert database.read_now(lambda t: t.list_access_keys(ACCOUNT)) == [second]
    with pytest.raises(NotStoredError):
        database.write_now(lambda t: t.update_access_key(first))
    with pytest.raises(NotStoredError):
        database.write_now(lambda t: t.delete_access_key(first.access_key_id))


def checkpoint(stream: str, state: State, seq: int, at: float) -> Checkpoint:
    signer = Signer("test", lambda message: b"signature of " + message)
    return sign_checkpoint(Mark(stream, state, Position(seq, seq * 100, bytes([seq]) * 32)), signer, at)


def test_streams_keep_one_checkpoint_of_each_state(database: Database) -> None:
    opened, closed = checkpoint("w1", "opened", 0, 10.0), checkpoint("w1", "closed", 9, 40.0)
    late, early = checkpoint("w1", "running", 9, 30.0), checkpoint("w1", "running", 5, 20.0)
    other = checkpoint("w2", "opened", 0, 5.0)

    def put(*checkpoints: Checkpoint) -> None:
        for given in checkpoints:
            database.write_now(lambda t, c=given: t.put_checkpoint(c, f"worker {c.stream}"))

    put(opened, late, early, other)
    assert database.read_now(lambda t: t.streams()) == [
        Stream("w2", 5.0, "worker w2", None, [other]),
        Stream("w1", 10.0, "worker w1", None, [opened, late]),
    ]

    put(closed)
    first = Stream("w1", 10.0, "worker w1", 40.0, [opened, late, closed])
    (_, found) = database.read_now(lambda t: t.streams())
    assert found._replace(checkpoints=()) == first._replace(checkpoints=())
    assert sorted(c.state for c in found.checkpoints) == ["closed", "opened", "running"]
    assert [c.seq for c in found.checkpoints] == [0, 9, 9]
    assert [s.stream_id for s in database.read_now(lambda t: t.open_streams())] == ["w2"]
