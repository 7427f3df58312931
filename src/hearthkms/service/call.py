"""Call: who asks for what, from where and when."""

from __future__ import annotations

import msgspec


class Caller(msgspec.Struct, frozen=True):
    """The authenticated principal behind a call.

    `kind` is CloudTrail's userIdentity type (`Root`, `IAMUser`, `AssumedRole`, `AWSService`).
    """

    account_id: str
    arn: str
    kind: str
    principal_id: str
    access_key_id: str


class Call(msgspec.Struct, frozen=True):
    """One authenticated request for one operation.

    `time` is epoch seconds; `region` is the credential scope's.
    """

    request_id: str
    operation: str
    region: str
    caller: Caller
    time: float
    source_ip: str = ""
    user_agent: str = ""
    tls_version: str | None = None
    cipher_suite: str | None = None
    host: str = ""
