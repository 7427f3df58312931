"""What the HTTP front hands to an application, and what it takes back."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

JSON = b"application/x-amz-json-1.1"


@dataclass(frozen=True, slots=True)
class TlsDetails:
    """What was agreed with the client, in the words of CloudTrail's `tlsDetails`.

    `tls_version` is `TLSv1.2` or `TLSv1.3`; `cipher_suite` is OpenSSL's name of the suite.
    """

    tls_version: str
    cipher_suite: str


@dataclass(slots=True)
class HttpRequest:
    """One whole request.

    `method` is upper case; `target` is the request target as sent, starting with `/`, ASCII. `headers` has
    lower-case names, and values without surrounding blanks, decoded as latin-1 so that no byte is lost (RFC
    9110, section 5.5); the values of a repeated header are joined by `,`. `peer` is the client's IP address,
    or "" where it has none. `tls` is None on a plain connection.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer: str
    tls: TlsDetails | None


class Reply(NamedTuple):
    """An answer: its status, header lines beyond those the front writes itself, and its body.

    `headers` is either empty or whole lines, each ended by CRLF (`b"x-amzn-RequestId: ...\\r\\n"`). The front
    adds Content-Type, Content-Length, Date and Connection. `status` is one that has a body: from 200 on,
    and neither 204 nor 304.
    """

    status: int
    headers: bytes
    body: bytes
    content_type: bytes = JSON


Application = Callable[[HttpRequest], Reply | Coroutine[Any, Any, Reply]]
"""Answers a request at once with a Reply, or with a coroutine that the front runs as a task."""

ErrorHook = Callable[[str, BaseException | None], None]
"""Told what went wrong, and the exception behind it: for the log."""


class Barrier(Protocol):
    """What must have happened before the replies of one turn of the event loop may leave."""

    def __call__(self, release: Callable[[bool], None]) -> None:
        """Call `release(True)` once, now or later, on the loop's thread. False refuses every reply."""


def no_barrier(release: Callable[[bool], None]) -> None:
    """A barrier that nothing waits at."""
    release(True)
