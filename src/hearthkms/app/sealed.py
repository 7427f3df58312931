"""The process that answers while the service is sealed: it refuses everything and says why."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from hearthkms.app.processes import SETTLE_SECONDS, end_within
from hearthkms.app.serving import limits_of, listen, log_error
from hearthkms.app.tls import TlsFiles
from hearthkms.core.ids import IdSource
from hearthkms.service.execute import UNAVAILABLE
from hearthkms.settings import Settings
from hearthkms.wire.encode import encode_error
from hearthkms.wire.http import HttpRequest, HttpServer, Reply, no_barrier

_MESSAGE = "HearthKMS is sealed: its operator must run `hearthkms unseal` before it can answer."


async def run_sealed(
    settings: Settings, address: tuple[Any, ...], tls: TlsFiles | None, ready: Callable[[], None]
) -> None:
    """Refuse requests until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ids = IdSource()
    body = encode_error(UNAVAILABLE, _MESSAGE)

    def refuse(_request: HttpRequest) -> Reply:
        return Reply(500, b"x-amzn-RequestId: " + ids.next().encode() + b"\r\n", body)

    server = HttpServer(
        refuse, limits_of(settings), no_barrier, Reply(500, b"", body), ids=ids, on_error=log_error
    )
    await listen(server, address, tls)
    ready()
    await stop.wait()
    end_within(settings.stop_grace_seconds + SETTLE_SECONDS)
    await server.stop(settings.stop_grace_seconds)
