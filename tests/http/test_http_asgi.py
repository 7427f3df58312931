"""The same applications behind ASGI, driven as an ASGI server would drive them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.http.serving import REFUSED, echo

from hearthkms.core.ids import IdSource
from hearthkms.wire.http import Application, Barrier, HttpRequest, Limits, Reply, no_barrier
from hearthkms.wire.http.asgi import AsgiApplication

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "path": "/a b",
    "raw_path": b"/a%20b",
    "query_string": b"c=d",
    "headers": [(b"host", b"kms.test"), (b"x-twice", b"1"), (b"x-twice", b" 2 ")],
    "client": ("192.0.2.1", 4000),
}


class Driver:
    """An ASGI server of one request at a time."""

    def __init__(
        self, app: Application = echo, barrier: Barrier = no_barrier, limits: Limits | None = None
    ) -> None:
        self.errors: list[tuple[str, BaseException | None]] = []
        self.application = AsgiApplication(
            app,
            limits or Limits(),
            barrier,
            REFUSED,
            ids=IdSource(),
            on_error=lambda message, error: self.errors.append((message, error)),
        )

    async def ask(self, *messages: dict[str, Any], **scope: Any) -> list[dict[str, Any]]:
        incoming = list(messages) or [{"type": "http.request", "body": b"hello"}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return incoming.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        await self.application({**SCOPE, **scope}, receive, send)
        return sent


def answer(sent: list[dict[str, Any]]) -> tuple[int, dict[bytes, bytes], bytes]:
    start, body = sent
    assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
    headers = dict(start["headers"])
    assert len(headers) == len(start["headers"])
    return start["status"], headers, body["body"]


def test_a_request_is_answered() -> None:
    tls = {"tls": {"tls_version": 0x0304, "cipher_suite": 0x1302}}
    status, headers, body = answer(asyncio.run(Driver().ask(extensions=tls)))
    assert status == 200
    assert headers[b"content-type"] == b"application/x-amz-json-1.1"
    assert headers[b"x-amzn-requestid"] == b"echo"
    assert headers[b"content-length"] == b"%d" % len(body)
    assert b'"target": "/a%20b?c=d"' in body
    assert b'"headers": {"host": "kms.test", "x-twice": "1,2"}' in body
    assert b'"peer": "192.0.2.1"' in body
    assert b'"tls": ["TLSv1.3", "0x1302"]' in body
    assert b'"size": 5' in body


def test_a_body_in_pieces_and_a_coroutine() -> None:
    async def later(request: HttpRequest) -> Reply:
        await asyncio.sleep(0)
        return Reply(201, b"x-amzn-RequestId: 7\r\nX-Other: a:b\r\n", request.body, b"text/xml")

    pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in (b"a", b"b", b"")]
    status, headers, body = answer(asyncio.run(Driver(later).ask(*pieces, {"type": "http.request"})))
    assert (status, body) == (201, b"ab")
    assert headers[b"content-type"] == b"text/xml"
    assert headers[b"x-other"] == b"a:b"


def test_head_has_no_body() -> None:
    _, headers, body = answer(asyncio.run(Driver().ask(method="HEAD")))
    assert body == b""
    assert int(headers[b"content-length"]) > 0


def test_a_body_too_large_is_413() -> None:
    driver = Driver(limits=Limits(body_bytes=4))
    status, headers, body = answer(asyncio.run(driver.ask()))
    assert status == 413
    assert b"RequestEntityTooLargeException" in body
    assert headers[b"x-amzn-requestid"]


@pytest.mark.parametrize("how", ["at once", "later", "cancelled"])
def test_a_failing_application_is_500(how: str) -> None:
    def fails(request: HttpRequest) -> Reply:
        raise ValueError(how)

    async def fails_later(request: HttpRequest) -> Reply:
        if how == "cancelled":
            raise asyncio.CancelledError
        raise ValueError(how)

    driver = Driver(fails if how == "at once" else fails_later)
    status, _, body = answer(asyncio.run(driver.ask()))
    assert status == 500
    assert b"InternalFailure" in body
    assert len(driver.errors) == 1


def test_the_barrier_holds_batches_and_refuses() -> None:
    waiting: list[Callable[[bool], None]] = []

    async def run() -> None:
        driver = Driver(barrier=waiting.append)
        asks = [asyncio.ensure_future(driver.ask()) for _ in range(10)]
        await asyncio.sleep(0.02)
        assert len(waiting) == 1
        assert not any(ask.done() for ask in asks)
        waiting.pop()(True)
        assert {answer(sent)[0] for sent in await asyncio.gather(*asks)} == {200}
        refused = asyncio.ensure_future(driver.ask())
        await asyncio.sleep(0.02)
        waiting.pop()(False)
        status, headers, body = answer(await refused)
        assert (status, body) == (500, REFUSED.body)
        assert headers[b"x-amzn-requestid"] == b"echo"

    asyncio.run(run())


def test_a_reply_does_not_outlive_its_record() -> None:
    recorded: list[bytes] = []

    async def record(request: HttpRequest) -> Reply:
        await asyncio.sleep(0)
        recorded.append(request.body)
        return Reply(200, b"", request.body)

    def barrier(release: Callable[[bool], None]) -> None:
        refused = b"refused" in recorded
        recorded.clear()
        release(not refused)

    async def run() -> None:
        driver = Driver(record, barrier)
        asks = {}
        for turn in range(20):
            # A batch leaves in every turn; only the one with the record of "refused" must not.
            body = b"refused" if turn == 10 else b"%d" % turn
            asks[body] = asyncio.ensure_future(driver.ask({"type": "http.request", "body": body}))
            await asyncio.sleep(0)
        answers = {body: answer(await ask)[0] for body, ask in asks.items()}
        assert answers[b"refused"] == 500
        assert list(answers.values()).count(500) == 1

    asyncio.run(run())


def test_a_client_that_leaves_is_not_answered() -> None:
    assert asyncio.run(Driver().ask({"type": "http.disconnect"})) == []


def test_lifespan_and_websockets() -> None:
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = asyncio.run(Driver().ask(*events, type="lifespan"))
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert asyncio.run(Driver().ask({"type": "websocket.connect"}, type="websocket")) == [
        {"type": "websocket.close", "code": 1002}
    ]
