"""Repeats: keeps a fault that shows in every request from filling the log."""

from __future__ import annotations

import logging

PERIOD = 5.0
"""Seconds in which a message appears once."""
_MOST = 1000


class Repeats(logging.Filter):
    """Lets a message pass once in `period` seconds; the next one says how many were like it meanwhile.

    For a handler. Messages are alike where logger, level and text are. Tracebacks always pass.
    """

    def __init__(self, period: float = PERIOD) -> None:
        super().__init__()
        self._period = period
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is to appear."""
        if record.exc_info:
            return True
        key = record.name, record.levelno, record.getMessage()
        since, count = self._seen.get(key, (-self._period, 0))
        if record.created - since < self._period:
            self._seen[key] = since, count + 1
            return False
        if len(self._seen) >= _MOST:
            self._seen.clear()
        self._seen[key] = record.created, 0
        if count:
            record.msg, record.args = f"{key[2]} ({count} more since)", None
        return True
