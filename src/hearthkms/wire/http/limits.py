"""How much a client may ask of the HTTP front, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass, fields

from hearthkms.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. Times are kept by one sweep a second, so they are exact to 2 s.

    The longest request of the APIs served is an IAM policy of 131,072 characters, each at most three bytes
    when form-encoded, or an attestation document of 262,144 bytes in base64: both fit the default body.
    """

    header_bytes: int = 16_384
    """Request line and header lines together."""
    header_count: int = 64
    body_bytes: int = 1_048_576
    header_timeout: float = 10.0
    """From a request's first byte to the end of its headers; also for the TLS handshake."""
    body_timeout: float = 30.0
    """From the end of the headers to the end of the body."""
    idle_timeout: float = 60.0
    """Between an answer and the next request's first byte."""
    request_timeout: float = 60.0
    """How long an application's coroutine may take."""
    write_timeout: float = 30.0
    """How long answers may wait for a client that does not read them."""
    linger_timeout: float = 2.0
    """How long what a client still sends is thrown away, after an answer that ends the connection early."""
    max_connections: int = 4_096
    """Further connections are answered 503 and closed."""
    max_pipelined: int = 128
    """Unanswered requests on one connection from which on no more of its bytes are read."""
    write_high_water: int = 262_144
    """Unsent bytes on one connection from which on no more of its requests are read."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise SettingsError(f"The HTTP limit {field.name} must be more than zero.")
