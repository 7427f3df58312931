"""The same applications behind any ASGI server: a thin adapter, two to three times as dear as our own front.

It speaks ASGI 3 (HTTP and lifespan). Deadlines, header limits and connection limits are the hosting server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from hearthkms.core.ids import IdSource
from hearthkms.wire.http import faults
from hearthkms.wire.http.batch import Batch
from hearthkms.wire.http.limits import Limits
from hearthkms.wire.http.message import Application, Barrier, ErrorHook, HttpRequest, Reply, TlsDetails

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_TLS_VERSIONS = {0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}


class Disconnected(Exception):
    """The client went away before its request was complete."""


class AsgiApplication:
    """An ASGI application that answers with `app`, once `barrier` lets the replies of a loop turn leave."""

    def __init__(
        self,
        app: Application,
        limits: Limits,
        barrier: Barrier,
        refused: Reply,
        *,
        ids: IdSource,
        on_error: ErrorHook,
    ) -> None:
        self._app = app
        self._limits = limits
        self._barrier = barrier
        self._refused = refused
        self._ids = ids
        self._on_error = on_error
        self._batch: Batch[tuple[asyncio.Future[bool], Reply]] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection scope."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1002})

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            body = await _read_body(receive, self._limits.body_bytes)
        except Disconnected:
            return
        except faults.Refusal as refusal:
            reply = await self._past_barrier(refusal.fault.reply(self._ids.next()))
        else:
            reply = await self._answer(_request(scope, body))
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(reply.body)),
            *_header_pairs(reply.headers),
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        sent = b"" if scope["method"] == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": sent})

    async def _answer(self, request: HttpRequest) -> Reply:
        """The application's reply, or 500 where it fails; the task is what catches the failure."""
        task = asyncio.ensure_future(self._run(request))
        await asyncio.wait([task])
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._on_error("A request failed.", error)
            return await self._past_barrier(faults.INTERNAL.reply(self._ids.next()))
        return task.result()

    async def _run(self, request: HttpRequest) -> Reply:
        """The reply, owed in the very step of the loop in which the application gives it.

        What the application left for the barrier in that step meets it together with the reply.
        """
        reply = self._app(request)
        return await self._past_barrier(reply if isinstance(reply, Reply) else await reply)

    async def _past_barrier(self, reply: Reply) -> Reply:
        """`reply` once the barrier allows it, or else what stands in for it."""
        loop = asyncio.get_running_loop()
        if self._batch is None:
            self._batch = Batch(loop, self._barrier, _decide)
        allowed: asyncio.Future[bool] = loop.create_future()
        self._batch.add((allowed, reply))
        if await allowed:
            return reply
        return self._refused._replace(headers=reply.headers or self._refused.headers)


def _decide(entries: list[tuple[asyncio.Future[bool], Reply]], allowed: bool) -> None:
    for future, _ in entries:
        if not future.done():
            future.set_result(allowed)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _read_body(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise faults.Refusal(faults.BODY_TOO_LARGE)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _request(scope: Message, body: bytes) -> HttpRequest:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    target = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    if scope.get("query_string"):
        target += "?" + scope["query_string"].decode("latin-1")
    client = scope.get("client")
    return HttpRequest(scope["method"], target, headers, body, client[0] if client else "", _tls(scope))


def _tls(scope: Message) -> TlsDetails | None:
    """From the TLS extension of ASGI, which gives the cipher suite by its IANA number."""
    details = (scope.get("extensions") or {}).get("tls")
    if details is None:
        return None
    suite = details.get("cipher_suite")
    version = _TLS_VERSIONS.get(details.get("tls_version"), "")
    return TlsDetails(version, "" if suite is None else f"0x{suite:04X}")


def _header_pairs(lines: bytes) -> Iterable[tuple[bytes, bytes]]:
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            yield name.lower(), value.strip()
