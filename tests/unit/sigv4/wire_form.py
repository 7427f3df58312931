"""Requests in the form in which the verifier meets them, signed by botocore or by the suite."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from hearthkms.core.errors import ServiceError
from hearthkms.core.secret import Secret
from hearthkms.sigv4.verify import Claim, Verifier

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = Secret(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = float(calendar.timegm((2026, 1, 1, 12, 0, 0)))
BODY = b'{"KeyId":"alias/one"}'
MISSING = "MissingAuthenticationTokenException"
INCOMPLETE = "IncompleteSignatureException"
INVALID = "InvalidSignatureException"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)
HEADERS = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.Encrypt"}


@dataclass(frozen=True)
class Request:
    """A request as the HTTP front hands it on."""

    method: str = "POST"
    target: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def without(self, *names: str) -> Request:
        return replace(
            self, headers={name: value for name, value in self.headers.items() if name not in names}
        )

    def with_headers(self, **headers: str) -> Request:
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **changed})

    def with_authorization(self, old: str, new: str) -> Request:
        assert old in self.headers["authorization"]
        return self.with_headers(authorization=self.headers["authorization"].replace(old, new))


def fold(pairs: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """Headers as the HTTP front folds them: lower case, stripped, duplicates joined, one character a byte."""
    folded: dict[str, str] = {}
    for name, value in pairs:
        text = (value if isinstance(value, bytes) else value.encode()).decode("latin-1").strip(" \t")
        key = name.lower()
        folded[key] = f"{folded[key]},{text}" if key in folded else text
    return folded


def signed(
    *,
    method: str = "POST",
    url: str = "https://kms.us-east-1.example.com/",
    headers: Iterable[tuple[str, str]] = tuple(HEADERS.items()),
    body: bytes = BODY,
    token: str | None = None,
    service: str = "kms",
    region: str = "us-east-1",
    at: float = NOW,
    expires: int | None = None,
    secret: Secret = SECRET,
) -> Request:
    """A request signed by botocore: in its headers, or in its query where `expires` is given."""
    request = AWSRequest(method=method, url=url, data=body)
    for name, value in headers:
        request.headers[name] = value
    credentials = Credentials(ACCESS_KEY, secret.reveal().decode(), token)
    signer: SigV4Auth = (
        SigV4Auth(credentials, service, region)
        if expires is None
        else SigV4QueryAuth(credentials, service, region, expires=expires)
    )
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda *_a, **_k: moment)
        signer.add_auth(request)
    parts = urlsplit(request.url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Request(method, target, fold([("Host", parts.netloc), *request.headers.items()]), body)


def verifier(at: float = NOW, **options: Any) -> Verifier:
    return Verifier(lambda: at, **options)


def accept(request: Request, *, by: Verifier | None = None, secret: Secret = SECRET) -> Claim:
    """Read and verify a request; the claim."""
    judge = by or verifier()
    claim = judge.read(request.method, request.target, request.headers)
    judge.verify(claim, secret, request.body)
    return claim


def refusal(request: Request, *, by: Verifier | None = None, secret: Secret = SECRET) -> ServiceError:
    """The error that the request gets."""
    with pytest.raises(ServiceError) as caught:
        accept(request, by=by, secret=secret)
    return caught.value


def told(error: ServiceError) -> tuple[str, str | None]:
    return error.name, error.message


def edited(request: Request, **changes: str | None) -> Request:
    """A presigned request with query parameters replaced, or removed where the new value is None."""
    pairs = dict(parse_qsl(request.target.partition("?")[2]))
    for name, value in changes.items():
        key = "X-Amz-" + name
        if value is None:
            del pairs[key]
        else:
            pairs[key] = value
    return Request(request.method, "/?" + urlencode(pairs), request.headers, request.body)
