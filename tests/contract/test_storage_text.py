"""Texts: any Unicode comes back, and sorts the same on both engines."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.storage_values import REGION, a_key

from hearthkms.storage.database import Database
from hearthkms.storage.transaction import Transaction
from hearthkms.storage.types import escape, unescape

TEXTS = [
    "",
    "\0",
    "\1",
    "\2",
    "\0\0",
    "\0\1",
    "\1\0",
    "\1\1",
    "\1\2",
    "a\0",
    "a",
    "Z",
    "_",
    "ß",
    "ss",
    "é",
    "e\u0301",
    "\ufffd",
    "\uffff",
    "\U0001f511",
    "\U0010ffff",
    "%' \\ \" ; -- \n\t\r",
]


def test_any_text_comes_back(database: Database) -> None:
    keys = [a_key(description=text, policy=text) for text in TEXTS]

    async def put(transaction: Transaction) -> None:
        for key in keys:
            await transaction.insert_key(key)

    database.write_now(put)

    for key in keys:
        assert database.read_now(lambda t, k=key: t.key(REGION, k.key_id)) == key


def test_texts_are_told_apart_and_sorted_by_code_point(database: Database) -> None:
    key = a_key()

    async def put(transaction: Transaction) -> None:
        await transaction.insert_key(key)
        await transaction.put_tags(REGION, key.key_id, {text: text for text in TEXTS})

    database.write_now(put)

    listed = database.read_now(lambda t: t.list_tags(REGION, key.key_id, "", 100))
    # No tag key is empty: "" is where a listing starts.
    wanted = sorted(set(TEXTS) - {""})
    assert [tag_key for tag_key, _ in listed if tag_key] == wanted
    assert all(tag_key == value for tag_key, value in listed)
    for before, text in itertools.pairwise(wanted):
        after = database.read_now(lambda t, b=before: t.list_tags(REGION, key.key_id, b, 1))
        assert after == [(text, text)]


def test_a_name_with_nul_is_only_not_there(database: Database) -> None:
    assert database.read_now(lambda t: t.alias(REGION, "111122223333", "alias/\0")) is None
    assert database.read_now(lambda t: t.access_key("AKIA\0")) is None


def test_what_is_not_unicode_is_refused_and_nothing_is_kept(database: Database) -> None:
    key = a_key(description="\ud800")

    async def put(transaction: Transaction) -> None:
        await transaction.insert_key(a_key())
        await transaction.insert_key(key)

    with pytest.raises(UnicodeEncodeError):
        database.write_now(put)

    assert database.read_now(lambda t: t.list_keys(REGION, key.account_id, "", 10)) == []


@given(st.lists(st.text(alphabet="\0\1\2a"), max_size=6))
def test_escaping_is_reversible_and_keeps_the_order(texts: list[str]) -> None:
    escaped = [escape(text) for text in texts]

    assert [unescape(stored) for stored in escaped] == texts
    assert not any("\0" in stored for stored in escaped)
    assert sorted(escaped) == [escape(text) for text in sorted(texts)]
