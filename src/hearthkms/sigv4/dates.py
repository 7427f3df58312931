"""The dates of signed requests: ISO 8601 basic, and HTTP's own."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

_ISO_BASIC = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (" + "|".join(_MONTHS) + r") ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) (?:GMT|[+-]0000)"
)


def parse_stamp(text: str) -> float | None:
    """Epoch seconds of an ISO 8601 basic time such as `20260101T000000Z`, or None."""
    found = _ISO_BASIC.fullmatch(text)
    return _seconds(*map(int, found.groups())) if found else None


def parse_http_date(text: str) -> float | None:
    """Epoch seconds of an IMF-fixdate (RFC 9110, 5.6.7), or None; `-0000` may stand for `GMT`."""
    found = _HTTP.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    return _seconds(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))


def stamp(seconds: float) -> str:
    """Epoch seconds as ISO 8601 basic, the fraction left off."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None
