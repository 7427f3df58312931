"""Checkpoints: what is signed has one reading, and anything else fails."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.audit.material import AUDITOR, KEYS, PUBLIC, SIGNER

from hearthkms.audit.chain import ChainFormatError, Position
from hearthkms.audit.checkpoint import (
    Checkpoint,
    CheckpointError,
    Keys,
    Mark,
    check_checkpoint,
    decode_checkpoint,
    encode_checkpoint,
    key_id,
    sign_checkpoint,
    signed_bytes,
)
from hearthkms.core.secret import Secret
from hearthkms.crypto import ed25519

PLACE = Position(17, 12_345, bytes(range(32)))
GOOD = sign_checkpoint(Mark("w1.2", "opened", PLACE, "w1"), SIGNER, 1_700_000_000.1234)

texts = st.text(alphabet="ab.1", max_size=4)
marks = st.builds(
    Mark,
    texts,
    st.sampled_from(["opened", "running", "closed", "abandoned"]),
    st.builds(Position, st.integers(0, 3), st.integers(0, 3), st.sampled_from([bytes(32), bytes(range(32))])),
    texts,
)


def test_a_checkpoint_says_what_was_signed() -> None:
    assert GOOD.position == PLACE
    assert (GOOD.stream, GOOD.state, GOOD.previous) == ("w1.2", "opened", "w1")
    assert GOOD.time == 1_700_000_000_123
    assert GOOD.key_id == key_id(PUBLIC)
    check_checkpoint(GOOD, KEYS)
    check_checkpoint(GOOD, AUDITOR)


def test_the_signed_bytes_of_the_specification() -> None:
    def named(text: bytes) -> bytes:
        return len(text).to_bytes(8, "big") + text

    expected = b"HearthKMS audit sign 1\n" + named(b"w1.2") + named(b"opened") + named(b"w1")
    expected += (17).to_bytes(8, "big") + (12_345).to_bytes(8, "big") + bytes(range(32))
    expected += (1_700_000_000_123).to_bytes(8, "big")
    assert signed_bytes(Mark("w1.2", "opened", PLACE, "w1"), 1_700_000_000_123) == expected
    ed25519.verify(PUBLIC, expected, GOOD.signature)


@given(marks, marks, st.integers(0, 2), st.integers(0, 2))
def test_different_marks_give_different_bytes(one: Mark, other: Mark, now: int, later: int) -> None:
    assert (signed_bytes(one, now) == signed_bytes(other, later)) == ((one, now) == (other, later))


CHANGES: list[tuple[str, Any]] = [
    ("stream", "w1.3"),
    ("stream", "../w1"),
    ("state", "closed"),
    ("previous", ""),
    ("previous", "w 1"),
    ("seq", 16),
    ("seq", -1),
    ("seq", 2**63),
    ("offset", 12_346),
    ("offset", -1),
    ("chain", "00" * 32),
    ("chain", GOOD.chain.upper()),
    ("chain", GOOD.chain[:-2]),
    ("chain", "not hex"),
    ("time", 1_700_000_000_124),
    ("time", -1),
    ("key_id", "0" * 32),
    ("signature", bytes(64)),
    ("signature", GOOD.signature[:-1]),
    ("signature", b""),
]


@pytest.mark.parametrize(("member", "value"), CHANGES)
def test_any_other_member_fails(member: str, value: object) -> None:
    with pytest.raises(CheckpointError):
        check_checkpoint(msgspec.structs.replace(GOOD, **{member: value}), KEYS)


def test_another_key_fails_whatever_it_calls_itself() -> None:
    foreign = ed25519.public_key(Secret(bytes(32)))
    with pytest.raises(CheckpointError):
        check_checkpoint(GOOD, Keys({GOOD.key_id: foreign}, ed25519.verify))


@given(marks, st.integers(0, 2**41))
def test_decoding_undoes_encoding(mark: Mark, now: int) -> None:
    checkpoint = sign_checkpoint(mark, SIGNER, now / 1000)
    assert decode_checkpoint(encode_checkpoint(checkpoint)) == checkpoint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        encode_checkpoint(GOOD) + b" ",
        encode_checkpoint(GOOD)[:-1],
        encode_checkpoint(GOOD).replace(b'"opened"', b'"reopened"'),
        encode_checkpoint(GOOD).replace(b'"seq":17', b'"seq":17.0'),
        encode_checkpoint(GOOD).replace(b'"seq":17', b'"seq":17,"seq":17'),
        encode_checkpoint(GOOD).replace(b'{"', b'{"more":1,"'),
    ],
)
def test_only_one_spelling_is_read(data: bytes) -> None:
    assert isinstance(decode_checkpoint(encode_checkpoint(GOOD)), Checkpoint)
    with pytest.raises(ChainFormatError):
        decode_checkpoint(data)


def test_a_position_out_of_range_is_not_signed() -> None:
    for position in (Position(-1, 0, bytes(32)), Position(0, 2**63, bytes(32)), Position(0, 0, bytes(31))):
        with pytest.raises(CheckpointError):
            sign_checkpoint(Mark("w1", "running", position), SIGNER, 0.0)


def test_rfc_8032_section_7_1() -> None:
    seed = Secret(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert ed25519.public_key(seed) == public
    assert ed25519.sign(seed, b"") == signature
    ed25519.verify(public, b"", signature)
    for broken in (b"x", signature[:-1] + b"\x00", signature + b"\x00", b""):
        with pytest.raises(ed25519.BadSignatureError):
            ed25519.verify(public, b"", broken)
    with pytest.raises(ed25519.BadSignatureError):
        ed25519.verify(public[:-1], b"", signature)
