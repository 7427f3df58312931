"""The HTTP front: a small strict HTTP/1.1 server for the API, and the types that it shares with applications.

May import: core. It knows nothing of AWS beyond the names of errors that it answers by itself.
"""

from hearthkms.wire.http.limits import Limits
from hearthkms.wire.http.listener import HttpServer, bound_sockets
from hearthkms.wire.http.message import (
    JSON,
    Application,
    Barrier,
    ErrorHook,
    HttpRequest,
    Reply,
    TlsDetails,
    no_barrier,
)

__all__ = [
    "JSON",
    "Application",
    "Barrier",
    "ErrorHook",
    "HttpRequest",
    "HttpServer",
    "Limits",
    "Reply",
    "TlsDetails",
    "bound_sockets",
    "no_barrier",
]
