"""What a request presents as proof of who sent it, in its Authorization header or in its query string."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hearthkms.sigv4 import errors
from hearthkms.sigv4.canonical import ALGORITHM, HeaderList

MAX_EXPIRES = 604_800
"""The longest life of a presigned request, in seconds: a week."""

_SEPARATORS = re.compile(r"[ ,]+")
_PARAMETERS = ("Credential", "Signature", "SignedHeaders")
_QUERY_PARAMETERS = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "X-Amz-Date",
)
_QUERY_SIGNATURE = b"X-Amz-Signature"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_ELEMENT = re.compile(r"[!-~]+")


class Presented(NamedTuple):
    """A request's proof, read but not judged.

    `date` is the text of the date it was signed at; `expires` is the life in seconds that a presigned request
    asks for; `pairs` are the decoded query parameters that the signature covers.
    """

    credential: str
    signed_headers: str
    signature: str
    date: str
    session_token: str | None
    expires: int | None
    pairs: Sequence[tuple[bytes, bytes]]


def from_header(
    authorization: str, headers: Mapping[str, str], pairs: Sequence[tuple[bytes, bytes]]
) -> Presented:
    """The proof in an Authorization header: an algorithm, then `name=value` parts between commas or spaces.

    Raises ServiceError IncompleteSignatureException where a part is malformed or missing.
    """
    algorithm, _, rest = authorization.strip().partition(" ")
    found: dict[str, str] = {}
    for part in _SEPARATORS.split(rest):
        name, equals, value = part.partition("=")
        if part and not equals:
            raise errors.not_a_pair(authorization)
        found[name] = value
    date = headers.get("x-amz-date") or headers.get("date") or ""
    missing = [name for name in _PARAMETERS if not found.get(name)]
    if missing or not date:
        raise errors.missing_from_header(missing, authorization, date_missing=not date)
    if algorithm != ALGORITHM:
        raise errors.unsupported_algorithm(algorithm)
    return Presented(
        credential=found["Credential"],
        signed_headers=found["SignedHeaders"],
        signature=found["Signature"],
        date=date,
        session_token=headers.get("x-amz-security-token"),
        expires=None,
        pairs=pairs,
    )


def from_query(pairs: Sequence[tuple[bytes, bytes]]) -> Presented:
    """The proof in a query string that has `X-Amz-Algorithm`.

    A parameter of the proof that occurs twice is refused: which one counts would be anybody's guess. Raises
    ServiceError IncompleteSignatureException or MissingAuthenticationTokenException.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        text = name.decode("latin-1")
        if text.startswith("X-Amz-") and text in found:
            raise errors.missing_from_query(())
        found[text] = value.decode("latin-1")
    missing = [name for name in _QUERY_PARAMETERS if not found.get(name)]
    if missing:
        raise errors.missing_from_query(missing)
    if found["X-Amz-Algorithm"] != ALGORITHM:
        raise errors.missing_token()
    return Presented(
        credential=found["X-Amz-Credential"],
        signed_headers=found["X-Amz-SignedHeaders"],
        signature=found["X-Amz-Signature"],
        date=found["X-Amz-Date"],
        session_token=found.get("X-Amz-Security-Token"),
        expires=_expires(found.get("X-Amz-Expires")),
        pairs=[pair for pair in pairs if pair[0] != _QUERY_SIGNATURE],
    )


def credential_elements(credential: str) -> list[str]:
    """Key id, date, Region, service and terminator; raises ServiceError IncompleteSignatureException."""
    elements = credential.split("/")
    if len(elements) != 5 or not all(map(_ELEMENT.fullmatch, elements)):
        raise errors.malformed_credential(credential)
    return elements


def header_list(text: str) -> HeaderList:
    """The signed headers that `text` names, semicolons between them.

    Raises ServiceError InvalidSignatureException where `host` is not among them, or where they are not
    distinct lower-case header names.
    """
    names = tuple(text.split(";"))
    if "host" not in names:
        raise errors.host_not_signed()
    if len(set(names)) != len(names) or not all(map(_HEADER_NAME.fullmatch, names)):
        raise errors.wrong_signature()
    return HeaderList(names)


def _expires(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise errors.malformed_expiry("X-Amz-Expires should be a number")
    seconds = int(text)
    if seconds > MAX_EXPIRES:
        raise errors.malformed_expiry(
            "X-Amz-Expires must be less than a week (in seconds); "
            f"that is, the given X-Amz-Expires must be less than {MAX_EXPIRES} seconds"
        )
    return seconds
