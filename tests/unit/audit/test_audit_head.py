"""The head survives torn writes, and nobody without the key can move it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.audit.material import HEAD_KEY

from hearthkms.audit.chain import Position, genesis
from hearthkms.audit.head import (
    SLOT_DISTANCE,
    SLOT_SIZE,
    HeadFile,
    HeadReading,
    HeadStatus,
    head_path,
    read_head,
)
from hearthkms.core.secret import Secret

START = Position(0, 0, genesis("w1"))
FIRST = Position(3, 900, bytes(range(32)))
SECOND = Position(70_000, 2**33, bytes(range(32, 64)))


def head_of(folder: Path, *positions: Position) -> Path:
    head = HeadFile(folder, "w1", HEAD_KEY, START)
    for position in positions:
        head.write(position)
    head.close()
    return head_path(folder, "w1")


def test_it_reads_as_the_last_position_written(tmp_path: Path) -> None:
    head_of(tmp_path)
    assert read_head(tmp_path, "w1", HEAD_KEY) == (HeadStatus.VALID, START)
    for count in range(1, 4):
        folder = tmp_path / str(count)
        folder.mkdir()
        third = SECOND._replace(seq=SECOND.seq + 1)
        path = head_of(folder, *[FIRST, SECOND, third][:count])
        assert read_head(folder, "w1", HEAD_KEY) == (HeadStatus.VALID, [FIRST, SECOND, third][count - 1])
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("slot", [0, 1])
def test_an_update_torn_at_any_byte_leaves_the_one_before_it(tmp_path: Path, slot: int) -> None:
    """`slot` is the one that the torn update goes to."""
    before = [FIRST, SECOND][:slot]
    path = head_of(tmp_path, *before)
    old = path.read_bytes()
    path.unlink()
    after = SECOND._replace(seq=SECOND.seq + 9, offset=SECOND.offset + 5000, chain=bytes(32))
    new = head_of(tmp_path, *before, after).read_bytes()
    last = before[-1] if before else START
    assert [at for at in range(len(old)) if old[at] != new[at]]
    at = slot * SLOT_DISTANCE
    readings: list[HeadReading] = []
    for torn in range(SLOT_SIZE + 1):
        path.write_bytes(old[:at] + new[at : at + torn] + old[at + torn :])
        readings.append(read_head(tmp_path, "w1", HEAD_KEY))
    assert readings[0] == (HeadStatus.VALID, last)
    assert readings[-1] == (HeadStatus.VALID, after)
    assert set(readings) == {(HeadStatus.VALID, last), (HeadStatus.TORN, last), (HeadStatus.VALID, after)}


def test_a_broken_slot_is_told_from_a_broken_head(tmp_path: Path) -> None:
    path = head_of(tmp_path, FIRST, SECOND)
    data = bytearray(path.read_bytes())
    data[SLOT_DISTANCE + 20] ^= 1
    path.write_bytes(data)
    assert read_head(tmp_path, "w1", HEAD_KEY) == (HeadStatus.TORN, FIRST)
    data[20] ^= 1
    path.write_bytes(data)
    assert read_head(tmp_path, "w1", HEAD_KEY) == (HeadStatus.INVALID, None)


@pytest.mark.parametrize(
    "size", [0, 1, SLOT_SIZE - 1, SLOT_SIZE, SLOT_DISTANCE, SLOT_DISTANCE + SLOT_SIZE - 1]
)
def test_a_shortened_file(tmp_path: Path, size: int) -> None:
    path = head_of(tmp_path, FIRST, SECOND)
    path.write_bytes(path.read_bytes()[:size])
    expected = (HeadStatus.TORN, FIRST) if size >= SLOT_SIZE else (HeadStatus.INVALID, None)
    assert read_head(tmp_path, "w1", HEAD_KEY) == expected


def test_every_bit_is_authenticated(tmp_path: Path) -> None:
    path = head_of(tmp_path, FIRST, SECOND)
    data = path.read_bytes()
    for at in range(SLOT_SIZE):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            path.write_bytes(changed)
            assert read_head(tmp_path, "w1", HEAD_KEY) == (HeadStatus.TORN, SECOND)


def test_the_head_of_another_stream_or_key_is_not_authentic(tmp_path: Path) -> None:
    path = head_of(tmp_path, FIRST)
    assert read_head(tmp_path, "w1", Secret(bytes(32))).status is HeadStatus.INVALID
    path.rename(head_path(tmp_path, "w2"))
    assert read_head(tmp_path, "w2", HEAD_KEY).status is HeadStatus.INVALID
    assert read_head(tmp_path, "w1", HEAD_KEY) == (HeadStatus.MISSING, None)


def test_a_head_is_never_overwritten_by_a_new_stream(tmp_path: Path) -> None:
    head_of(tmp_path, FIRST)
    with pytest.raises(FileExistsError):
        HeadFile(tmp_path, "w1", HEAD_KEY, START)
    assert read_head(tmp_path, "w1", HEAD_KEY) == (HeadStatus.VALID, FIRST)
