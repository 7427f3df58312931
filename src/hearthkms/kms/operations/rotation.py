"""EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand and ListKeyRotations.

Source: KMS API reference, the operations of the same names; developer guide, "Rotate AWS KMS keys".
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hearthkms.core import paging
from hearthkms.core.clock import DAY, millis
from hearthkms.core.errors import ServiceError
from hearthkms.kms import errors
from hearthkms.kms.access import on_key
from hearthkms.kms.creation import rotate_key
from hearthkms.kms.environment import Environment
from hearthkms.kms.model.key import Key, KeyState, Material, Rotation
from hearthkms.kms.model.state import check_state
from hearthkms.kms.ports import Repository
from hearthkms.service.call import Call
from hearthkms.service.operation import Mode, Needs, Operation, Outcome, Request, logged

Env = Environment[Repository]

DEFAULT_PERIOD = 365
MAX_ON_DEMAND = 25
CONFLICT_WINDOW = 20 * 60.0
_ALL = 10_000
_SEQUENCE = re.compile("[0-9]{1,9}")


async def _enable(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    days = request.get("RotationPeriodInDays", DEFAULT_PERIOD)
    rotation = Rotation(True, days, millis(call.time + days * DAY))
    await env.view.update_key(replace(key, rotation=rotation))
    return Outcome(None, elements={"keyId": key.arn})


async def _disable(env: Env, call: Call, _request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    await env.view.update_key(replace(key, rotation=Rotation()))
    return Outcome(None, elements={"keyId": key.arn})


async def _status(_env: Env, call: Call, _request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    enabled = key.rotation.enabled and key.state is not KeyState.PENDING_DELETION
    response: dict[str, Any] = {"KeyId": key.arn, "KeyRotationEnabled": enabled}
    if enabled:
        response["RotationPeriodInDays"] = key.rotation.period_days
        response["NextRotationDate"] = key.rotation.next_date
    return Outcome(response)


async def _rotate(env: Env, call: Call, _request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    next_date = key.rotation.next_date
    if key.rotation.enabled and next_date is not None and next_date - call.time < CONFLICT_WINDOW:
        raise ServiceError(
            "ConflictException",
            f"An automatic rotation of {key.arn} is in progress or due within 20 minutes.",
        )
    materials = await env.view.list_materials(key.region, key.key_id, 0, _ALL)
    if sum(material.rotation_type == "ON_DEMAND" for material in materials) >= MAX_ON_DEMAND:
        raise errors.limit_exceeded(
            "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations "
            f"can be performed for this key: {key.arn}"
        )
    await rotate_key(env.view, env.store_of(key), key, now=call.time, rotation_type="ON_DEMAND")
    return Outcome({"KeyId": key.arn}, elements={"keyId": key.arn})


def _entry(key: Key, material: Material) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyMaterialId": material.material_id,
        "KeyMaterialState": "CURRENT" if material.material_id == key.current_material_id else "NON_CURRENT",
    }
    if material.rotation_type is not None:
        entry["RotationDate"] = material.rotation_date
        entry["RotationType"] = material.rotation_type
    return entry


def _sequence(last: str) -> int:
    """The sequence number in a marker. A marker is not signed, so a caller may have made it up."""
    if last and not _SEQUENCE.fullmatch(last):
        raise ServiceError("InvalidMarkerException", "The marker is not valid for this request.")
    return int(last or 0)


async def _list(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    limit = request.get("Limit", 100)
    everything = request.get("IncludeKeyMaterial", "ROTATIONS_ONLY") == "ALL_KEY_MATERIAL"
    scope = f"rotations:{key.arn}:{int(everything)}"
    after = _sequence(paging.after(scope, request.get("Marker")))
    if not everything:
        # The first material (sequence 1) is no rotation.
        after = max(after, 1)
    materials = await env.view.list_materials(key.region, key.key_id, after, limit + 1)
    response: dict[str, Any] = {
        "Rotations": [_entry(key, material) for material in materials[:limit]],
        "Truncated": len(materials) > limit,
    }
    if len(materials) > limit:
        response["NextMarker"] = paging.marker(scope, str(materials[limit - 1].sequence))
    return Outcome(response)


OPERATIONS = (
    Operation(
        "EnableKeyRotation",
        Mode.WRITE,
        on_key(),
        _enable,
        logged("KeyId", "RotationPeriodInDays"),
        read_only=False,
    ),
    Operation("DisableKeyRotation", Mode.WRITE, on_key(), _disable, logged("KeyId"), read_only=False),
    Operation("GetKeyRotationStatus", Mode.READ, on_key(), _status, logged("KeyId"), read_only=True),
    Operation("RotateKeyOnDemand", Mode.WRITE, on_key(), _rotate, logged("KeyId"), read_only=False),
    Operation(
        "ListKeyRotations",
        Mode.READ,
        on_key(),
        _list,
        logged("KeyId", "IncludeKeyMaterial", "Limit", "Marker"),
        read_only=True,
    ),
)
