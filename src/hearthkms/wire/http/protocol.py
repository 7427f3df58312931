"""HTTP/1.1 requests out of bytes: parsed by llhttp, checked for what it lets pass, given to the application.

The answers to everything else are in `faults`; `docs/http.md` lists which request gets which.
"""

from __future__ import annotations

from typing import Any

from httptools import HttpParserCallbackError, HttpParserError, HttpRequestParser

from hearthkms.wire.http import faults
from hearthkms.wire.http.connection import BODY, CHUNKED, HEADERS, IDLE, Connection
from hearthkms.wire.http.faults import Refusal
from hearthkms.wire.http.front import Front, HeaderNames
from hearthkms.wire.http.heads import CLOSE, KEEP, KEEP_OLD, NO_BODY
from hearthkms.wire.http.message import HttpRequest, Reply

_METHODS = {
    method.encode(): method
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
}
_LARGEST_SLICE = 16_384
"""How many bytes are parsed at most before it is looked at again whether the client goes too fast."""


class _NoTrailers(HeaderNames):
    """Stands in for the header names while a chunked body is read: a field there is a trailer."""

    def __missing__(self, name: bytes) -> str:
        raise Refusal(faults.TRAILERS)


_NO_TRAILERS = _NoTrailers()


class HttpProtocol(Connection):
    """Parses what one client sends."""

    __slots__ = (
        "_body", "_feed", "_headers", "_method", "_mode", "_names", "_parser", "_seen", "_slice", "_target",
        "_timed", "_url",
    )  # fmt: skip

    def __init__(self, front: Front) -> None:
        super().__init__(front)
        self._parser: Any = HttpRequestParser(self)
        self._feed: Any = self._parser.feed_data
        self._names = front.names
        self._slice = min(_LARGEST_SLICE, front.limits.header_bytes)
        self._headers: dict[str, str] = {}
        self._url = self._body = b""
        self._method = self._target = ""
        self._mode = KEEP
        self._seen = 0
        self._timed = IDLE

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of the parser, which holds this object."""
        self._parser = self._feed = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come; requests that are complete are answered from in here."""
        if self._stalled:
            self._hold(data)
        elif len(data) <= self._slice:
            self._parse(data)
        else:
            view = memoryview(data)
            for start in range(0, len(view), self._slice):
                if self._stalled:
                    self._hold(view[start:])
                    break
                self._parse(view[start : start + self._slice])

    def _parse(self, data: bytes | memoryview) -> None:
        try:
            self._feed(data)
        except HttpParserCallbackError as error:
            self._refuse(error.__context__)
        except HttpParserError as error:
            self.fail(faults.fault_of(str(error)))
        else:
            if self._phase:
                self._await_rest(len(data))

    def _refuse(self, cause: BaseException | None) -> None:
        """Answer for what a callback raised: a refusal, or an error of the application."""
        if isinstance(cause, Refusal):
            self.fail(cause.fault)
        elif cause is None or isinstance(cause, Exception):
            self._front.on_error("A request failed.", cause)
            self.fail(faults.INTERNAL)
        else:
            raise cause

    def _await_rest(self, size: int) -> None:
        """A request is under way after a slice of this size: look to its deadline and its size.

        `_seen` counts from the start of the slice in which the request began, so it is at most a slice more
        than the request's own bytes. The framing of a chunked body may take as many bytes as a body may.
        """
        front = self._front
        limits = front.limits
        phase = self._phase
        self._seen += size
        if phase != self._timed:
            self._timed = phase
            if self._task is None:
                self._restart_deadline()
        if phase == HEADERS:
            if self._seen > limits.header_bytes + self._slice:
                self.fail(faults.HEADERS_TOO_LARGE)
        elif phase == CHUNKED and self._seen > 2 * limits.body_bytes + limits.header_bytes + self._slice:
            self.fail(faults.BODY_TOO_LARGE)
        elif self._expects and not self._stalled:
            self._owe_continue()

    # What the parser calls

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._ending:
            raise Refusal(faults.MALFORMED)
        self._phase = HEADERS
        self._timed = IDLE
        self._seen = 0
        self._headers = {}
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        """The request target, or the next piece of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole header line."""
        key = self._names[name]
        headers = self._headers
        text = value.decode("latin-1").strip(" \t")
        if key not in headers:
            headers[key] = text
        elif key == "host":
            raise Refusal(faults.NO_HOST)
        else:
            headers[key] += "," + text

    def on_headers_complete(self) -> None:
        """Decide whether the request can be served, and how its connection goes on."""
        parser = self._parser
        headers = self._headers
        mode = self._mode_at_least if parser.should_keep_alive() else CLOSE
        if mode or "host" not in headers or "connection" in headers or "proxy-connection" in headers:
            mode = self._check_version(mode)
        # Otherwise it is HTTP/1.1: only there does a connection stay open without being asked to.
        method = parser.get_method()
        if method == b"POST":
            self._method = "POST"
        else:
            mode |= self._other_method(method)
        self._target = "/" if self._url == b"/" else self._path()
        limits = self._front.limits
        if len(headers) > limits.header_count or (self._seen and self._header_size() > limits.header_bytes):
            raise Refusal(faults.HEADERS_TOO_LARGE)
        self._mode = mode
        self._phase = BODY
        if "content-length" in headers and int(headers["content-length"]) > limits.body_bytes:
            raise Refusal(faults.BODY_TOO_LARGE)
        if "expect" in headers or "transfer-encoding" in headers or "upgrade" in headers:
            self._special(headers)

    def on_body(self, chunk: bytes) -> None:
        """A piece of the body."""
        body = self._body
        if not body:
            self._body = body = chunk
        else:
            # A body may come a byte at a time: neither copy it each time nor keep a list of tiny objects.
            if body.__class__ is bytes:
                self._body = body = bytearray(body)  # type: ignore[assignment]
            body += chunk
        if len(body) > self._front.limits.body_bytes:
            raise Refusal(faults.BODY_TOO_LARGE)

    def on_message_complete(self) -> None:
        """The request is complete: have it answered."""
        front = self._front
        if self._phase == CHUNKED:
            self._names = front.names
        self._phase = IDLE
        self._expects = False
        mode = self._mode
        body = self._body
        request = HttpRequest(
            self._method,
            self._target,
            self._headers,
            body if body.__class__ is bytes else bytes(body),
            self._peer,
            self._tls,
        )
        if self._task is not None:
            self._waiting.append((request, mode))
        else:
            self.deadline = front.idle_deadline
            reply = front.app(request)
            if reply.__class__ is Reply:
                self._owe(reply, mode)
            else:
                self._start(reply, mode)  # type: ignore[arg-type]
        if mode & CLOSE:
            self._end()

    # What is rare

    def _other_method(self, method: bytes) -> int:
        """Take a method that is not POST; gives what it adds to the mode."""
        if method == b"CONNECT":
            raise Refusal(faults.CONNECT)
        if method not in _METHODS:
            raise Refusal(faults.UNKNOWN_METHOD)
        self._method = _METHODS[method]
        return NO_BODY if method == b"HEAD" else 0

    def _check_version(self, mode: int) -> int:
        version = self._parser.get_http_version()
        if version == "1.0":
            return mode or KEEP_OLD
        if version != "1.1":
            raise Refusal(faults.BAD_VERSION)
        if "host" not in self._headers:
            raise Refusal(faults.NO_HOST)
        return mode

    def _path(self) -> str:
        url = self._url
        if not url.startswith(b"/") or b"#" in url:
            raise Refusal(faults.BAD_TARGET)
        return url.decode("ascii")

    def _header_size(self) -> int:
        """The fewest bytes that these header lines can have had."""
        lines = sum(len(name) + len(value) + 3 for name, value in self._headers.items())
        return lines + len(self._url) + len("GET  HTTP/1.1\r\n\r\n")

    def _special(self, headers: dict[str, str]) -> None:
        """Look at the headers that hardly any request has."""
        version = self._parser.get_http_version()
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if version == "1.0":
                raise Refusal(faults.BAD_FRAMING)
            if coding.lower() != "chunked":
                raise Refusal(faults.UNKNOWN_CODING)
            self._phase = CHUNKED
            self._names = _NO_TRAILERS
        if self._parser.should_upgrade():
            raise Refusal(faults.UPGRADE)
        expectation = headers.get("expect")
        if expectation is not None and version == "1.1":
            if expectation.lower() != "100-continue":
                raise Refusal(faults.EXPECTATION)
            self._expects = coding is not None or headers.get("content-length", "0") != "0"
