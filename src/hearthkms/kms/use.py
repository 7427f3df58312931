"""What every use of a key checks, in the order in which AWS refuses."""

from __future__ import annotations

from collections.abc import Mapping

from hearthkms.kms import errors
from hearthkms.kms.model.key import Key
from hearthkms.kms.model.state import check_state
from hearthkms.service.operation import Request

SYMMETRIC_DEFAULT = "SYMMETRIC_DEFAULT"
MAX_CONTEXT = 8192
_NO_CONTEXT: Mapping[str, str] = {}


def encryption_context(request: Request, member: str = "EncryptionContext") -> Mapping[str, str]:
    """The encryption context given in a request, at most 8,192 characters in all."""
    context: Mapping[str, str] | None = request.get(member)
    if not context:
        return _NO_CONTEXT
    if sum(map(len, context)) + sum(map(len, context.values())) > MAX_CONTEXT:
        raise errors.validation(f"The encryption context must not exceed {MAX_CONTEXT} characters.")
    return context


def check_use(operation: str, key: Key, algorithm: str = SYMMETRIC_DEFAULT) -> None:
    """Check state, then usage, then algorithm: the order in which AWS refuses."""
    check_state(operation, key)
    if key.usage != "ENCRYPT_DECRYPT":
        raise errors.usage_not_valid(key.arn, key.usage, operation)
    if algorithm != key.spec:
        raise errors.algorithm_incompatible(algorithm, key.spec)


def refuse_recipient(request: Request) -> None:
    """Refuse a Recipient: attestation documents cannot be verified here, so nothing is sent to one."""
    if "Recipient" in request:
        raise errors.unsupported("Recipient is not supported: attestation documents cannot be verified.")
