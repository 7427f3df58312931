"""Time as an argument: what asks for the time takes a Clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]
"""Seconds since the epoch, with fraction."""

DAY = 86_400.0

system_clock: Clock = time.time


def millis(seconds: float) -> float:
    """`seconds` rounded to the millisecond, the precision of AWS's timestamps."""
    return round(seconds, 3)


def iso(seconds: float) -> str:
    """RFC 3339 in UTC to the second, as CloudTrail writes `eventTime`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
