"""PutKeyPolicy, GetKeyPolicy and ListKeyPolicies.

Source: KMS API reference, the operations of the same names; error texts as observed.
"""

from __future__ import annotations

from dataclasses import replace

from hearthkms.core import paging
from hearthkms.kms import errors
from hearthkms.kms.access import on_key
from hearthkms.kms.environment import Environment
from hearthkms.kms.model.key import Key
from hearthkms.kms.model.state import check_state
from hearthkms.kms.policies import checked_policy
from hearthkms.kms.ports import KeyView, Repository
from hearthkms.service.call import Call
from hearthkms.service.operation import Mode, Needs, Operation, Outcome, Request, logged

POLICY_NAME = "default"


def _check_name(request: Request) -> None:
    if request.get("PolicyName", POLICY_NAME) != POLICY_NAME:
        raise errors.not_found("No such policy exists")


async def _put(env: Environment[Repository], call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    if request.get("PolicyName") == "AWS_RAM":
        raise errors.validation("The AWS_RAM policy can only be managed by the RAM service.")
    _check_name(request)
    check_state(call.operation, key)
    bypass = bool(request.get("BypassPolicyLockoutSafetyCheck"))
    await checked_policy(env, call, key.account_id, key.arn, request["Policy"], bypass=bypass)
    await env.view.update_key(replace(key, policy=request["Policy"]))
    return Outcome(None, elements={"keyId": key.arn})


async def _get(_env: Environment[KeyView], _call: Call, request: Request, needs: Needs) -> Outcome:
    _check_name(request)
    return Outcome({"Policy": needs.resources[0].policy, "PolicyName": POLICY_NAME})


async def _list(_env: Environment[KeyView], _call: Call, request: Request, needs: Needs) -> Outcome:
    paging.after(f"policies:{needs.resources[0].arn}", request.get("Marker"))
    return Outcome({"PolicyNames": [POLICY_NAME], "Truncated": False})


OPERATIONS = (
    Operation(
        "PutKeyPolicy",
        Mode.WRITE,
        on_key(),
        _put,
        logged("KeyId", "PolicyName", "Policy", "BypassPolicyLockoutSafetyCheck"),
        read_only=False,
    ),
    Operation("GetKeyPolicy", Mode.HOT, on_key(), _get, logged("KeyId", "PolicyName"), read_only=True),
    Operation(
        "ListKeyPolicies",
        Mode.HOT,
        on_key(),
        _list,
        logged("KeyId", "Limit", "Marker"),
        read_only=True,
    ),
)
