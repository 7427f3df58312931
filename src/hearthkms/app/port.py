"""The TCP port of the service: reserved for it alone while its workers come and go."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any

from hearthkms.core.errors import SettingsError


@contextlib.contextmanager
def reserved_port(host: str, port: int) -> Iterator[socket.socket]:
    """A bound socket that does not listen: the workers' own sockets share its port (SO_REUSEPORT).

    The kernel would let a second service of the same user share the port as well, and would split the clients
    between the two. So whether anybody has the port is asked first, without offering to share it. Raises
    SettingsError where the port or the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        if port:
            with socket.socket(family, kind, protocol) as probe:
                # Connections of an earlier service that linger (TIME_WAIT) are no obstacle.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        reserved = _reserve(family, kind, protocol, address)
    except OSError as error:
        reason = "another process listens there" if error.errno == errno.EADDRINUSE else str(error)
        raise SettingsError(f"Cannot listen on {host} port {port}: {reason}.") from error
    with reserved:
        yield reserved


def _reserve(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    """A bound socket that another service's probe collides with, although it does not listen.

    That takes a socket without SO_REUSEADDR. Only a lingering connection of some other program is then in the
    way; for that one the collision is given up.
    """
    for reuse_address in (0, 1):
        reserved = socket.socket(family, kind, protocol)
        try:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse_address)
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind(address)
        except OSError as error:
            reserved.close()
            if error.errno != errno.EADDRINUSE or reuse_address:
                raise
            continue
        break
    return reserved
