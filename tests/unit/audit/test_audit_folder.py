"""A folder of streams against its registry, what a dead worker left, and reading the trail by time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.audit.material import (
    AUDITOR,
    HEAD_KEY,
    KEYS,
    NOW,
    SIGNER,
    checkpoint,
    lines_of,
    open_log,
    put_stream,
    record,
    records,
    written,
)

from hearthkms.audit.chain import Position
from hearthkms.audit.checkpoint import Checkpoint, check_checkpoint
from hearthkms.audit.findings import Finding, Kind
from hearthkms.audit.head import head_path
from hearthkms.audit.lines import file_lines, lines_backward
from hearthkms.audit.recover import StreamInUseError, seal_dead, unfinished_tail
from hearthkms.audit.tail import Entry, Follower, entry_of, last_entries, merged, record_entry, stream_entries
from hearthkms.audit.verify import verify_folder, verify_stream

LINES, PLACES = lines_of("w1", records(6))
Registry = dict[str, list[Checkpoint]]


def closed_stream(folder: Path, stream: str, previous: str = "") -> list[Checkpoint]:
    lines, places = lines_of(stream, records(3))
    put_stream(folder, stream, lines, places[-1])
    return [checkpoint(stream, "opened", places[0], previous), checkpoint(stream, "closed", places[-1])]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Three streams, the second of which continues the first."""
    return {
        "w1": closed_stream(tmp_path, "w1"),
        "w1.2": closed_stream(tmp_path, "w1.2", "w1"),
        "w2": closed_stream(tmp_path, "w2"),
    }


def found(folder: Path, registry: Registry) -> list[Finding]:
    return [finding for report in verify_folder(folder, registry, KEYS) for finding in report.findings]


def test_an_untouched_folder(tmp_path: Path, registry: Registry) -> None:
    reports = list(verify_folder(tmp_path, registry, KEYS))
    assert [(report.stream, report.ok, report.records) for report in reports] == [
        ("w1", True, 3),
        ("w1.2", True, 3),
        ("w2", True, 3),
    ]
    assert all(report.ok for report in verify_folder(tmp_path, registry, AUDITOR))


def test_a_deleted_stream(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "w1.2.jsonl").unlink()
    head_path(tmp_path, "w1.2").unlink()
    assert [(one.kind, one.stream) for one in found(tmp_path, registry)] == [(Kind.STREAM_MISSING, "w1.2")]


def test_a_stream_deleted_from_the_registry_too(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "w1.jsonl").unlink()
    head_path(tmp_path, "w1").unlink()
    del registry["w1"]
    assert [(one.kind, one.stream) for one in found(tmp_path, registry)] == [(Kind.STREAM_MISSING, "w1")]


def test_a_deleted_head(tmp_path: Path, registry: Registry) -> None:
    head_path(tmp_path, "w2").unlink()
    assert [(one.kind, one.stream) for one in found(tmp_path, registry)] == [(Kind.HEAD_MISSING, "w2")]


