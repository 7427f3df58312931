"""Whatever is done to a stream is found, once, and named by the record it was done to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.unit.audit.material import AUDITOR, KEYS, checkpoint, event_id, lines_of, record, records

from hearthkms.audit.chain import Position, build_line, genesis, link, parse_line
from hearthkms.audit.checkpoint import Checkpoint, Keys
from hearthkms.audit.findings import Finding, Kind, Report
from hearthkms.audit.head import HeadReading, HeadStatus
from hearthkms.audit.lines import Line
from hearthkms.audit.verify import verify_ledger, verify_lines

STREAM = "w1"
MOST = 12


def _split(data: bytes) -> list[bytes]:
    pieces = data.split(b"\n")
    return [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


def verified(
    data: bytes | Sequence[bytes],
    head: Position | None,
    checkpoints: Sequence[Checkpoint] = (),
    keys: Keys = KEYS,
) -> Report:
    joined = data if isinstance(data, bytes) else b"".join(data)
    lines = [Line(p.removesuffix(b"\n"), o, o + len(p), None, p.endswith(b"\n")) for p, o in _placed(joined)]
    reading = None if head is None else HeadReading(HeadStatus.VALID, head)
    return verify_lines(STREAM, lines, reading, checkpoints, keys)


def _placed(data: bytes) -> list[tuple[bytes, int]]:
    placed, offset = [], 0
    for piece in _split(data):
        placed.append((piece, offset))
        offset += len(piece)
    return placed


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, [finding.describe() for finding in report.findings]
    return report.findings[0]


LINES, PLACES = lines_of(STREAM, records(MOST))
STARTS = [place.offset for place in PLACES]


def test_an_untouched_stream() -> None:
    report = verified(LINES, PLACES[-1])
    assert report.ok
    assert report.notes == ()
    assert report.records == MOST
    assert report.last == PLACES[-1]
    assert verified([], PLACES[0]).ok


# Random tampering with a chain of n records, one act at a time.

sizes = st.integers(1, MOST)


@given(sizes, st.data())
def test_one_changed_byte_is_one_finding_at_its_record(count: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, count))
    line = bytearray(LINES[number - 1])
    at = data.draw(st.integers(0, len(line) - 1))
    new = data.draw(st.integers(0, 255))
    assume(line[at] != new)
    line[at] = new
    report = verified([*LINES[: number - 1], bytes(line), *LINES[number:count]], PLACES[count])
    finding = only(report)
    end = number == count and at == len(line) - 1  # the last line end: the last line is unfinished
    assert finding.kind is (Kind.TRUNCATED if end else Kind.EDITED)
    assert finding.seq == number
    assert finding.offset == STARTS[number - 1]
    joins = at == len(line) - 1 and not end  # a line end in the middle: two lines have become one
    assert finding.count == (2 if joins else 1)


@given(sizes, st.data())
def test_a_rewritten_record_is_named_with_its_event(count: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, count))
    parsed = parse_line(LINES[number - 1].removesuffix(b"\n"))
    forged = build_line(STREAM, number, parsed.chain, parsed.record.replace(b"alice", b"mallory")) + b"\n"
    finding = only(verified([*LINES[: number - 1], forged, *LINES[number:count]], PLACES[count]))
    assert (finding.kind, finding.seq, finding.count) == (Kind.EDITED, number, 1)
    assert finding.offset == STARTS[number - 1]
    assert finding.event_id == event_id(number)
    assert finding.event_time == "2023-11-14T22:13:20Z"


@given(st.integers(2, MOST), st.data())
def test_records_taken_out(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, count))
    last = data.draw(st.integers(first, count))
    finding = only(verified([*LINES[: first - 1], *LINES[last:count]], PLACES[count]))
    assert finding.kind is (Kind.TRUNCATED if last == count else Kind.MISSING)
    assert (finding.seq, finding.count) == (first, last - first + 1)
    assert finding.offset == STARTS[first - 1]


@given(sizes, st.data())
def test_a_record_doubled_elsewhere(count: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, count))
    at = data.draw(st.integers(0, count))
    finding = only(verified([*LINES[:at], LINES[number - 1], *LINES[at:count]], PLACES[count]))
    assert (finding.kind, finding.seq, finding.count) == (Kind.INSERTED, number, 1)
    assert finding.event_id == event_id(number)
    # Of two equal lines side by side the second one is the copy.
    assert finding.offset == STARTS[at] + (len(LINES[number - 1]) if at == number - 1 else 0)


@given(st.integers(2, MOST), st.data())
def test_two_records_swapped(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, count - 1))
    second = data.draw(st.integers(first + 1, count))
    lines = LINES[:count]
    lines[first - 1], lines[second - 1] = lines[second - 1], lines[first - 1]
    report = verified(lines, PLACES[count])
    assert {finding.kind for finding in report.findings} == {Kind.REORDERED}
    named = {seq for one in report.findings for seq in range(one.seq or 0, (one.seq or 0) + one.count)}
    if second - first == 1:
        assert named in ({first}, {second})
    elif second - first == 2:  # c b a: which two of the three moved cannot be told
        assert len(named) == 2
        assert named < {first, first + 1, second}
    else:
        assert named == {first, second}


@given(st.integers(3, MOST), st.data())
def test_a_record_moved(count: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, count))
    rest = [*LINES[: number - 1], *LINES[number:count]]
    at = data.draw(st.integers(0, count - 1).filter(lambda at: abs(at - (number - 1)) > 1))
    finding = only(verified([*rest[:at], LINES[number - 1], *rest[at:]], PLACES[count]))
    assert (finding.kind, finding.seq, finding.count) == (Kind.REORDERED, number, 1)


@given(sizes, st.data())
def test_a_file_cut_off_anywhere(count: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, STARTS[count] - 1))
    finding = only(verified(b"".join(LINES[:count])[:size], PLACES[count]))
    first = max(seq for seq in range(1, count + 1) if STARTS[seq - 1] <= size)
    assert (finding.kind, finding.seq, finding.count) == (Kind.TRUNCATED, first, count - first + 1)
    assert finding.offset == STARTS[first - 1]


@given(sizes, st.data(), st.binary(min_size=1, max_size=30))
def test_other_bytes_between_the_lines(count: int, data: st.DataObject, junk: bytes) -> None:
    at = data.draw(st.integers(0, count))
    report = verified([*LINES[:at], junk + b"\n", *LINES[at:count]], PLACES[count])
    assert not report.ok or at == count
    if at == count:  # after the head, as a crash leaves it
        assert report.notes
    else:
        finding = only(report)
        assert (finding.kind, finding.offset) == (Kind.INSERTED, STARTS[at])


@given(sizes, st.data())
def test_a_line_of_another_stream(count: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, count))
    other = lines_of("w2", records(MOST))[0][data.draw(st.integers(0, MOST - 1))]
    finding = only(verified([*LINES[:at], other, *LINES[at:count]], PLACES[count]))
    assert (finding.kind, finding.offset) == (Kind.FOREIGN, STARTS[at])
    assert "w2" in finding.detail


# Somebody who knows the format: the chain value is recomputed, too. (It needs no secret.)


def forged_line(number: int, previous: bytes, name: bytes = b"mallory") -> tuple[bytes, bytes]:
    body = record(number).replace(b"alice", name)
    chain = link(previous, number, body)
    return build_line(STREAM, number, chain, body) + b"\n", chain


@given(st.integers(2, MOST), st.data())
def test_a_record_edited_with_its_chain_value(count: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, count - 1))
    forged, _ = forged_line(number, PLACES[number - 1].chain)
    finding = only(verified([*LINES[: number - 1], forged, *LINES[number:count]], PLACES[count]))
    # It fits what stands before it; that its successor does not fit says that one of the two was changed.
    assert (finding.kind, finding.seq) == (Kind.EDITED, number + 1)
    assert f"record {number} was" in finding.detail


@given(st.integers(2, MOST), st.data())
def test_a_record_edited_with_its_chain_value_at_a_checkpoint(count: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, count))
    forged, _ = forged_line(number, PLACES[number - 1].chain)
    known = [checkpoint(STREAM, "running", PLACES[seq]) for seq in (number - 1, number)]
    finding = only(verified([*LINES[: number - 1], forged, *LINES[number:count]], PLACES[count], known))
    assert (finding.kind, finding.seq, finding.count) == (Kind.REWRITTEN, number, 1)


@given(sizes, st.data())
def test_everything_rewritten_from_a_record_on(count: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, count))
    before = data.draw(st.integers(0, number - 1))
    chain, forged = PLACES[number - 1].chain, []
    for seq in range(number, count + 1):
        line, chain = forged_line(seq, chain)
        forged.append(line)
    known = [checkpoint(STREAM, "running", PLACES[seq]) for seq in {before, count}]
    report = verified([*LINES[: number - 1], *forged], PLACES[count], sorted(known, key=lambda one: one.seq))
    finding = only(report)
    assert finding.kind is Kind.REWRITTEN
    assert (finding.seq, finding.count) == (before + 1, count - before)


@given(sizes, st.data())
def test_a_record_put_in_with_a_chain_value_that_fits(count: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, count))
    forged, _ = forged_line(number, PLACES[number - 1].chain)
    finding = only(verified([*LINES[: number - 1], forged, *LINES[number - 1 : count]], PLACES[count]))
    if number < count:
        assert (finding.kind, finding.seq, finding.offset) == (Kind.INSERTED, number, STARTS[number - 1])
    else:  # nothing follows that tells which of the two is the true one; the head does
        assert finding.seq == number
        assert finding.kind in (Kind.INSERTED, Kind.REWRITTEN)


@given(sizes, st.data())
def test_a_record_put_in_with_a_chain_value_that_does_not(count: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, count))
    forged, _ = forged_line(number, bytes(32))
    finding = only(verified([*LINES[: number - 1], forged, *LINES[number - 1 : count]], PLACES[count]))
    assert (finding.kind, finding.seq, finding.offset) == (Kind.INSERTED, number, STARTS[number - 1])


# Two acts at once are two findings: the walk goes on behind the first.


@given(st.data())
@settings(max_examples=200)
def test_two_edits_far_apart_are_two_findings(data: st.DataObject) -> None:
    first = data.draw(st.integers(1, MOST - 2))
    second = data.draw(st.integers(first + 2, MOST))
    lines = [*LINES]
    for number in (first, second):
        lines[number - 1] = lines[number - 1].replace(b"alice", b"mallory")
    report = verified(lines, PLACES[-1])
    assert [(one.kind, one.seq) for one in report.findings] == [(Kind.EDITED, first), (Kind.EDITED, second)]


Act = Callable[[list[bytes], int], list[bytes]]
ACTS: dict[str, Act] = {
    "edit": lambda lines, at: [*lines[:at], lines[at].replace(b"alice", b"bob"), *lines[at + 1 :]],
    "delete": lambda lines, at: [*lines[:at], *lines[at + 1 :]],
    "double": lambda lines, at: [*lines[: at + 1], *lines[at:]],
    "swap": lambda lines, at: [*lines[:at], lines[-1], *lines[at + 1 : -1], lines[at]],
    "junk": lambda lines, at: [*lines[:at], b"{}\n", *lines[at:]],
    "split": lambda lines, at: [*lines[:at], lines[at].replace(b",", b"\n", 1), *lines[at + 1 :]],
    "join": lambda lines, at: [*lines[:at], lines[at].rstrip(b"\n"), *lines[at + 1 :]],
    "foreign": lambda lines, at: [*lines[:at], lines[at].replace(b'"w1"', b'"w2"'), *lines[at + 1 :]],
    "renumber": lambda lines, at: [*lines[:at], lines[at].replace(b'"seq":', b'"seq":1'), *lines[at + 1 :]],
    "rechain": lambda lines, at: [
        *lines[:at],
        lines[at].replace(b'"chain":"', b'"chain":"f')[:-4] + b'"}\n',
        *lines[at + 1 :],
    ],
}


@example([("double", 11), ("join", 12)])
@given(st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 10**6)), min_size=1, max_size=6))
@settings(max_examples=400)
def test_no_mixture_of_acts_goes_unnoticed(acts: list[tuple[str, int]]) -> None:
    lines = [*LINES]
    for name, at in acts:
        if lines:
            lines = ACTS[name](lines, at % len(lines))
    assume(lines != LINES)
    report = verified(lines, PLACES[-1])
    if b"".join(lines).startswith(b"".join(LINES)):
        assert report.findings or report.notes  # all is there; what follows may be what a crash leaves
    else:
        assert not report.ok
    assert report.records <= MOST


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.binary(max_size=6), st.integers(0, 6)), min_size=1, max_size=4
    )
)
@settings(max_examples=400)
def test_no_change_of_bytes_goes_unnoticed(changes: list[tuple[int, bytes, int]]) -> None:
    whole = b"".join(LINES)
    data = whole
    for at, new, size in changes:
        at %= len(data) + 1
        data = data[:at] + new + data[at + size :]
    assume(data != whole)
    report = verified(data, PLACES[-1])
    if data.startswith(whole):
        assert report.notes  # only behind the head: that is what a crash leaves
    else:
        assert not report.ok


# The end of a stream


def test_what_a_crash_leaves_behind_the_head_is_a_note() -> None:
    head = PLACES[5]
    for data in (
        b"".join(LINES),  # written, not answered
        b"".join(LINES[:5]) + LINES[5][:40],  # unfinished
        b"".join(LINES[:5]) + b"\0" * 4096,  # a power failure
        b"".join([*LINES[:5], b"\0" * 40 + LINES[5][40:], *LINES[6:8]]),
    ):
        report = verified(data, head)
        assert report.ok
        assert report.notes


def test_nothing_may_follow_a_closed_stream() -> None:
    closed = checkpoint(STREAM, "closed", PLACES[5])
    assert verified(LINES[:5], PLACES[5], [closed]).notes == ()
    assert verified(LINES[:5], PLACES[5], [closed]).ok
    more = only(verified(LINES[:8], PLACES[5], [closed]))
    assert (more.kind, more.seq, more.count) == (Kind.APPENDED, 6, 3)
    for rest in (LINES[5][:40], b"\0" * 100, b"junk\n"):
        finding = only(verified(b"".join(LINES[:5]) + rest, PLACES[5], [closed]))
        assert (finding.kind, finding.seq, finding.offset) == (Kind.APPENDED, 6, STARTS[5])


def test_what_follows_an_abandoned_stream_is_a_note() -> None:
    abandoned = checkpoint(STREAM, "abandoned", PLACES[5])
    for keys, head in ((KEYS, PLACES[5]), (AUDITOR, None)):
        for rest in (LINES[5][:40], b"".join(LINES[5:7]), b"\0" * 100 + b"\n"):
            report = verified(b"".join(LINES[:5]) + rest, head, [abandoned], keys)
            assert report.ok
            assert report.notes


def test_damage_before_the_end_of_an_abandoned_stream_is_a_finding() -> None:
    abandoned = checkpoint(STREAM, "abandoned", PLACES[5])
    finding = only(verified([LINES[0], *LINES[2:8]], PLACES[5], [abandoned]))
    assert (finding.kind, finding.seq) == (Kind.MISSING, 2)


def test_an_auditor_without_the_head_key_sees_a_cut_at_the_last_checkpoint() -> None:
    known = [checkpoint(STREAM, "opened", PLACES[0]), checkpoint(STREAM, "running", PLACES[8])]
    report = verified(LINES, None, known, AUDITOR)
    assert report.ok
    assert [note.seq for note in report.notes] == [9]
    finding = only(verified(LINES[:6], None, known, AUDITOR))
    assert (finding.kind, finding.seq, finding.count) == (Kind.TRUNCATED, 7, 2)


def test_without_a_head_an_edit_behind_the_last_checkpoint_is_still_a_finding() -> None:
    known = [checkpoint(STREAM, "opened", PLACES[0])]
    lines = [*LINES[:3], LINES[3].replace(b"alice", b"mallory"), *LINES[4:]]
    finding = only(verified(lines, None, known, AUDITOR))
    assert (finding.kind, finding.seq) == (Kind.EDITED, 4)


# Checkpoints and heads


def test_a_checkpoint_that_is_not_authentic_is_a_finding_and_vouches_for_nothing() -> None:
    good = checkpoint(STREAM, "running", PLACES[8])
    for bad in (
        msgspec.structs.replace(good, seq=99),
        msgspec.structs.replace(good, chain="00" * 32),
        msgspec.structs.replace(good, key_id="0" * 32),
        checkpoint("w2", "running", PLACES[8]),
    ):
        finding = only(verified(LINES, PLACES[-1], [bad]))
        assert (finding.kind, finding.seq) == (Kind.CHECKPOINT_INVALID, bad.seq)


@pytest.mark.parametrize("status", [HeadStatus.MISSING, HeadStatus.INVALID])
def test_a_head_that_is_gone_or_forged(status: HeadStatus) -> None:
    lines = [Line(line.removesuffix(b"\n")) for line in LINES]
    report = verify_lines(STREAM, lines, HeadReading(status, None), [], KEYS)
    assert only(report).kind is (Kind.HEAD_MISSING if status is HeadStatus.MISSING else Kind.HEAD_INVALID)


def test_a_torn_head_is_a_note() -> None:
    lines = [Line(line.removesuffix(b"\n")) for line in LINES]
    report = verify_lines(STREAM, lines, HeadReading(HeadStatus.TORN, PLACES[-1]), [], KEYS)
    assert report.ok
    assert len(report.notes) == 1


def test_checkpoints_out_of_order_are_refused() -> None:
    known = [checkpoint(STREAM, "running", PLACES[seq]) for seq in (8, 4)]
    with pytest.raises(ValueError, match="in order"):
        verified(LINES, PLACES[-1], known)


def test_an_attack_of_many_lines_needs_little_memory_and_is_counted() -> None:
    lines = [line for pair in zip(LINES * 200, [b"junk\n"] * 2400, strict=True) for line in pair]
    report = verified(lines, PLACES[-1])
    assert len(report.findings) <= 1100
    assert report.unlisted > 0
    assert not report.ok


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    body = b'{"a":1}'
    chain, lines = genesis(STREAM), []
    for seq in range(1, 5000):
        chain = link(chain, seq, body)
        lines.append(Line(build_line(STREAM, seq, chain, body), seq * 100 - 100, seq * 100))
    report = verify_lines(STREAM, lines, None, [], KEYS, lambda *told: seen.append(told))
    assert report.records == 4999
    assert seen == [(4096, 409_600), (4999, 499_900)]


# The ledger

ROWS = [(seq, body, PLACES[seq].chain) for seq, body in enumerate(records(MOST), 1)]


def ledger(rows: Sequence[tuple[int, bytes, bytes]], known: Sequence[Checkpoint] = ()) -> Report:
    return verify_ledger(STREAM, rows, known, KEYS)


def test_an_untouched_ledger() -> None:
    known = [
        checkpoint(STREAM, "opened", PLACES[0]),
        checkpoint(STREAM, "running", PLACES[7]._replace(offset=0)),
    ]
    report = ledger(ROWS, known)
    assert report.ok
    assert report.records == MOST


@given(
    st.integers(1, MOST - 1), st.sampled_from(["edit", "chain", "delete", "renumber", "short", "whole line"])
)
def test_a_ledger_row(number: int, act: str) -> None:
    seq, body, chain = ROWS[number - 1]
    following = ROWS[number:]
    changed: dict[str, list[tuple[int, bytes, bytes]]] = {
        "edit": [(seq, body.replace(b"alice", b"mallory"), chain)],
        "chain": [(seq, body, bytes(32))],
        "delete": [],
        "renumber": [(seq + 50, body, chain)],
        "short": [(seq, body[:-1], chain)],
        "whole line": [(seq, LINES[number - 1].removesuffix(b"\n"), b"")],
    }
    finding = only(ledger([*ROWS[: number - 1], *changed[act], *following]))
    assert (finding.kind, finding.seq) == (Kind.MISSING if act == "delete" else Kind.EDITED, number)


def test_the_end_of_the_ledger_is_what_its_checkpoint_says() -> None:
    known = [checkpoint(STREAM, "running", PLACES[7]._replace(offset=0))]
    finding = only(ledger(ROWS[:5], known))
    assert (finding.kind, finding.seq, finding.count) == (Kind.TRUNCATED, 6, 2)
    finding = only(ledger([*ROWS[:8], *ROWS[9:]], known))  # behind its last checkpoint, too
    assert (finding.kind, finding.seq) == (Kind.MISSING, 9)
