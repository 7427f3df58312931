"""What a refused call answers, as a pair, and texts that many refusals share."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

DRY_RUN = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
STRANGE_CIPHERTEXT = (
    "AccessDeniedException",
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
    "or you are not allowed to access.",
)
INCORRECT_KEY = (
    "IncorrectKeyException",
    "The key ID in the request does not identify a CMK that can perform this operation.",
)
INVALID_CIPHERTEXT = ("InvalidCiphertextException", "")
ALIAS_NOT_TAKEN = ("InvalidArnException", "Key Aliases are not supported for this operation.")


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """The error's name and message with which `call` is refused, with status 400; "" for no message."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return response["Error"]["Code"], response["Error"]["Message"]


def constraint(path: str, rule: str, value: object = None) -> tuple[str, str]:
    """The refusal of one violated constraint of the model; `value` as it is printed, None for a blob."""
    shown = "Value" if value is None else f"Value {value}"
    return (
        "ValidationException",
        f"1 validation error detected: {shown} at '{path}' failed to satisfy constraint: {rule}",
    )


def no_such_key(arn: str) -> tuple[str, str]:
    """The refusal of a well-formed identifier that names no key."""
    return "NotFoundException", f"Key '{arn}' does not exist"


def new_alias() -> str:
    """A fresh alias name."""
    return f"alias/test/{uuid.uuid4()}"


def describe(client: Any, key_id: str) -> dict[str, Any]:
    """A key's metadata as it is now."""
    metadata: dict[str, Any] = client.describe_key(KeyId=key_id)["KeyMetadata"]
    return metadata
