"""The server that the HTTP fuzzer attacks: prints its plain and TLS ports, and then what went wrong.

Its application answers some bodies late, some by failing; its barrier takes its time now and then.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from hearthkms.core.ids import IdSource
from hearthkms.wire.http import HttpRequest, HttpServer, Limits, Reply
from hearthkms.wire.http.tls import development_certificate, server_context

LIMITS = Limits(
    header_bytes=8_192,
    body_bytes=65_536,
    header_timeout=0.5,
    body_timeout=0.5,
    idle_timeout=0.5,
    request_timeout=1.0,
    write_timeout=1.0,
    linger_timeout=0.2,
    max_pipelined=8,
)
REFUSED = Reply(500, b"x-amzn-RequestId: refused\r\n", b"{}")
EXPECTED = ("deliberate", "not a Reply")


def answer(request: HttpRequest) -> Reply | Coroutine[Any, Any, Reply]:
    """Gives the body back, soon or late, unless it says otherwise."""
    if b"fail" in request.body:
        raise ValueError("deliberate")
    if b"later" in request.body:
        return answer_later(request)
    if b"nonsense" in request.body:
        return nonsense()  # type: ignore[return-value]
    return Reply(200, b"x-amzn-RequestId: 1\r\n", request.body)


async def answer_later(request: HttpRequest) -> Reply:
    """The same, after a turn or a few milliseconds."""
    await asyncio.sleep(len(request.body) % 3 / 1_000)
    return Reply(200, b"x-amzn-RequestId: 2\r\n", request.body)


async def nonsense() -> str:
    """No Reply at all."""
    return "nonsense"


def complain(message: str, error: BaseException | None) -> None:
    """Print what nobody meant to happen."""
    if not any(expected in f"{message} {error}" for expected in EXPECTED):
        print(message, repr(error), flush=True)


async def main() -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: print(context, flush=True))
    turns = itertools.count(1)

    def barrier(release: Callable[[bool], None]) -> None:
        turn = next(turns)
        if turn % 3:
            release(True)
        else:
            loop.call_later(0.001, release, True)

    server = HttpServer(answer, LIMITS, barrier, REFUSED, ids=IdSource(), on_error=complain)
    await server.start(host="127.0.0.1")
    with tempfile.TemporaryDirectory() as folder:
        certificate, key, _ = development_certificate(Path(folder))
        await server.start(host="127.0.0.1", ssl_context=server_context(certificate, key))
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    for _, port in server.addresses:
        print(port, flush=True)
    await stop.wait()
    await server.stop(2.0)


if __name__ == "__main__":
    uvloop.run(main())
