"""A live HTTP front in a thread of the test process, and a client that speaks to it in bytes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, NamedTuple, Self, TypeVar

import uvloop

from hearthkms.core.ids import IdSource
from hearthkms.wire.http import Application, Barrier, HttpRequest, HttpServer, Limits, Reply, no_barrier

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds after which a test gives up on an answer; none takes so long."""

REFUSED = Reply(500, b"x-amzn-RequestId: refused\r\n", b'{"__type":"KMSInternalException"}')
NEW_YEAR = 1_798_761_600.0


def echo(request: HttpRequest) -> Reply:
    """Says what the application was given."""
    seen = {
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body": hashlib.sha256(request.body).hexdigest(),
        "size": len(request.body),
        "peer": request.peer,
        "tls": request.tls and [request.tls.tls_version, request.tls.cipher_suite],
    }
    return Reply(200, b"x-amzn-RequestId: echo\r\n", json.dumps(seen).encode())


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body, as JSON."""
        value: dict[str, Any] = json.loads(self.body)
        return value


class Client:
    """One connection. Every read fails after PATIENCE rather than wait for ever."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, **options: int) -> None:
        raw = socket.socket()
        for name, value in options.items():
            raw.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        raw.settimeout(PATIENCE)
        try:
            raw.connect(("127.0.0.1", port))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket = tls.wrap_socket(raw, server_hostname="localhost") if tls else raw
        except OSError:
            raw.close()
            raise
        self._left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.socket.sendall(data)

    def answer(self, *, has_body: bool = True) -> Answer:
        """The next answer. Fails if the server ends the connection first, or speaks anything but HTTP/1.1."""
        head = self._until(b"\r\n\r\n")
        status_line, *lines = head.decode("ascii").split("\r\n")[:-2]
        version, status, phrase = status_line.split(" ", 2)
        assert version == "HTTP/1.1", status_line
        assert phrase, status_line
        headers: dict[str, str] = {}
        for line in lines:
            name, separator, value = line.partition(": ")
            assert separator, line
            assert name.lower() not in headers, line
            headers[name.lower()] = value
        size = int(headers["content-length"]) if has_body and int(status) >= 200 else 0
        return Answer(int(status), headers, self._exactly(size))

    def ask(self, data: bytes) -> Answer:
        """Send and take one answer."""
        self.send(data)
        return self.answer()

    def closed(self) -> bool:
        """Wait for the server to end the connection; False if it sends something instead."""
        try:
            return not self._left and self.socket.recv(1) == b""
        except ConnectionResetError:
            return not self._left

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        data, self._left = self._left, b""
        while chunk := self.socket.recv(65_536):
            data += chunk
        return data

    def reset(self) -> None:
        """Break the connection off (TCP RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def silent(self) -> bool:
        """Whether nothing has come for a twentieth of a second."""
        self.socket.settimeout(0.05)
        try:
            self._left += self.socket.recv(65_536)
        except TimeoutError:
            return not self._left
        finally:
            self.socket.settimeout(PATIENCE)
        return False

    def _until(self, end: bytes) -> bytes:
        while end not in self._left:
            self._receive()
        found, _, self._left = self._left.partition(end)
        return found + end

    def _exactly(self, size: int) -> bytes:
        while len(self._left) < size:
            self._receive()
        found, self._left = self._left[:size], self._left[size:]
        return found

    def _receive(self) -> None:
        chunk = self.socket.recv(65_536)
        assert chunk, f"the connection ended after {self._left!r}"
        self._left += chunk


class Running:
    """A server that listens on a free port of 127.0.0.1, in a loop and a thread of its own."""

    def __init__(
        self,
        app: Application = echo,
        *,
        limits: Limits | None = None,
        barrier: Barrier = no_barrier,
        tls: ssl.SSLContext | None = None,
        new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    ) -> None:
        self.errors: list[tuple[str, BaseException | None]] = []
        self.loop_errors: list[dict[str, Any]] = []
        self.loop = new_loop()
        self.loop.set_exception_handler(lambda _, context: self.loop_errors.append(context))
        self.server = HttpServer(
            app,
            limits or Limits(),
            barrier,
            REFUSED,
            ids=IdSource(),
            on_error=lambda message, error: self.errors.append((message, error)),
            clock=lambda: NEW_YEAR,
        )
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self.server.start(host="127.0.0.1", ssl_context=tls))
        self.port = self.server.addresses[0][1]

    def client(self, tls: ssl.SSLContext | None = None, **options: int) -> Client:
        """A new connection to the server."""
        return Client(self.port, tls, **options)

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work` in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` in the server's loop."""
        return self.begin(work).result(PATIENCE)

    def call(self, work: Callable[[], T]) -> T:
        """Call `work` in the server's loop."""

        async def called() -> T:
            return work()

        return self.run(called())

    def stop(self, grace: float = 5.0) -> None:
        """Stop the server and its loop; fails if the loop met an error that nobody took."""
        self.run(self.server.stop(grace))
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self.loop.close()
        assert not self.loop_errors


def post(body: bytes = b"", *lines: bytes, target: bytes = b"/") -> bytes:
    """A well-formed request."""
    head = [b"POST " + target + b" HTTP/1.1", b"Host: kms.test", b"Content-Length: %d" % len(body), *lines]
    return b"\r\n".join([*head, b"", body])


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A well-formed request with a chunked body."""
    head = b"POST / HTTP/1.1\r\nHost: kms.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def wait_for(condition: Callable[[], bool]) -> None:
    """Come back once `condition` holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
