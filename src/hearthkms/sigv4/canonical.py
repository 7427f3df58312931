"""Canonical request, string to sign and signing key of Signature Version 4, for signer and verifier alike.

Source: AWS IAM User Guide, "Create a signed AWS API request". A `str` from HTTP stands for the bytes on the
wire in ISO 8859-1: one character, one byte.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from operator import itemgetter
from urllib.parse import quote_from_bytes, unquote_to_bytes

from hearthkms.core.secret import Secret

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
AMZ = "x-amz-"
"""How the headers begin that must be signed wherever they are present."""

_BLANKS = re.compile(r"[ \t]+")
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_HASH_BLOCK = 64
# Copying a begun hash is cheaper than having OpenSSL look the algorithm up.
_BEGUN = sha256()


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex digits."""
    begun = _BEGUN.copy()
    begun.update(data)
    return begun.hexdigest()


def canonical_path(path: str) -> str:
    """The path without dot segments and empty segments, percent-encoded once more.

    `path` is as on the wire. What it encodes already is encoded again, as for all services but S3.
    """
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    slash = "/" if kept and path.endswith("/") else ""
    return quote_from_bytes(f"/{'/'.join(kept)}{slash}".encode("latin-1"), safe="/")


def query_pairs(query: str) -> list[tuple[bytes, bytes]]:
    """The decoded parameters of a query string, in its order; a `+` is a space, as in HTML forms.

    Whoever acts on the parameters must read them by the same rule, or the signature covers something else.
    """
    pairs = []
    for part in query.replace("+", " ").split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append(
                (unquote_to_bytes(name.encode("latin-1")), unquote_to_bytes(value.encode("latin-1")))
            )
    return pairs


def canonical_query(pairs: Iterable[tuple[bytes, bytes]]) -> str:
    """The parameters percent-encoded, then sorted by name and value."""
    encoded = sorted(
        (quote_from_bytes(name, safe=""), quote_from_bytes(value, safe="")) for name, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in encoded)


def canonical_value(value: str) -> str:
    """A header's value without blanks around it and with runs of blanks as one space."""
    return _BLANKS.sub(" ", value).strip(" ")


class HeaderList:
    """The list of signed headers, made ready to pick their values from requests.

    `names` are lower-case and in the order of the list; `text` is the list as it is written.
    """

    __slots__ = ("_form", "_pick", "amz_count", "names", "text")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = frozenset(names)
        self.text = ";".join(names)
        self.amz_count = sum(name.startswith(AMZ) for name in self.names)
        lines = "".join(name.replace("%", "%%") + ":%s\n" for name in names)
        self._form = f"{lines}\n{self.text.replace('%', '%%')}\n"
        self._pick: Callable[[Mapping[str, str]], tuple[str, ...]]
        if len(names) == 1:
            self._pick = lambda headers: (headers[names[0]],)
        else:
            self._pick = itemgetter(*names)

    def request(self, start: str, headers: Mapping[str, str]) -> str:
        """The canonical request up to its last line, the payload's hash in hex, which is the caller's to add.

        `start` is what `request_start` gives. Raises KeyError where a signed header is not in the request.
        """
        values = self._pick(headers)
        text = start + self._form % values
        if "  " in text or "\t" in text:
            text = start + self._form % tuple(map(canonical_value, values))
        return text


def request_start(method: str, path: str, pairs: Iterable[tuple[bytes, bytes]]) -> str:
    """The canonical request's lines before the headers."""
    return f"{method}\n{canonical_path(path)}\n{canonical_query(pairs)}\n"


def string_to_sign(stamp: str, scope: str, request: bytes) -> bytes:
    """What is signed: `stamp` is the ISO 8601 basic time, `request` the whole canonical request.

    Raises UnicodeEncodeError where the scope is not of single bytes.
    """
    return f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256_hex(request)}".encode("latin-1")


def scope_text(date: str, region: str, service: str) -> str:
    """The credential scope."""
    return f"{date}/{region}/{service}/{TERMINATOR}"


class SigningKey:
    """The key that a secret gives for one day, Region and service, held as two begun hashes.

    HMAC (RFC 2104) hashes a block made of the key before anything else, twice. With that done once, a
    signature costs half of what `hmac.digest` takes.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: Secret, date: str, region: str, service: str) -> None:
        key = b"AWS4" + secret.reveal()
        for part in (date, region, service, TERMINATOR):
            key = hmac.digest(key, part.encode("latin-1"), "sha256")
        block = key.ljust(_HASH_BLOCK, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def signature(self, text: bytes) -> str:
        """The signature of a string to sign, 64 lower-case hex digits."""
        inner = self._inner.copy()
        inner.update(text)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()
