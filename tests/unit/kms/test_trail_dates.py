"""Dates inside `responseElements`, as CloudTrail writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hearthkms.service.trail import date_text


@pytest.mark.parametrize(
    ("date", "text"),
    [
        (datetime(2022, 8, 10, 22, 38, 27, tzinfo=UTC), "Aug 10, 2022, 10:38:27 PM"),
        (datetime(2024, 1, 2, 0, 0, 9, tzinfo=UTC), "Jan 2, 2024, 12:00:09 AM"),
        (datetime(2024, 2, 29, 12, 5, 0, tzinfo=UTC), "Feb 29, 2024, 12:05:00 PM"),
        (datetime(2024, 12, 31, 11, 59, 59, 999_000, tzinfo=UTC), "Dec 31, 2024, 11:59:59 AM"),
    ],
)
def test_dates(date: datetime, text: str) -> None:
    assert date_text(date.timestamp()) == text
