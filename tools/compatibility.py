"""docs/compatibility.md: what of the KMS API is built, from the operation table and botocore's model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import botocore

from hearthkms.kms.operations import OPERATIONS
from hearthkms.service.operation import Mode
from hearthkms.wire.model import load

MODES = {Mode.HOT: "memory", Mode.READ: "read", Mode.WRITE: "write"}


class Refused(NamedTuple):
    """A parameter of a built operation that this release refuses: when, and with which error."""

    operation: str
    member: str
    when: str
    error: str


_UNSUPPORTED = "UnsupportedOperationException"
_NO_GRANTS = ("when not empty: grants are not built, so no token is valid", "InvalidGrantTokenException")
_NO_ATTESTATION = ("always: attestation documents cannot be verified here", _UNSUPPORTED)
_NO_CUSTOM_STORE = ("always: there are no custom key stores", "CustomKeyStoreNotFoundException")

REFUSED = (
    Refused("CreateKey", "KeySpec", "anything but `SYMMETRIC_DEFAULT`", _UNSUPPORTED),
    Refused("CreateKey", "CustomerMasterKeySpec", "anything but `SYMMETRIC_DEFAULT`", _UNSUPPORTED),
    Refused("CreateKey", "Origin", "`EXTERNAL`", _UNSUPPORTED),
    Refused("CreateKey", "MultiRegion", "`true`", _UNSUPPORTED),
    Refused("CreateKey", "CustomKeyStoreId", *_NO_CUSTOM_STORE),
    Refused("Decrypt", "GrantTokens", *_NO_GRANTS),
    Refused("Decrypt", "Recipient", *_NO_ATTESTATION),
    Refused("Encrypt", "GrantTokens", *_NO_GRANTS),
    Refused("GenerateDataKey", "GrantTokens", *_NO_GRANTS),
    Refused("GenerateDataKey", "Recipient", *_NO_ATTESTATION),
    Refused("GenerateDataKeyWithoutPlaintext", "GrantTokens", *_NO_GRANTS),
    Refused("GenerateRandom", "CustomKeyStoreId", *_NO_CUSTOM_STORE),
    Refused("GenerateRandom", "Recipient", *_NO_ATTESTATION),
    Refused("ReEncrypt", "GrantTokens", *_NO_GRANTS),
)
"""Each is tried against a running service by tests/docs/test_compatibility.py."""

_INTRODUCTION = """\
# Compatibility with AWS KMS

<!-- Written by `make docs` from the operation table and botocore's model. Do not edit. -->

The contract is the KMS model of botocore {version}: {all} operations. {built} of them are built. Each of the
other {rest} answers `UnsupportedOperationException` (HTTP 400) to a caller whose signature is valid, and does
nothing.

What is built is built with all its parameters, states and errors, apart from the parameters listed below. In
what other ways the answers differ from those of AWS is in [limitations.md](limitations.md).

## Operations

*Runs*: **memory**, on the worker's snapshot, without a database access once it is loaded; **read**, in a
read transaction; **write**, in a transaction that also keeps the audit record. *Read-only* is what the audit
record says.

| operation | status | runs | read-only | refused parameters |
|---|---|---|---|---|
"""

_REFUSED = """
## Refused parameters

| operation | parameter | refused | error |
|---|---|---|---|
"""


def document() -> str:
    """The text of docs/compatibility.md."""
    names = sorted(load("kms").operation_names)
    introduction = _INTRODUCTION.format(
        version=botocore.__version__,
        all=len(names),
        built=len(OPERATIONS),
        rest=len(names) - len(OPERATIONS),
    )
    refused = (
        f"| {entry.operation} | `{entry.member}` | {entry.when} | `{entry.error}` |\n" for entry in REFUSED
    )
    return introduction + "".join(_rows(names)) + _REFUSED + "".join(refused)


def _rows(names: list[str]) -> Iterator[str]:
    for name in names:
        operation = OPERATIONS.get(name)
        if operation is None:
            yield f"| {name} | `{_UNSUPPORTED}` | | | |\n"
            continue
        members = ", ".join(f"`{entry.member}`" for entry in REFUSED if entry.operation == name)
        read_only = "yes" if operation.read_only else "no"
        yield f"| {name} | **built** | {MODES[operation.mode]} | {read_only} | {members} |\n"
