"""AWS's answers to requests whose signature is absent, malformed, outdated or wrong.

The texts are what AWS's JSON services send. Where AWS used to repeat the Authorization header in its answer,
it now sends a hash of it; so do we.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from hearthkms.core.errors import ServiceError


def missing_token() -> ServiceError:
    """The request carries neither an Authorization header nor query-string authentication."""
    return ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")


def both_header_and_query() -> ServiceError:
    """The request carries two proofs of who sent it."""
    return invalid("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")


def not_a_pair(authorization: str) -> ServiceError:
    """Some part of the Authorization header is not `name=value`."""
    return incomplete(
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{_hashed(authorization)}'."
    )


def missing_from_header(parameters: Iterable[str], authorization: str, *, date_missing: bool) -> ServiceError:
    """The Authorization header lacks these parameters, or the request has no date."""
    parts = [f"Authorization header requires '{name}' parameter. " for name in parameters]
    if date_missing:
        parts.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
    parts.append(f"(Hashed with SHA-256 and encoded with Base64) Authorization={_hashed(authorization)}")
    return incomplete("".join(parts))


def missing_from_query(parameters: Iterable[str]) -> ServiceError:
    """The query string lacks these parameters; with none named, some occur twice."""
    parts = [f"AWS query-string parameters must include '{name}'. " for name in parameters]
    return incomplete("".join(parts) + "Re-examine the query-string parameters.")


def unsupported_algorithm(algorithm: str) -> ServiceError:
    """The Authorization header names another algorithm than AWS4-HMAC-SHA256."""
    return incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")


def malformed_date(text: str) -> ServiceError:
    """The request's date cannot be read."""
    return incomplete(
        f"Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )


def malformed_credential(credential: str) -> ServiceError:
    """The credential is not key id, date, Region, service and terminator."""
    return incomplete(
        "Credential must have exactly 5 slash-delimited elements, "
        f"e.g. keyid/date/region/service/term, got '{credential}'"
    )


def malformed_expiry(message: str) -> ServiceError:
    """X-Amz-Expires is not a number of seconds from 0 to 604,800."""
    return incomplete(message)


def host_not_signed() -> ServiceError:
    """The signature does not cover the host."""
    return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")


def header_not_signed(name: str) -> ServiceError:
    """A header that must be covered by the signature is not."""
    return invalid(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def expired(stamp: str, bound: str, now: str, window: str) -> ServiceError:
    """The request was signed too long ago; the times are ISO 8601 basic, `window` is such as `5 min`."""
    return invalid(f"Signature expired: {stamp} is now earlier than {bound} ({now} - {window}.)")


def not_yet_current(stamp: str, bound: str, now: str, window: str) -> ServiceError:
    """The request is dated too far in the future; the arguments are those of `expired`."""
    return invalid(f"Signature not yet current: {stamp} is still later than {bound} ({now} + {window}.)")


def wrong_region() -> ServiceError:
    """The credential scope names no Region of this service.

    AWS ends this sentence, and those like it, in a space.
    """
    return invalid("Credential should be scoped to a valid region. ")


def wrong_service(expected: str) -> ServiceError:
    """The credential scope is for another service than `expected`."""
    return invalid(f"Credential should be scoped to correct service: '{expected}'. ")


def wrong_terminator() -> ServiceError:
    """The credential scope does not end in `aws4_request`."""
    return invalid("Credential should be scoped with a valid terminator: 'aws4_request'. ")


def wrong_scope_date() -> ServiceError:
    """The credential scope is for another day than the request."""
    return invalid(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP. "
    )


def wrong_signature() -> ServiceError:
    """The signature is not the one that this secret makes for this request."""
    return invalid(
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )


def unrecognized_client() -> ServiceError:
    """No such access key, or a session token that is not the access key's."""
    return ServiceError(
        "UnrecognizedClientException", "The security token included in the request is invalid."
    )


def expired_token() -> ServiceError:
    """The session that the session token stands for has ended."""
    return ServiceError("ExpiredTokenException", "The security token included in the request is expired")


def incomplete(message: str) -> ServiceError:
    """The request's proof lacks something or cannot be read."""
    return ServiceError("IncompleteSignatureException", message)


def invalid(message: str) -> ServiceError:
    """The request's proof can be read, and does not hold."""
    return ServiceError("InvalidSignatureException", message)


def _hashed(authorization: str) -> str:
    digest = hashlib.sha256(authorization.encode("latin-1", "replace")).digest()
    return base64.b64encode(digest).decode()
