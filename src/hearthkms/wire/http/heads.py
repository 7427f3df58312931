"""The bytes of an answer: status line and headers, prepared once a second, around a body."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

from hearthkms.core.clock import Clock
from hearthkms.wire.http.message import JSON, Reply

KEEP = 0
"""An HTTP/1.1 connection that stays open, as it does unless something is said."""
CLOSE = 1
"""The connection ends with this answer."""
KEEP_OLD = 2
"""An HTTP/1.0 client asked to keep the connection, and is told so."""
NO_BODY = 4
"""The request was HEAD: the headers of an answer without its body."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
_LENGTH_LINES = tuple(b"Content-Length: %d\r\n\r\n" % length for length in range(1024))


class Heads:
    """Writes answers, with the Date header (RFC 9110, section 6.6.1) by which SDKs correct their clocks."""

    __slots__ = ("_clock", "_date", "_json_heads")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._json_heads: dict[int, bytes] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look at the clock."""
        self._date = formatdate(self._clock(), usegmt=True).encode()
        self._json_heads.clear()

    def render(self, reply: Reply, mode: int) -> bytes:
        """The whole answer; `mode` is a sum of the constants above."""
        status, headers, body, content_type = reply
        head = self._json_heads.get(status) if content_type is JSON else None
        if head is None:
            head = self._head(status, content_type)
        if mode & CLOSE:
            headers += b"Connection: close\r\n"
        elif mode & KEEP_OLD:
            headers += b"Connection: keep-alive\r\n"
        size = len(body)
        length_line = _LENGTH_LINES[size] if size < 1024 else b"Content-Length: %d\r\n\r\n" % size
        if mode & NO_BODY:
            body = b""
        return b"".join((head, headers, length_line, body))

    def _head(self, status: int, content_type: bytes) -> bytes:
        head = b"HTTP/1.1 %d %b\r\nDate: %b\r\nContent-Type: %b\r\n" % (
            status,
            _PHRASES.get(status, b"Unknown"),
            self._date,
            content_type,
        )
        if content_type is JSON:
            self._json_heads[status] = head
        return head
