"""One valid request for every operation on a key, and keys for such requests to be about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from botocore import xform_name
from tests.conformance.answers import new_alias

WITHOUT_KEY = frozenset({"CreateKey", "GenerateRandom", "ListKeys"})
"""Operations that are about no key."""


class Sample(NamedTuple):
    """A key with an alias and a ciphertext of its own. `ciphertext` encrypts b"sample" without a context."""

    key_id: str
    arn: str
    alias: str
    alias_arn: str
    ciphertext: bytes


class CallForm(NamedTuple):
    """How to call an operation: the member that names the key (if any), and the other parameters."""

    member: str | None = "KeyId"
    others: Callable[[Sample], dict[str, Any]] = lambda _: {}
    takes_aliases: bool = False


_BLOB = CallForm("KeyId", lambda sample: {"CiphertextBlob": sample.ciphertext}, takes_aliases=True)

CALLS: dict[str, CallForm] = {
    "CancelKeyDeletion": CallForm(),
    "CreateAlias": CallForm("TargetKeyId", lambda _: {"AliasName": new_alias()}),
    "Decrypt": _BLOB,
    "DeleteAlias": CallForm(None, lambda sample: {"AliasName": sample.alias}),
    "DescribeKey": CallForm(takes_aliases=True),
    "DisableKey": CallForm(),
    "DisableKeyRotation": CallForm(),
    "EnableKey": CallForm(),
    "EnableKeyRotation": CallForm(),
    "Encrypt": CallForm("KeyId", lambda _: {"Plaintext": b"x"}, takes_aliases=True),
    "GenerateDataKey": CallForm("KeyId", lambda _: {"KeySpec": "AES_256"}, takes_aliases=True),
    "GenerateDataKeyWithoutPlaintext": CallForm("KeyId", lambda _: {"NumberOfBytes": 24}, takes_aliases=True),
    "GetKeyLastUsage": CallForm(),
    "GetKeyPolicy": CallForm(),
    "GetKeyRotationStatus": CallForm(),
    "ListAliases": CallForm(),
    "ListKeyPolicies": CallForm(),
    "ListKeyRotations": CallForm(),
    "ListResourceTags": CallForm(),
    "PutKeyPolicy": CallForm(
        "KeyId", lambda _: {"Policy": EMPTY_POLICY, "BypassPolicyLockoutSafetyCheck": True}
    ),
    "ReEncrypt": CallForm(
        "DestinationKeyId", lambda sample: {"CiphertextBlob": sample.ciphertext}, takes_aliases=True
    ),
    "RotateKeyOnDemand": CallForm(),
    "ScheduleKeyDeletion": CallForm("KeyId", lambda _: {"PendingWindowInDays": 7}),
    "TagResource": CallForm("KeyId", lambda _: {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    "UntagResource": CallForm("KeyId", lambda _: {"TagKeys": ["a"]}),
    "UpdateAlias": CallForm("TargetKeyId", lambda sample: {"AliasName": sample.alias}),
    "UpdateKeyDescription": CallForm("KeyId", lambda _: {"Description": "changed"}),
}

EMPTY_POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, '
    '"Action": "kms:DescribeKey", "Resource": "*"}]}'
)
"""A valid policy that does not let anybody change it."""


def perform(client: Any, operation: str, sample: Sample, given: str | None = None, **more: Any) -> Any:
    """Call `operation` on the sample's key, naming the key as `given`, by default by its id."""
    form = CALLS[operation]
    named = {} if form.member is None else {form.member: sample.key_id if given is None else given}
    return method(client, operation)(**named | form.others(sample) | more)


def method(client: Any, operation: str) -> Callable[..., Any]:
    """The client's method for an operation."""
    found: Callable[..., Any] = getattr(client, xform_name(operation))
    return found


def new_sample(client: Any) -> Sample:
    """A fresh enabled key with an alias and a ciphertext."""
    key = client.create_key()["KeyMetadata"]
    alias = new_alias()
    client.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    ciphertext = client.encrypt(KeyId=key["KeyId"], Plaintext=b"sample")["CiphertextBlob"]
    alias_arn = key["Arn"].rpartition(":")[0] + ":" + alias
    return Sample(key["KeyId"], key["Arn"], alias, alias_arn, ciphertext)
