"""Errors carry names that AWS's clients know."""

from __future__ import annotations

import re

from tests.architecture.sources import name, python_files, strings

from hearthkms.wire.model import load

COMMON = {
    "AccessDeniedException": "Common Error Types",
    "ExpiredTokenException": "Common Error Types",
    "IncompleteSignatureException": "Signature Version 4",
    "InternalFailure": "Common Error Types",
    "InvalidSignatureException": "Signature Version 4",
    "MalformedHttpRequestException": "Common Error Types",
    "MissingAuthenticationTokenException": "Signature Version 4",
    "NotAuthorizedException": "Common Error Types",
    "RequestEntityTooLargeException": "Common Error Types",
    "RequestTimeoutException": "Common Error Types",
    "SerializationException": "AWS JSON 1.1",
    "ServiceUnavailable": "Common Error Types",
    "ServiceUnavailableException": "Common Error Types",
    "UnknownOperationException": "AWS JSON 1.1",
    "UnrecognizedClientException": "Signature Version 4",
    "ValidationException": "Common Error Types",
}
"""Errors that all AWS services share and KMS's model does not list, and where AWS tells of them."""

_FORM = re.compile(r"[A-Z][A-Za-z]+(Exception|Failure|Unavailable)")


def _used() -> dict[str, str]:
    return {
        text: name(path) for path in python_files("src") for text in strings(path) if _FORM.fullmatch(text)
    }


def test_every_error_name_is_one_of_aws() -> None:
    known = set(load("kms").errors) | set(COMMON)
    assert {error: path for error, path in _used().items() if error not in known} == {}


def test_the_list_of_common_errors_is_not_stale() -> None:
    assert set(COMMON) - set(_used()) == set()
    assert set(COMMON) & set(load("kms").errors) == set()
