"""Verification of Signature Version 4: what a request says of its signature, and whether that is true.

A verification costs a few microseconds because what recurs is kept: parsed Authorization headers, the signing
keys that go with them, and parsed dates. Whether a signature was valid is never kept, and an Authorization
header is kept only once a request under it has verified, so that strangers cannot push out what callers need.
"""

from __future__ import annotations

import hmac
from collections.abc import Container, Mapping
from typing import NamedTuple

from hearthkms.core.clock import Clock
from hearthkms.core.secret import Secret
from hearthkms.sigv4 import dates, errors
from hearthkms.sigv4.canonical import (
    AMZ,
    TERMINATOR,
    HeaderList,
    SigningKey,
    query_pairs,
    request_start,
    sha256_hex,
    string_to_sign,
)
from hearthkms.sigv4.presented import Presented, credential_elements, from_header, from_query, header_list
from hearthkms.sigv4.recent import Recent
from hearthkms.sigv4.scope import Scope

MAX_SCOPES = 2048
MAX_DATES = 1024

_SIGNATURE_DIGITS = 64
# The SDK for PHP means to leave this one unsigned, and nothing is decided by it.
_MAY_BE_UNSIGNED = frozenset({"x-amz-user-agent"})


class Claim(NamedTuple):
    """What a request says of its own signature, not yet proven.

    `date` is the scope's, YYYYMMDD; `timestamp` is when it was signed, in epoch seconds, and `stamp` the same
    in ISO 8601 basic. `request` is the canonical request but for the payload's hash; `payload_hash` is what
    the request says that hash is, where it says so.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    timestamp: float
    session_token: str | None
    signature: str
    stamp: str
    request: str
    payload_hash: str | None
    scope: Scope

    def check_service(self, expected: str) -> None:
        """Raise ServiceError InvalidSignatureException unless the scope is for this signing name."""
        if self.service != expected:
            raise errors.wrong_service(expected)

    def check_region(self, regions: Container[str]) -> None:
        """Raise ServiceError InvalidSignatureException unless the scope is for one of these Regions."""
        if self.region not in regions:
            raise errors.wrong_region()

    def __repr__(self) -> str:
        return f"Claim({self.access_key_id!r}, {self.scope.text!r})"


class Verifier:
    """Reads and verifies signatures; one for each thread.

    `skew_seconds` is how far a request's date may be from the clock, either way; a presigned request lives
    as long as its X-Amz-Expires says instead. Which services and Regions a scope may name is the caller's to
    check, on the claim.
    """

    def __init__(self, clock: Clock, *, skew_seconds: float = 300.0) -> None:
        self._clock = clock
        self._skew = skew_seconds
        self._scopes: Recent[str, Scope] = Recent(MAX_SCOPES)
        self._dates: Recent[str, float] = Recent(MAX_DATES)

    def read(self, method: str, target: str, headers: Mapping[str, str]) -> Claim:
        """What the request claims.

        `target` is the request target as on the wire; `headers` have lower-case names, and values without
        blanks around them, duplicates joined by commas. Characters stand for bytes (ISO 8859-1).

        Raises ServiceError MissingAuthenticationTokenException, IncompleteSignatureException or
        InvalidSignatureException.
        """
        authorization = headers.get("authorization", "")
        date = headers.get("x-amz-date", "")
        scope = self._scopes.get(authorization[:-_SIGNATURE_DIGITS])
        moment = self._dates.get(date)
        if (
            scope is None
            or moment is None
            or target != "/"
            or not date.startswith(scope.date)
            or abs(moment - int(self._clock())) > self._skew
            # Counts too many rather than too few, and then the exact check decides.
            or "".join(headers).count(AMZ) != scope.headers.amz_count
        ):
            return self._read_closely(method, target, headers)
        try:
            request = scope.headers.request(f"{method}\n/\n\n", headers)
        except KeyError:
            raise errors.wrong_signature() from None
        return Claim(
            scope.access_key_id,
            scope.date,
            scope.region,
            scope.service,
            moment,
            headers.get("x-amz-security-token"),
            authorization[-_SIGNATURE_DIGITS:],
            date,
            request,
            headers.get("x-amz-content-sha256"),
            scope,
        )

    def verify(self, claim: Claim, secret: Secret, body: bytes) -> None:
        """Check that the holder of `secret` signed this request with this body.

        Raises ServiceError InvalidSignatureException where it is not so.
        """
        scope = claim.scope
        signing = scope.signing
        if signing is None or signing[0] is not secret:
            key = SigningKey(secret, scope.date, scope.region, scope.service)
            scope.signing = signing = (secret, key)
        payload_hash = sha256_hex(body)
        try:
            text = string_to_sign(claim.stamp, scope.text, (claim.request + payload_hash).encode("latin-1"))
        except UnicodeEncodeError:
            raise errors.wrong_signature() from None
        expected = signing[1].signature(text)
        if not (claim.signature.isascii() and hmac.compare_digest(expected, claim.signature)):
            raise errors.wrong_signature()
        if claim.payload_hash is not None and claim.payload_hash != payload_hash:
            raise errors.wrong_signature()
        if not scope.known and scope.prefix:
            scope.known = True
            self._scopes.keep(scope.prefix, scope)

    def _read_closely(self, method: str, target: str, headers: Mapping[str, str]) -> Claim:
        authorization = headers.get("authorization")
        path, _, query = target.partition("?")
        try:
            pairs = query_pairs(query)
            in_query = any(name == b"X-Amz-Algorithm" for name, _ in pairs)
            if authorization and in_query:
                raise errors.both_header_and_query()
            if authorization:
                presented = from_header(authorization, headers, pairs)
            elif in_query:
                presented = from_query(pairs)
            else:
                raise errors.missing_token()
            signed = header_list(presented.signed_headers)
            moment, stamp = self._signed_at(presented)
            scope = self._scope(presented, signed, stamp, authorization or "")
            _demand_signed(headers, signed)
            request = signed.request(request_start(method, path, presented.pairs), headers)
        except (KeyError, UnicodeEncodeError):
            raise errors.wrong_signature() from None
        return Claim(
            scope.access_key_id,
            scope.date,
            scope.region,
            scope.service,
            moment,
            presented.session_token,
            presented.signature,
            stamp,
            request,
            headers.get("x-amz-content-sha256"),
            scope,
        )

    def _signed_at(self, presented: Presented) -> tuple[float, str]:
        stamp = presented.date
        moment = dates.parse_stamp(stamp)
        if moment is None:
            moment = dates.parse_http_date(stamp)
            if moment is None:
                raise errors.malformed_date(stamp)
            stamp = dates.stamp(moment)
        # Whole seconds, because the request's date has no fraction.
        now = int(self._clock())
        life = self._skew if presented.expires is None else presented.expires
        if moment < now - life:
            raise errors.expired(stamp, dates.stamp(now - life), dates.stamp(now), _minutes(life))
        if moment > now + self._skew:
            bound = dates.stamp(now + self._skew)
            raise errors.not_yet_current(stamp, bound, dates.stamp(now), _minutes(self._skew))
        if presented.expires is None:
            self._dates.keep(stamp, moment)
        return moment, stamp

    def _scope(self, presented: Presented, signed: HeaderList, stamp: str, authorization: str) -> Scope:
        prefix = authorization.removesuffix(presented.signature)
        if not prefix.endswith("Signature=") or len(presented.signature) != _SIGNATURE_DIGITS:
            prefix = ""
        elements = credential_elements(presented.credential)
        if elements[4] != TERMINATOR:
            raise errors.wrong_terminator()
        if elements[1] != stamp[:8]:
            raise errors.wrong_scope_date()
        return self._scopes.get(prefix) or Scope(elements, signed, prefix)


def _demand_signed(headers: Mapping[str, str], signed: HeaderList) -> None:
    for name in headers:
        if name.startswith(AMZ) and name not in signed.names and name not in _MAY_BE_UNSIGNED:
            raise errors.header_not_signed(name)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} min"
