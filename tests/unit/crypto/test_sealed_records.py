"""Sealed records: what they bind, and that nothing in them can change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.crypto.sealing import Sealer, bind

SECRET = Secret(b"the secret")
SEALER = Sealer(Secret(bytes(range(32))), b"label")

fields = st.lists(st.text(max_size=6) | st.integers(0, 2**64 - 1), max_size=5)


def test_opens_with_the_same_binding() -> None:
    record = SEALER.seal(SECRET, b"aad")
    assert len(record) == len(SECRET) + 45
    assert SEALER.open(record, b"aad") == SECRET


def test_every_record_is_new() -> None:
    assert SEALER.seal(SECRET, b"aad") != SEALER.seal(SECRET, b"aad")


def test_no_bit_can_change() -> None:
    record = SEALER.seal(SECRET, b"aad")
    for bit in range(8 * len(record)):
        changed = bytearray(record)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AuthenticityError):
            SEALER.open(bytes(changed), b"aad")


def test_no_byte_can_be_missing_or_added() -> None:
    record = SEALER.seal(SECRET, b"aad")
    for size in range(len(record)):
        with pytest.raises(AuthenticityError):
            SEALER.open(record[:size], b"aad")
    with pytest.raises(AuthenticityError):
        SEALER.open(record + b"\0", b"aad")


@pytest.mark.parametrize(
    ("other", "aad"),
    [
        (SEALER, b"other"),
        (SEALER, b""),
        (Sealer(Secret(bytes(32)), b"label"), b"aad"),
        (Sealer(Secret(bytes(range(32))), b"another label"), b"aad"),
    ],
)
def test_another_key_label_or_binding_does_not_open(other: Sealer, aad: bytes) -> None:
    with pytest.raises(AuthenticityError):
        other.open(SEALER.seal(SECRET, b"aad"), aad)


def test_the_beginning_of_the_binding_cannot_move_into_the_record() -> None:
    record = SEALER.seal(SECRET, b"aad")
    with pytest.raises(AuthenticityError):
        SEALER.open(record + b"a", b"ad")


def test_a_binding_written_out() -> None:
    assert bind("ab", 1, b"\xff").hex() == "000000026162" + "000000080000000000000001" + "00000001ff"


@given(first=fields, second=fields)
def test_different_fields_never_bind_alike(first: list[str | int], second: list[str | int]) -> None:
    kinds = [type(field) for field in first], [type(field) for field in second]
    if first != second and kinds[0] == kinds[1]:
        assert bind(*first) != bind(*second)
    assert bind(*first) == bind(*list(first))


@given(texts=st.lists(st.text(max_size=4), min_size=2, max_size=4))
def test_moving_text_between_fields_changes_the_binding(texts: list[str]) -> None:
    moved = ["".join(texts), *([""] * (len(texts) - 1))]
    assert (bind(*texts) == bind(*moved)) is (texts == moved)
