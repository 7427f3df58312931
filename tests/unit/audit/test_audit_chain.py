"""The chain: its bytes, that nothing about them is ambiguous, and that a stored line has one reading."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.audit.material import record, records

from hearthkms.audit.chain import (
    MAX_SEQ,
    ChainFormatError,
    Position,
    build_line,
    extend,
    genesis,
    link,
    link_input,
    parse_line,
)

chains = st.binary(min_size=32, max_size=32)
seqs = st.integers(1, MAX_SEQ)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", fullmatch=True)
bodies = st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none()), min_size=1)
some_records = bodies.map(lambda body: json.dumps(body, separators=(",", ":")).encode())


def test_the_bytes_of_the_specification() -> None:
    stream = "w1"
    seed = hashlib.sha256(b"HearthKMS audit seed 1\n" + (2).to_bytes(8, "big") + b"w1").digest()
    assert genesis(stream) == seed
    body = b'{"eventName":"Encrypt"}'
    hashed = b"HearthKMS audit link 1\n" + seed + (1).to_bytes(8, "big") + (23).to_bytes(8, "big") + body
    assert link(seed, 1, body) == hashlib.sha256(hashed).digest()
    chain = link(seed, 1, body).hex()
    line = b'{"eventName":"Encrypt","stream":"w1","seq":1,"chain":"' + chain.encode() + b'"}'
    assert build_line(stream, 1, link(seed, 1, body), body) == line


def test_known_answer() -> None:
    first = link(genesis("ledger"), 1, b'{"a":1}')
    assert genesis("ledger").hex() == "06315fae4aab07aca37c9a96337d7214944a3428f8a883a2990cf34c0e457bb4"
    assert first.hex() == "a61078bee3dfe936a34cc4b96ab678f86a419e0312ea36fb115c04962f8707fc"


@given(chains, seqs, st.binary())
def test_the_hashed_bytes_have_one_reading(previous: bytes, seq: int, body: bytes) -> None:
    hashed = link_input(previous, seq, body)
    assert hashed[:23] == b"HearthKMS audit link 1\n"
    assert hashed[23:55] == previous
    assert int.from_bytes(hashed[55:63], "big") == seq
    assert int.from_bytes(hashed[63:71], "big") == len(body)
    assert hashed[71:] == body


@given(st.binary(min_size=1, max_size=40), st.data())
def test_moving_a_boundary_changes_what_is_hashed(text: bytes, data: st.DataObject) -> None:
    """Two records that together are the same bytes give different chains."""
    start = genesis("w1")
    cuts = st.integers(0, len(text))
    one, other = data.draw(cuts), data.draw(cuts)
    first = link(link(start, 1, text[:one]), 2, text[one:])
    second = link(link(start, 1, text[:other]), 2, text[other:])
    assert (first == second) == (one == other)


@given(names, names)
def test_each_stream_starts_elsewhere(one: str, other: str) -> None:
    assert (genesis(one) == genesis(other)) == (one == other)


@given(names, seqs, chains, some_records)
def test_parsing_undoes_building(stream: str, seq: int, chain: bytes, body: bytes) -> None:
    line = build_line(stream, seq, chain, body)
    assert parse_line(line) == (stream, seq, chain, body)
    members = json.loads(line)
    assert list(members)[-3:] == ["stream", "seq", "chain"]
    assert (members["stream"], members["seq"], members["chain"]) == (stream, seq, chain.hex())


@given(st.data())
def test_a_line_that_parses_is_the_one_that_building_gives(data: st.DataObject) -> None:
    line = bytearray(build_line("w1", 12, bytes(32), record(12)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(line) - 1))
        line[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        parsed = parse_line(bytes(line))
    except ChainFormatError:
        return
    assert build_line(parsed.stream, parsed.seq, parsed.chain, parsed.record) == bytes(line)


GOOD = build_line("w1", 12, bytes(32), b'{"a":1}')


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        GOOD + b" ",
        GOOD + b"\n",
        b" " + GOOD,
        GOOD.replace(b'"seq":12', b'"seq":012'),
        GOOD.replace(b'"seq":12', b'"seq":0'),
        GOOD.replace(b'"seq":12', b'"seq":-1'),
        GOOD.replace(b'"seq":12', b'"seq":12.0'),
        GOOD.replace(b'"seq":12', b'"seq": 12'),
        GOOD.replace(b'"seq":12', b'"seq":9223372036854775808'),
        GOOD.replace(b'"w1"', b'"w/1"'),
        GOOD.replace(b'"w1"', b'""'),
        GOOD.replace(b'"00', b'"0'),
        GOOD.replace(b'"00', b'"A0'),
        GOOD.replace(b'{"a":1,', b"{,"),
        GOOD.replace(b'{"a":1', b'{"a":\n1'),
        GOOD.replace(b'{"a":1', b'["a",1'),
        GOOD[:-1],
    ],
)
def test_only_one_spelling_is_read(line: bytes) -> None:
    assert parse_line(GOOD).seq == 12
    with pytest.raises(ChainFormatError):
        parse_line(line)


@pytest.mark.parametrize(
    ("stream", "seq", "chain", "body"),
    [
        ("", 1, bytes(32), b'{"a":1}'),
        ("../w", 1, bytes(32), b'{"a":1}'),
        ("w" * 121, 1, bytes(32), b'{"a":1}'),
        ("w1\n", 1, bytes(32), b'{"a":1}'),
        ("w1", 0, bytes(32), b'{"a":1}'),
        ("w1", MAX_SEQ + 1, bytes(32), b'{"a":1}'),
        ("w1", 1, bytes(31), b'{"a":1}'),
        ("w1", 1, bytes(32), b"{}"),
        ("w1", 1, bytes(32), b"1"),
        ("w1", 1, bytes(32), b'{"a":1}\n'),
        ("w1", 1, bytes(32), b'{"a":\n1}'),
    ],
)
def test_what_has_no_line(stream: str, seq: int, chain: bytes, body: bytes) -> None:
    with pytest.raises(ChainFormatError):
        build_line(stream, seq, chain, body)


def test_a_link_needs_a_whole_chain_value_and_a_number() -> None:
    for previous, seq in ((bytes(31), 1), (bytes(33), 1), (bytes(32), 0), (bytes(32), MAX_SEQ + 1)):
        with pytest.raises(ChainFormatError):
            link(previous, seq, b'{"a":1}')


@given(st.lists(some_records, max_size=5), st.integers(0, 10**6), st.integers(0, 10**12))
@example([], 0, 0)
def test_the_fast_way_gives_the_same_bytes(batch: list[bytes], seq: int, offset: int) -> None:
    chain = genesis("w1.2")
    data, position = extend(b"w1.2", Position(seq, offset, chain), batch)
    expected = b""
    for number, body in enumerate(batch, seq + 1):
        chain = link(chain, number, body)
        expected += build_line("w1.2", number, chain, body) + b"\n"
    assert data == expected
    assert position == (seq + len(batch), offset + len(expected), chain)


def test_a_record_of_two_lines_is_not_written() -> None:
    with pytest.raises(ChainFormatError):
        extend(b"w1", Position(0, 0, genesis("w1")), [*records(2), b'{"a":\n1}'])
