"""CreateKey, DescribeKey, ListKeys, UpdateKeyDescription and GetKeyLastUsage.

Source: KMS API reference, the operations of the same names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hearthkms.core import paging
from hearthkms.core.errors import ServiceError
from hearthkms.core.ids import new_key_id
from hearthkms.kms import errors
from hearthkms.kms.access import on_account, on_key
from hearthkms.kms.creation import create_key
from hearthkms.kms.environment import Environment
from hearthkms.kms.metadata import key_metadata, key_on_trail
from hearthkms.kms.model.key import Key
from hearthkms.kms.model.state import check_state
from hearthkms.kms.policies import checked_policy, default_policy
from hearthkms.kms.ports import KeyView, Repository
from hearthkms.kms.tags import checked_tags
from hearthkms.service.call import Call
from hearthkms.service.operation import (
    Demand,
    Mode,
    Needs,
    Operation,
    Outcome,
    Request,
    logged,
)

Env = Environment[Repository]


def _spec(request: Request) -> str:
    """The key spec: KeySpec, or its older name, but not both, even where they agree."""
    if "KeySpec" in request and "CustomerMasterKeySpec" in request:
        raise errors.validation(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
            "CustomerMasterKeySpec is deprecated."
        )
    return str(request.get("KeySpec") or request.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT")


def _check_supported(request: Request) -> None:
    """Refuse what this build does not make: anything but symmetric encryption keys of the default store."""
    spec, usage = _spec(request), request.get("KeyUsage")
    if spec != "SYMMETRIC_DEFAULT":
        if usage is None:
            raise errors.validation(
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
            )
        raise errors.unsupported(f"HearthKMS does not make keys of key spec {spec} yet.")
    if usage not in (None, "ENCRYPT_DECRYPT"):
        raise errors.validation(f"KeyUsage {usage} is not compatible with KeySpec {spec}")
    store, origin = request.get("CustomKeyStoreId"), request.get("Origin", "AWS_KMS")
    if store is not None:
        raise ServiceError("CustomKeyStoreNotFoundException", f"Custom key store {store} does not exist.")
    if origin in ("AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"):
        raise errors.validation(f"CustomKeyStoreId is required when Origin is {origin}.")
    if "XksKeyId" in request:
        raise errors.validation("XksKeyId is only valid when Origin is EXTERNAL_KEY_STORE.")
    if origin != "AWS_KMS":
        raise errors.unsupported(f"HearthKMS does not make keys of origin {origin} yet.")
    if request.get("MultiRegion"):
        raise errors.unsupported("HearthKMS does not make multi-Region keys yet.")


async def _create_needs(_env: Env, _call: Call, request: Request) -> Needs:
    _check_supported(request)
    tags = checked_tags(request.get("Tags", []))
    demands = [Demand("kms:CreateKey", None)]
    if tags:
        demands.append(Demand("kms:TagResource", None))
    return Needs(tuple(demands), detail=tags)


async def _create(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    account_id = call.caller.account_id
    policy = request.get("Policy")
    if policy is None:
        policy = default_policy(account_id)
    else:
        bypass = bool(request.get("BypassPolicyLockoutSafetyCheck"))
        # The key has no ARN yet, so what the policy says of single keys cannot be about it.
        any_key = Key.arn_of(call.region, account_id, new_key_id())
        await checked_policy(env, call, account_id, any_key, policy, bypass=bypass)
    key = await create_key(
        env.view,
        env.services.stores["AWS_KMS"],
        region=call.region,
        account_id=account_id,
        now=call.time,
        policy=policy,
        description=request.get("Description", ""),
    )
    if needs.detail:
        await env.view.put_tags(key.region, key.key_id, needs.detail)
    return Outcome(
        {"KeyMetadata": key_metadata(key)}, elements={"keyMetadata": key_on_trail(key)}, resources=(key,)
    )


async def _describe(_env: Environment[KeyView], _call: Call, _request: Request, needs: Needs) -> Outcome:
    return Outcome({"KeyMetadata": key_metadata(needs.resources[0])})


async def _list(env: Env, call: Call, request: Request, _needs: Needs) -> Outcome:
    owners = sorted(set(request.get("ResourceOwners", ["SELF"])))
    scope = f"keys:{call.region}:{call.caller.account_id}:{','.join(owners)}"
    after = paging.after(scope, request.get("Marker"))
    limit = request.get("Limit", 100)
    if "SELF" not in owners:
        # Nothing is shared with this account: no resource shares exist here.
        return Outcome({"Keys": [], "Truncated": False})
    keys = await env.view.list_keys(call.region, call.caller.account_id, after, limit + 1)
    response: dict[str, Any] = {
        "Keys": [{"KeyId": key.key_id, "KeyArn": key.arn} for key in keys[:limit]],
        "Truncated": len(keys) > limit,
    }
    if len(keys) > limit:
        response["NextMarker"] = paging.marker(scope, keys[limit - 1].key_id)
    return Outcome(response)


async def _update_description(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    await env.view.update_key(replace(key, description=request["Description"]))
    return Outcome(None, elements={"keyId": key.arn})


async def _last_usage(env: Env, _call: Call, _request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    usage = await env.view.usage(key.region, key.key_id)
    shown: dict[str, Any] = {}
    if usage is not None:
        shown = {
            "Operation": usage.operation,
            "Timestamp": usage.timestamp,
            "CloudTrailEventId": usage.event_id,
            "KmsRequestId": usage.request_id,
        }
    return Outcome(
        {
            "KeyId": key.arn,
            "KeyLastUsage": shown,
            "KeyCreationDate": key.creation_date,
            # Uses are tracked from the moment a key exists.
            "TrackingStartDate": key.creation_date,
        }
    )


OPERATIONS = (
    Operation(
        "CreateKey",
        Mode.WRITE,
        _create_needs,
        _create,
        logged(
            "Policy",
            "Description",
            "KeyUsage",
            "CustomerMasterKeySpec",
            "KeySpec",
            "Origin",
            "CustomKeyStoreId",
            "BypassPolicyLockoutSafetyCheck",
            "Tags",
            "MultiRegion",
            "XksKeyId",
        ),
        read_only=False,
    ),
    Operation("DescribeKey", Mode.HOT, on_key(aliases=True), _describe, logged("KeyId"), read_only=True),
    Operation(
        "ListKeys",
        Mode.READ,
        on_account,
        _list,
        logged("Limit", "Marker", "ResourceOwners"),
        read_only=True,
    ),
    Operation(
        "UpdateKeyDescription",
        Mode.WRITE,
        on_key(),
        _update_description,
        logged("KeyId", "Description"),
        read_only=False,
    ),
    Operation("GetKeyLastUsage", Mode.READ, on_key(), _last_usage, logged("KeyId"), read_only=True),
)
