"""KMS's errors with AWS's own texts, each built in one place.

Texts were observed from AWS where clients may match on them; a message of None is one that AWS leaves out.
"""

from __future__ import annotations

from hearthkms.core.errors import ServiceError
from hearthkms.core.ids import alias_arn, key_arn


def not_found(message: str) -> ServiceError:
    """NotFoundException with this text."""
    return ServiceError("NotFoundException", message)


def no_such_key(region: str, account_id: str, key_id: str) -> ServiceError:
    """A well-formed key id that names no key of this account and Region."""
    return not_found(f"Key '{key_arn(region, account_id, key_id)}' does not exist")


def invalid_key_id(given: str) -> ServiceError:
    """A key identifier of a form that the operation does not take."""
    return not_found(f"Invalid keyId '{given}'")


def invalid_arn(detail: str) -> ServiceError:
    """An ARN of another Region or service."""
    return not_found(f"Invalid arn {detail}")


def no_such_alias(region: str, account_id: str, name: str) -> ServiceError:
    """An alias that does not exist."""
    return not_found(f"Alias {alias_arn(region, account_id, name)} is not found.")


def aliases_not_taken() -> ServiceError:
    """An alias, by name or ARN, where the operation takes a key id or key ARN alone.

    AWS has answered GetKeyPolicy and CreateGrant so since 2015; the other operations of this kind are taken
    to do the same.
    """
    return ServiceError("InvalidArnException", "Key Aliases are not supported for this operation.")


def alias_of_alias() -> ServiceError:
    """An alias whose target is an alias."""
    return validation("Aliases must refer to keys. Not aliases")


def validation(message: str) -> ServiceError:
    """ValidationException with this text."""
    return ServiceError("ValidationException", message)


def missing(member: str) -> ServiceError:
    """A member that the model leaves optional is required in this request. `member` in lower camel case."""
    return validation(
        f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: "
        "Member must not be null"
    )


def unsupported(message: str | None = None) -> ServiceError:
    """UnsupportedOperationException."""
    return ServiceError("UnsupportedOperationException", message)


def invalid_state(message: str) -> ServiceError:
    """KMSInvalidStateException."""
    return ServiceError("KMSInvalidStateException", message)


def disabled(arn: str) -> ServiceError:
    """The key is disabled."""
    return ServiceError("DisabledException", f"{arn} is disabled.")


def origin_not_valid(arn: str, origin: str) -> ServiceError:
    """The operation is not for keys of this origin."""
    return unsupported(f"{arn} origin is {origin} which is not valid for this operation.")


def invalid_ciphertext() -> ServiceError:
    """The ciphertext, or the encryption context given with it, is not what was sealed."""
    return ServiceError("InvalidCiphertextException")


def incorrect_key() -> ServiceError:
    """The key named in the request is not the one that made the ciphertext."""
    return ServiceError(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )


def ciphertext_of_stranger() -> ServiceError:
    """The ciphertext's key cannot be told to this caller: whether it exists stays untold."""
    return ServiceError(
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
        "or you are not allowed to access.",
    )


def algorithm_incompatible(algorithm: str, spec: str) -> ServiceError:
    """The algorithm is not one of the key spec's."""
    return ServiceError(
        "InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {spec}."
    )


def usage_not_valid(arn: str, usage: str, operation: str) -> ServiceError:
    """The key's usage does not cover the operation."""
    return ServiceError(
        "InvalidKeyUsageException", f"{arn} key usage is {usage} which is not valid for {operation}."
    )


def dry_run() -> ServiceError:
    """What a dry run answers when the request would have succeeded."""
    return ServiceError(
        "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."
    )


def tag(message: str) -> ServiceError:
    """TagException."""
    return ServiceError("TagException", message)


def limit_exceeded(message: str) -> ServiceError:
    """LimitExceededException."""
    return ServiceError("LimitExceededException", message)


def malformed_policy(message: str) -> ServiceError:
    """MalformedPolicyDocumentException."""
    return ServiceError("MalformedPolicyDocumentException", message)


def alias_exists(arn: str) -> ServiceError:
    """The alias name is taken."""
    return ServiceError("AlreadyExistsException", f"An alias with the name {arn} already exists")


def over_limit(given: int, maximum: int) -> ServiceError:
    """A page size over the operation's own maximum, which is lower than the model's."""
    return validation(
        f"1 validation error detected: Value '{given}' at 'limit' failed to satisfy constraint: "
        f"Member must have value less than or equal to {maximum}"
    )
