"""Ciphertext blobs and encryption contexts as bytes: nothing is ambiguous."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hearthkms.core.errors import ServiceError
from hearthkms.kms import blob
from hearthkms.kms.blob import Blob, canonical_context, encode, parse, prefix

key_ids = st.uuids().map(str) | st.uuids().map(lambda made: f"mrk-{made.hex}")
blobs = st.builds(
    Blob,
    key_id=key_ids,
    material_id=st.binary(min_size=32, max_size=32).map(bytes.hex),
    nonce=st.binary(min_size=16, max_size=16),
    iv=st.binary(min_size=12, max_size=12),
    sealed=st.binary(min_size=17, max_size=4112),
)
# Few letters, so that strings that differ only in where they are cut come up often.
text = st.text(alphabet="ab\0\U0001f511é", max_size=4)
contexts = st.dictionaries(text, text, max_size=4)


@given(blobs)
def test_what_is_encoded_parses_to_the_same(made: Blob) -> None:
    assert parse(encode(made)) == made


@given(st.binary(max_size=300))
@example(bytes((1, 0)) + bytes(93))
@example(bytes((1, 1)) + bytes(93))
@example(bytes((1, 2)) + bytes(93))
@example(bytes((0, 0)) + bytes(93))
@example(bytes((1, 0)) + bytes(92))
@example(bytes((1, 0)) + bytes(4188))
@example(bytes((1, 0)) + bytes(4189))
def test_what_parses_encodes_to_the_same_bytes(data: bytes) -> None:
    try:
        parsed = parse(data)
    except ServiceError as error:
        assert (error.name, error.message) == ("InvalidCiphertextException", None)
        assert not 95 <= len(data) <= 4190 or data[0] != 1 or data[1] > 1
    else:
        assert encode(parsed) == data


@given(st.sampled_from([0, 1]), st.binary(min_size=93, max_size=400))
def test_every_blob_has_one_encoding(kind: int, rest: bytes) -> None:
    data = bytes((1, kind)) + rest
    assert encode(parse(data)) == data


def test_parts_of_another_form_are_not_encoded() -> None:
    good = Blob(str(uuid.UUID(int=1)), "ab" * 32, bytes(16), bytes(12), bytes(17))
    assert len(encode(good)) == 95
    for bad in (
        good._replace(key_id=str(uuid.UUID(int=10)).upper()),
        good._replace(key_id=uuid.UUID(int=1).hex),
        good._replace(key_id="alias/name"),
        good._replace(material_id="AB" * 32),
        good._replace(material_id="ab" * 31),
        good._replace(nonce=bytes(15), iv=bytes(13)),
        good._replace(sealed=bytes(16)),
        good._replace(sealed=bytes(4113)),
    ):
        with pytest.raises(ValueError):
            encode(bad)


@given(key_ids, key_ids, st.binary(min_size=32, max_size=32).map(bytes.hex))
def test_the_prefix_names_one_key(first: str, second: str, material: str) -> None:
    assert (prefix(first, material) == prefix(second, material)) is (first == second)
    assert len(prefix(first, material)) == blob.PREFIX_BYTES


def test_a_uuid_and_a_multi_region_id_of_the_same_digits_differ() -> None:
    made = uuid.UUID(int=7)
    assert prefix(str(made), "ab" * 32) != prefix(f"mrk-{made.hex}", "ab" * 32)


@given(contexts, contexts)
@example({"a": "bc"}, {"ab": "c"})
@example({}, {"": ""})
@example({"a": "b", "c": "d"}, {"a": "bcd"})
def test_different_contexts_never_give_the_same_bytes(first: dict[str, str], second: dict[str, str]) -> None:
    assert (canonical_context(first) == canonical_context(second)) is (first == second)


@given(contexts, st.randoms(use_true_random=False))
def test_order_does_not_matter(context: dict[str, str], random: object) -> None:
    pairs = list(context.items())
    random.shuffle(pairs)  # type: ignore[attr-defined]
    assert canonical_context(dict(pairs)) == canonical_context(context)


@given(st.dictionaries(st.text(), st.text(), max_size=5))
def test_a_context_can_be_read_back(context: dict[str, str]) -> None:
    raw = canonical_context(context)
    count, rest = int.from_bytes(raw[:4], "big"), raw[4:]
    fields = []
    while rest:
        size = int.from_bytes(rest[:4], "big")
        assert len(rest) >= 4 + size
        fields.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    names, values = fields[::2], fields[1::2]
    assert names == sorted(names)
    assert len(names) == len(values) == count
    assert {n.decode(): v.decode() for n, v in zip(names, values, strict=True)} == context


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 8192])
def test_lengths_are_written_alike_whatever_their_size(size: int) -> None:
    assert canonical_context({"n": "v" * size}) == (
        b"\0\0\0\x01" + b"\0\0\0\x01n" + size.to_bytes(4, "big") + b"v" * size
    )


@given(contexts, contexts)
def test_no_context_is_the_beginning_of_another(first: dict[str, str], second: dict[str, str]) -> None:
    assert canonical_context(first).startswith(canonical_context(second)) is (first == second)
