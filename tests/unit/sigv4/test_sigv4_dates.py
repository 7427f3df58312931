"""When a signature counts: dates, clock skew and the life of presigned requests."""

from __future__ import annotations

import pytest
from tests.unit.sigv4.wire_form import (
    INCOMPLETE,
    INVALID,
    MISMATCH,
    NOW,
    Request,
    accept,
    edited,
    refusal,
    signed,
    told,
    verifier,
)

from hearthkms.sigv4.verify import Verifier


@pytest.mark.parametrize(
    "text",
    [
        "20260101",
        "2026-01-01T12:00:00Z",
        "20260101T120000",
        "20261301T120000Z",
        "20260101T120060Z",
        "\u0662\u0660260101T120000Z",
        "20260101T120000Z,20260101T120000Z",
        "Thu, 01 Jan 2026 12:00:00 EST",
        "Thu, 31 Feb 2026 12:00:00 GMT",
    ],
)
def test_malformed_date(request_: Request, text: str) -> None:
    message = (
        f"Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )
    assert told(refusal(request_.with_headers(x_amz_date=text))) == (INCOMPLETE, message)


def test_skew_is_exactly_five_minutes_either_way(request_: Request) -> None:
    for clock in (NOW - 300, NOW + 300, NOW + 300.999):
        warm = verifier(clock)
        accept(request_, by=warm)
        accept(request_, by=warm)
    assert told(refusal(request_, by=verifier(NOW + 301))) == (
        INVALID,
        "Signature expired: 20260101T120000Z is now earlier than 20260101T120001Z "
        "(20260101T120501Z - 5 min.)",
    )
    assert told(refusal(request_, by=verifier(NOW - 301))) == (
        INVALID,
        "Signature not yet current: 20260101T120000Z is still later than 20260101T115959Z "
        "(20260101T115459Z + 5 min.)",
    )


def test_what_was_fresh_a_moment_ago_expires() -> None:
    now = [NOW]
    judge = Verifier(lambda: now[0])
    request = signed()
    accept(request, by=judge)
    now[0] = NOW + 300
    accept(request, by=judge)
    now[0] = NOW + 301
    assert str(refusal(request, by=judge).message).startswith("Signature expired: 20260101T120000Z")
    now[0] = NOW - 301
    assert str(refusal(request, by=judge).message).startswith("Signature not yet current: 20260101T120000Z")


def test_skew_is_a_setting() -> None:
    request = signed()
    accept(request, by=verifier(NOW + 60, skew_seconds=60))
    error = refusal(request, by=verifier(NOW + 61, skew_seconds=60))
    assert str(error.message).endswith("(20260101T120101Z - 1 min.)")


def test_a_presigned_request_lives_as_long_as_it_says(presigned: Request) -> None:
    accept(presigned, by=verifier(NOW + 60))
    assert told(refusal(presigned, by=verifier(NOW + 61))) == (
        INVALID,
        "Signature expired: 20260101T120000Z is now earlier than 20260101T120001Z "
        "(20260101T120101Z - 1 min.)",
    )
    week = signed(method="GET", headers=[], body=b"", expires=604_800)
    accept(week, by=verifier(NOW + 604_800))
    assert refusal(week, by=verifier(NOW + 604_801)).name == INVALID
    assert str(refusal(week, by=verifier(NOW - 301)).message).startswith("Signature not yet current")


def test_a_presigned_request_that_says_no_time_lives_as_long_as_the_skew(presigned: Request) -> None:
    error = refusal(edited(presigned, Expires=None), by=verifier(NOW + 301))
    assert str(error.message).startswith("Signature expired")
    assert told(refusal(edited(presigned, Expires=None), by=verifier(NOW + 300))) == (INVALID, MISMATCH)


@pytest.mark.parametrize("text", ["604801", "1000000"])
def test_a_presigned_request_lives_a_week_at_most(presigned: Request, text: str) -> None:
    error = refusal(edited(presigned, Expires=text))
    assert error.name == INCOMPLETE
    assert str(error.message).startswith("X-Amz-Expires must be less than a week (in seconds)")


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e3", "abc", "\u00b2", "9" * 5000])
def test_an_expiry_that_is_no_number(presigned: Request, text: str) -> None:
    assert told(refusal(edited(presigned, Expires=text))) == (INCOMPLETE, "X-Amz-Expires should be a number")


@pytest.mark.parametrize("date", ["20260102", "2026010", "20260101T", "x"])
def test_the_scope_is_for_the_day_of_the_date(request_: Request, date: str) -> None:
    message = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP. "
    assert told(refusal(request_.with_authorization("/20260101/", f"/{date}/"))) == (INVALID, message)


def test_yesterdays_scope_does_not_serve_today_even_when_it_is_known() -> None:
    midnight = NOW + 12 * 3600
    before, after = signed(at=midnight - 1), signed(at=midnight)
    judge = verifier(midnight)
    accept(before, by=judge)
    accept(after, by=judge)
    mixed = before.with_headers(x_amz_date=after.headers["x-amz-date"])
    message = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP. "
    assert told(refusal(mixed, by=judge)) == (INVALID, message)
