"""The answers that the HTTP front gives by itself, by the names of AWS's common errors.

Source: the page "Common error types" of the AWS API references (names and statuses 400, 408, 413, 500, 503);
statuses that AWS has no name for come from RFC 9110 and RFC 6585 and carry the nearest name.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from hearthkms.wire.http.message import Reply

_MALFORMED = "MalformedHttpRequestException"


class Fault(NamedTuple):
    """A refusal: HTTP status, AWS's name, and a sentence for whoever reads it."""

    status: int
    name: str
    message: str

    def reply(self, request_id: str) -> Reply:
        """The answer to send."""
        body = json.dumps({"__type": self.name, "message": self.message}).encode()
        return Reply(self.status, f"x-amzn-RequestId: {request_id}\r\n".encode(), body)


class Refusal(Exception):
    """Raised inside a parser callback: the request cannot be served, for this reason."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


MALFORMED = Fault(400, _MALFORMED, "The request is not well-formed HTTP.")
INCOMPLETE = Fault(400, _MALFORMED, "The connection was closed before the request was complete.")
NO_HOST = Fault(400, _MALFORMED, "The request must carry exactly one Host header.")
BAD_TARGET = Fault(400, _MALFORMED, "The request target must be a path that starts with a slash.")
BAD_FRAMING = Fault(400, _MALFORMED, "A request of HTTP/1.0 cannot have a Transfer-Encoding.")
TRAILERS = Fault(400, _MALFORMED, "Trailer fields after a chunked body are not accepted.")
UPGRADE = Fault(400, _MALFORMED, "Only HTTP/1.1 is spoken on this connection; it cannot be upgraded.")
CONNECT = Fault(405, _MALFORMED, "CONNECT is not allowed: this is not a proxy.")
TIMEOUT = Fault(408, "RequestTimeoutException", "Reading the request timed out.")
BODY_TOO_LARGE = Fault(413, "RequestEntityTooLargeException", "The request body is too large.")
EXPECTATION = Fault(417, _MALFORMED, "Only the expectation 100-continue can be met.")
HEADERS_TOO_LARGE = Fault(431, _MALFORMED, "The request's headers are too large or too many.")
INTERNAL = Fault(500, "InternalFailure", "The request failed for an internal reason.")
UNKNOWN_METHOD = Fault(501, _MALFORMED, "The request method is not known.")
UNKNOWN_CODING = Fault(501, _MALFORMED, "The only transfer coding accepted is chunked.")
OVERLOADED = Fault(503, "ServiceUnavailable", "Too many connections are open.")
NOT_IN_TIME = Fault(503, "ServiceUnavailable", "The request could not be finished in time.")
BAD_VERSION = Fault(505, _MALFORMED, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")

_BY_REASON = {
    # llhttp's own words; a test for each of these answers would notice if they changed.
    "Invalid HTTP version": BAD_VERSION,
    "Pause on PRI/Upgrade": BAD_VERSION,
    "Request has invalid `Transfer-Encoding`": UNKNOWN_CODING,
}


def fault_of(reason: str) -> Fault:
    """The answer to bytes that the parser refused for this reason."""
    return _BY_REASON.get(reason, MALFORMED)
