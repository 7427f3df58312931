"""What every process that serves HTTP shares: limits, sockets, TLS, and the log of failures."""

from __future__ import annotations

import logging
import resource
import socket
from typing import Any

from hearthkms.app.tls import TlsFiles
from hearthkms.settings import Settings
from hearthkms.wire.http import HttpServer, Limits
from hearthkms.wire.http.tls import server_context

_LOG = logging.getLogger(__name__)
_OTHER_FILES = 256
"""Files that a worker opens beside its clients' connections: databases, logs, TLS handshakes under way."""


def limits_of(settings: Settings) -> Limits:
    """The HTTP limits that the settings ask for."""
    return Limits(
        header_bytes=settings.max_header_bytes,
        header_count=settings.max_header_count,
        body_bytes=settings.max_body_bytes,
        header_timeout=settings.header_timeout,
        body_timeout=settings.body_timeout,
        idle_timeout=settings.idle_timeout,
        request_timeout=settings.request_timeout,
        write_timeout=settings.write_timeout,
        linger_timeout=settings.linger_timeout,
        max_connections=settings.max_connections,
        max_pipelined=settings.max_pipelined,
        write_high_water=settings.max_unsent_bytes,
    )


def allow_connections(settings: Settings) -> None:
    """Raise this process's limit of open files, which its children inherit, to what the settings call for."""
    needed = settings.max_connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _LOG.warning(
            "%d connections a worker need %d open files, and the system allows %d (ulimit -n)",
            settings.max_connections,
            needed,
            allowed,
        )


async def listen(server: HttpServer, address: tuple[Any, ...], tls: TlsFiles | None) -> None:
    """Listen on an address that other processes of this service listen on as well."""
    family = socket.AF_INET6 if len(address) == 4 else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(address)
    context = None if tls is None else server_context(tls.certificate, tls.private_key)
    await server.start(sock=listening, ssl_context=context)


def log_error(message: str, error: BaseException | None) -> None:
    """Put a failure of the HTTP front on the log."""
    _LOG.error("%s", message, exc_info=error)
