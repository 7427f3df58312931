"""What the requests of one caller on one day have in common."""

from __future__ import annotations

from hearthkms.core.secret import Secret
from hearthkms.sigv4.canonical import HeaderList, SigningKey, scope_text


class Scope:
    """What many requests of one caller have in common: the credential scope and the list of signed headers.

    `prefix` is the Authorization header up to the signature, or "" where it does not end in the signature;
    `signing` is the signing key and the secret that it was made from, once one was needed.
    """

    __slots__ = (
        "access_key_id",
        "date",
        "headers",
        "known",
        "prefix",
        "region",
        "service",
        "signing",
        "text",
    )

    def __init__(self, elements: list[str], headers: HeaderList, prefix: str) -> None:
        self.access_key_id, self.date, self.region, self.service, _ = elements
        self.text = scope_text(self.date, self.region, self.service)
        self.headers = headers
        self.prefix = prefix
        self.known = False
        self.signing: tuple[Secret, SigningKey] | None = None
