"""EnableKey, DisableKey, ScheduleKeyDeletion and CancelKeyDeletion.

Source: KMS API reference, the operations of the same names; developer guide, "Key states".
"""

from __future__ import annotations

from dataclasses import replace

from hearthkms.core.clock import DAY, millis
from hearthkms.kms import errors
from hearthkms.kms.access import on_key
from hearthkms.kms.environment import Environment
from hearthkms.kms.model.key import Key, KeyState
from hearthkms.kms.model.state import check_state
from hearthkms.kms.ports import Repository
from hearthkms.service.call import Call
from hearthkms.service.operation import Mode, Needs, Operation, Outcome, Request, logged, lower_camel
from hearthkms.service.trail import date_text

Env = Environment[Repository]

MIN_WINDOW, MAX_WINDOW = 7, 30


async def _enable(env: Env, call: Call, _request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    if key.state is KeyState.DISABLED:
        await env.view.update_key(replace(key, state=KeyState.ENABLED))
    return Outcome(None, elements={"keyId": key.arn})


async def _disable(env: Env, call: Call, _request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    if key.state is KeyState.ENABLED:
        await env.view.update_key(replace(key, state=KeyState.DISABLED))
    return Outcome(None, elements={"keyId": key.arn})


def _check_window(request: Request) -> None:
    if not MIN_WINDOW <= request.get("PendingWindowInDays", MAX_WINDOW) <= MAX_WINDOW:
        raise errors.validation(f"PendingWindowInDays must be between {MIN_WINDOW} and {MAX_WINDOW}")


async def _schedule(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    days = request.get("PendingWindowInDays", MAX_WINDOW)
    deletion_date = millis(call.time + days * DAY)
    pending = replace(
        key,
        state=KeyState.PENDING_DELETION,
        deletion_date=deletion_date,
        pending_window_days=days,
    )
    await env.view.update_key(pending)
    response = {
        "KeyId": key.arn,
        "DeletionDate": deletion_date,
        "KeyState": pending.state.value,
        "PendingWindowInDays": days,
    }
    return Outcome(response, elements=lower_camel(response) | {"deletionDate": date_text(deletion_date)})


async def _cancel(env: Env, call: Call, _request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    await env.view.update_key(
        replace(key, state=KeyState.DISABLED, deletion_date=None, pending_window_days=None)
    )
    return Outcome({"KeyId": key.arn}, elements={"keyId": key.arn})


OPERATIONS = (
    Operation("EnableKey", Mode.WRITE, on_key(), _enable, logged("KeyId"), read_only=False),
    Operation("DisableKey", Mode.WRITE, on_key(), _disable, logged("KeyId"), read_only=False),
    Operation(
        "ScheduleKeyDeletion",
        Mode.WRITE,
        on_key(check=_check_window),
        _schedule,
        logged("KeyId", "PendingWindowInDays"),
        read_only=False,
    ),
    Operation("CancelKeyDeletion", Mode.WRITE, on_key(), _cancel, logged("KeyId"), read_only=False),
)