def test_a_file_that_nothing_explains(tmp_path: Path, registry: Registry) -> None:
    lines, _ = lines_of("w3", records(2))
    (tmp_path / "w3.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "w 4.jsonl").write_bytes(b"")
    kinds = {(one.kind, one.stream) for one in found(tmp_path, registry)}
    assert kinds == {
        (Kind.STREAM_UNKNOWN, "w 4"),
        (Kind.STREAM_UNKNOWN, "w3"),
        (Kind.HEAD_MISSING, "w3"),
    }


def test_a_stream_that_a_crash_kept_from_the_registry_is_a_note(tmp_path: Path, registry: Registry) -> None:
    put_stream(tmp_path, "w3", [], Position(0, 0, lines_of("w3", [])[1][0].chain))
    reports = {report.stream: report for report in verify_folder(tmp_path, registry, KEYS)}
    assert reports["w3"].ok
    assert [note.detail for note in reports["w3"].notes] == ["it is not in the registry"]


def test_one_stream_in_the_place_of_another(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "w2.jsonl").replace(tmp_path / "w1.jsonl")
    kinds = {(one.kind, one.stream, one.count) for one in found(tmp_path, registry)}
    assert kinds == {(Kind.FOREIGN, "w1", 3), (Kind.TRUNCATED, "w1", 3), (Kind.STREAM_MISSING, "w2", 1)}


def test_describing_a_finding_names_the_record(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "w2.jsonl"
    path.write_bytes(path.read_bytes().replace(b"alice", b"mallory", 1))
    (finding,) = found(tmp_path, registry)
    assert finding.describe() == (
        "w2: edited: record 1 at byte 0 "
        "(event 00000000-0000-4000-8000-000000000001 of 2023-11-14T22:13:20Z): its content was changed"
    )


# The end of a dead worker's stream


def test_the_records_after_a_checkpoint(tmp_path: Path) -> None:
    put_stream(tmp_path, "w1", LINES, PLACES[-1])
    for after in range(7):
        tail = list(unfinished_tail(tmp_path, "w1", PLACES[after]))
        assert [one.seq for one in tail] == list(range(after + 1, 7))
        assert [one.record for one in tail] == records(6)[after:]
    assert len(list(unfinished_tail(tmp_path, "w1"))) == 6
    assert list(unfinished_tail(tmp_path, "w9")) == []


@given(st.integers(0, PLACES[-1].offset))
def test_the_tail_of_a_torn_file(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    folder = tmp_path_factory.mktemp("torn")
    (folder / "w1.jsonl").write_bytes(b"".join(LINES)[:size])
    whole = sum(1 for place in PLACES[1:] if place.offset <= size)
    assert [one.record for one in unfinished_tail(folder, "w1")] == records(6)[:whole]
    assert len(list(unfinished_tail(folder, "w1", PLACES[2]))) == max(0, whole - 2)


def test_the_tail_stops_where_the_chain_does(tmp_path: Path) -> None:
    broken = LINES[3].replace(b"alice", b"mallory")
    (tmp_path / "w1.jsonl").write_bytes(b"".join([*LINES[:3], broken, *LINES[4:]]))
    assert [one.seq for one in unfinished_tail(tmp_path, "w1")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("rest", "state", "seq"),
    [
        (b"", "closed", 4),
        (b"".join(LINES[4:]), "closed", 6),
        (LINES[4] + LINES[5][:50], "abandoned", 5),
        (b"\0" * 200, "abandoned", 4),
    ],
)
def test_a_dead_stream_is_ended(tmp_path: Path, rest: bytes, state: str, seq: int) -> None:
    put_stream(tmp_path, "w1", [*LINES[:4], rest], PLACES[4])
    end = seal_dead(tmp_path, "w1", HEAD_KEY, SIGNER, NOW)
    assert end is not None
    check_checkpoint(end, KEYS)
    assert (end.state, end.seq, end.position) == (state, seq, PLACES[seq])
    assert verify_stream(tmp_path, "w1", [end], KEYS).ok
    (tmp_path / "w1.jsonl").write_bytes(b"".join(LINES[: seq - 1]))
    (finding,) = verify_stream(tmp_path, "w1", [end], KEYS).findings
    assert (finding.kind, finding.seq) == (Kind.TRUNCATED, seq)


@pytest.mark.parametrize(
    "lines",
    [
        LINES[:3],
        [*LINES[:3], LINES[3].replace(b'"seq":4', b'"seq":5')],
        [*LINES[:3], LINES[3][:-1]],
        [*LINES[:3], b"x" * len(LINES[3])],
        [],
    ],
)
def test_a_stream_that_contradicts_its_head_is_not_vouched_for(tmp_path: Path, lines: list[bytes]) -> None:
    put_stream(tmp_path, "w1", lines, PLACES[4])
    assert seal_dead(tmp_path, "w1", HEAD_KEY, SIGNER, NOW) is None


def test_an_empty_or_a_missing_stream(tmp_path: Path) -> None:
    put_stream(tmp_path, "w1", [], PLACES[0])
    end = seal_dead(tmp_path, "w1", HEAD_KEY, SIGNER, NOW)
    assert end is not None
    assert (end.state, end.seq) == ("closed", 0)
    assert seal_dead(tmp_path, "w9", HEAD_KEY, SIGNER, NOW) is None
    head_path(tmp_path, "w1").unlink()
    assert seal_dead(tmp_path, "w1", HEAD_KEY, SIGNER, NOW) is None


def test_a_living_stream_is_not_ended(tmp_path: Path) -> None:
    async def run() -> None:
        log = open_log(tmp_path, "strict", [])
        assert await written(log, record(1))
        with pytest.raises(StreamInUseError):
            seal_dead(tmp_path, "w1", HEAD_KEY, SIGNER, NOW)
        await log.aclose()

    asyncio.run(run())
    end = seal_dead(tmp_path, "w1", HEAD_KEY, SIGNER, NOW)
    assert end is not None
    assert end.seq == 1


# Reading by time


@given(st.lists(st.binary(max_size=90_000 // 8).map(lambda line: line.replace(b"\n", b""))), st.booleans())
def test_reading_backward_gives_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], torn: bool
) -> None:
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_bytes(b"".join(line * 8 + b"\n" for line in lines) + (b"torn" if torn else b""))
    with path.open("rb") as file:
        forward = [line for line in file_lines(file) if line.whole]
        assert [line.data for line in forward] == [line * 8 for line in lines]
        assert list(lines_backward(file, path.stat().st_size))[::-1] == forward


def stream_at(folder: Path, stream: str, times: list[float]) -> None:
    lines, places = lines_of(stream, [record(int(now), NOW + now) for now in times])
    put_stream(folder, stream, lines, places[-1])


def numbers(entries: list[Entry]) -> list[int]:
    return [int(entry.record.split(b'"eventID":"')[1][24:36]) for entry in entries]


def test_streams_and_ledger_are_merged_by_time(tmp_path: Path) -> None:
    stream_at(tmp_path, "w1", [1, 4, 6])
    stream_at(tmp_path, "w2", [2, 3, 7])
    ledger = [record_entry("ledger", 1, record(5, NOW + 5))]
    assert numbers(last_entries(tmp_path, 100, ledger)) == [1, 2, 3, 4, 5, 6, 7]
    assert numbers(last_entries(tmp_path, 3, ledger)) == [5, 6, 7]
    assert last_entries(tmp_path, 0, ledger) == []
    with (tmp_path / "w1.jsonl").open("rb") as one, (tmp_path / "w2.jsonl").open("rb") as two:
        assert numbers(list(merged([stream_entries(one), stream_entries(two)]))) == [1, 2, 3, 4, 6, 7]
    last = last_entries(tmp_path, 1)[0]
    assert (last.stream, last.seq, last.time) == ("w2", 3, "2023-11-14T22:13:27Z")


def test_lines_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "w1.jsonl").write_bytes(b"".join([LINES[0], b"junk\n", LINES[1], LINES[2][:30]]))
    assert numbers(last_entries(tmp_path, 9)) == [1, 2]
    assert entry_of(b"junk") is None


@pytest.mark.parametrize("from_end", [True, False])
def test_following(tmp_path: Path, from_end: bool) -> None:
    path = tmp_path / "w1.jsonl"
    path.write_bytes(b"".join(LINES[:2]) + LINES[2][:30])
    follower = Follower(tmp_path, from_end=from_end)
    assert numbers(follower.poll()) == ([] if from_end else [1, 2])
    path.write_bytes(b"".join(LINES[:4]))
    stream_at(tmp_path, "w2", [0, 9])
    assert numbers(follower.poll()) == [3, 4, 0, 9]
    assert follower.poll() == []
    path.write_bytes(b"".join(LINES[:3]))  # a refused write was undone
    assert follower.poll() == []
    path.write_bytes(b"".join(LINES[:5]))
    assert numbers(follower.poll()) == [4, 5]


def test_a_line_that_is_too_long_is_one_damaged_line(tmp_path: Path) -> None:
    long = b'{"a":"' + b"x" * (5 << 20) + b'"}\n'
    put_stream(tmp_path, "w1", [*LINES[:2], long, *LINES[2:]], PLACES[-1])
    (finding,) = verify_stream(tmp_path, "w1", [], KEYS).findings
    assert (finding.kind, finding.offset) == (Kind.INSERTED, PLACES[2].offset)


CUTS: list[Callable[[Path], None]] = [
    lambda path: path.write_bytes(path.read_bytes()[:-1]),
    lambda path: path.write_bytes(b""),
]


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_stream_file(tmp_path: Path, registry: Registry, cut: Callable[[Path], None]) -> None:
    cut(tmp_path / "w1.jsonl")
    assert [(one.kind, one.stream) for one in found(tmp_path, registry)] == [(Kind.TRUNCATED, "w1")]
