"""Signing requests with Signature Version 4, for clients of other services."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hearthkms.core.secret import Secret
from hearthkms.sigv4 import dates
from hearthkms.sigv4.canonical import (
    ALGORITHM,
    HeaderList,
    SigningKey,
    query_pairs,
    request_start,
    scope_text,
    sha256_hex,
    string_to_sign,
)

_CHANGED_ON_THE_WAY = frozenset(
    {
        "authorization",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)
"""Headers that proxies and HTTP clients may change, and that are therefore not signed unless asked for."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, and the session token where it is a temporary one."""

    access_key_id: str
    secret: Secret
    session_token: str | None = None


def sign(
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    region: str,
    service: str,
    timestamp: float,
    *,
    signed: Collection[str] | None = None,
) -> dict[str, str]:
    """The request's headers, names in lower case, with date, session token and signature added.

    `target` is the request target as it goes on the wire, `service` the signing name, `timestamp` epoch
    seconds. `headers` must have `host`. `signed` names the headers to sign, lower-case; without it all are
    signed that proxies leave alone.

    Raises ValueError where `host` is missing or not signed, where a header to be signed is missing, or where
    a header's value has a character that is not a single byte.
    """
    stamp = dates.stamp(timestamp)
    sent = {name.lower(): value.strip(" \t") for name, value in headers.items()}
    sent["x-amz-date"] = stamp
    if credentials.session_token is not None:
        sent["x-amz-security-token"] = credentials.session_token
    names = sent.keys() - _CHANGED_ON_THE_WAY if signed is None else set(signed)
    if "host" not in names or names - sent.keys():
        raise ValueError(f"cannot sign these headers: {', '.join(sorted(names))}; host must be one of them")
    path, _, query = target.partition("?")
    listed = HeaderList(tuple(sorted(names)))
    request = listed.request(request_start(method, path, query_pairs(query)), sent) + sha256_hex(body)
    scope = scope_text(stamp[:8], region, service)
    key = SigningKey(credentials.secret, stamp[:8], region, service)
    signature = key.signature(string_to_sign(stamp, scope, request.encode("latin-1")))
    sent["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={listed.text}, Signature={signature}"
    )
    return sent
