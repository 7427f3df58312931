"""The decision: may this caller do this action on this resource?

Until identities can be managed there is one kind of principal, the account's root user. It may do everything
in its own account, except to AWS managed keys, whose fixed policy lets the account read and no more; and
nothing in any other account. Whatever is not allowed here is denied.
"""

from __future__ import annotations

from dataclasses import dataclass

from hearthkms.core.ids import root_arn


@dataclass(frozen=True, slots=True)
class Allow:
    """The caller may."""


@dataclass(frozen=True, slots=True)
class Deny:
    """The caller may not, and the sentence that AWS would say."""

    message: str


Decision = Allow | Deny

_ALLOW = Allow()

# The fixed policy of an AWS managed key, as far as it concerns the account itself.
_READ_MANAGED = ("kms:Describe", "kms:Get", "kms:List")
_READ_MANAGED_EXACT = "kms:RevokeGrant"


def evaluate(
    caller_arn: str, caller_account: str, action: str, arn: str, owner_account: str | None, manager: str
) -> Decision:
    """Decide one demand.

    `owner_account` is None where the action is on no resource with a policy of its own, so that the caller's
    identity alone decides. `manager` is `CUSTOMER` or `AWS`.
    """
    if caller_arn != root_arn(caller_account):
        return _deny(caller_arn, action, arn, "no identity-based policy allows")
    if owner_account is None:
        return _ALLOW
    if owner_account != caller_account:
        return Deny(
            f"User: {caller_arn} is not authorized to perform: {action} on resource: {arn} because "
            "the resource does not exist in this Region, no resource-based policies allow access, "
            "or a resource-based policy explicitly denies access"
        )
    if manager != "CUSTOMER" and not (action.startswith(_READ_MANAGED) or action == _READ_MANAGED_EXACT):
        return _deny(caller_arn, action, arn, "no resource-based policy allows")
    return _ALLOW


def _deny(caller_arn: str, action: str, arn: str, why: str) -> Deny:
    return Deny(
        f"User: {caller_arn} is not authorized to perform: {action} on resource: {arn} "
        f"because {why} the {action} action"
    )
