"""CreateAlias, UpdateAlias, DeleteAlias and ListAliases.

Source: KMS API reference, the operations of the same names; error texts as observed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hearthkms.core import paging
from hearthkms.core.clock import millis
from hearthkms.core.errors import ServiceError
from hearthkms.core.ids import alias_arn
from hearthkms.kms import errors
from hearthkms.kms.access import find_key, on_account
from hearthkms.kms.environment import Environment
from hearthkms.kms.metadata import alias_entry, unused_alias_entry
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key
from hearthkms.kms.model.managed import PREDEFINED_ALIASES, PREFIX
from hearthkms.kms.model.state import check_state
from hearthkms.kms.ports import Repository
from hearthkms.service.call import Call
from hearthkms.service.operation import Demand, Mode, Needs, Operation, Outcome, Request, logged

Env = Environment[Repository]

MAX_LIST = 100
DEFAULT_LIST = 50


def _checked_name(request: Request) -> str:
    name: str = request["AliasName"]
    if not name.startswith("alias/") or name == "alias/":
        raise errors.validation(
            'Alias must start with the prefix "alias/". Please see '
            "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
        )
    if name.startswith(PREFIX):
        raise ServiceError("NotAuthorizedException")
    return name


def _demands(call: Call, name: str, *keys: Key) -> Needs:
    """Alias operations are demanded on the alias, by IAM, and on each key concerned."""
    action = f"kms:{call.operation}"
    arn = alias_arn(call.region, call.caller.account_id, name)
    demands = [Demand(action, None, arn), *(Demand(action, key, key.arn) for key in keys)]
    return Needs(tuple(demands), (*keys, AliasResource(call, name)))


class AliasResource:
    """An alias as the audit trail lists it among the resources of an event."""

    __slots__ = ("account_id", "arn")

    def __init__(self, call: Call, name: str) -> None:
        self.account_id = call.caller.account_id
        self.arn = alias_arn(call.region, self.account_id, name)


async def _existing(env: Env, call: Call, name: str) -> Alias:
    alias = await env.view.alias(call.region, call.caller.account_id, name)
    if alias is None:
        raise errors.no_such_alias(call.region, call.caller.account_id, name)
    return alias


async def _create_needs(env: Env, call: Call, request: Request) -> Needs:
    name = _checked_name(request)
    return _demands(call, name, await find_key(env, call, request["TargetKeyId"]))


async def _create(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    now = millis(call.time)
    alias = Alias(call.region, call.caller.account_id, request["AliasName"], key.key_id, now, now)
    if await env.view.alias(alias.region, alias.account_id, alias.name) is not None:
        raise errors.alias_exists(alias.arn)
    await env.view.insert_alias(alias)
    return Outcome(None)


async def _update_needs(env: Env, call: Call, request: Request) -> Needs:
    name = _checked_name(request)
    alias = await _existing(env, call, name)
    new = await find_key(env, call, request["TargetKeyId"])
    current = await env.view.key(alias.region, alias.target_key_id)
    return _demands(call, name, new, *([current] if current is not None and current != new else []))


async def _update(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    new: Key = needs.resources[0]
    check_state(call.operation, new)
    alias = await _existing(env, call, request["AliasName"])
    current = await env.view.key(alias.region, alias.target_key_id)
    if current is not None and (_family(current), current.usage) != (_family(new), new.usage):
        raise errors.validation(
            f"Alias {alias.arn} cannot be changed from a key of spec {current.spec} and usage "
            f"{current.usage} to a key of spec {new.spec} and usage {new.usage}."
        )
    await env.view.update_alias(replace(alias, target_key_id=new.key_id, last_updated_date=millis(call.time)))
    return Outcome(None)


def _family(key: Key) -> str:
    """Symmetric, HMAC or asymmetric: what an alias may not be moved between."""
    if key.spec == "SYMMETRIC_DEFAULT":
        return "symmetric"
    return "HMAC" if key.spec.startswith("HMAC") else "asymmetric"


async def _delete_needs(env: Env, call: Call, request: Request) -> Needs:
    name = _checked_name(request)
    alias = await _existing(env, call, name)
    key = await env.view.key(alias.region, alias.target_key_id)
    return _demands(call, name, *([key] if key is not None else []))


async def _delete(env: Env, call: Call, request: Request, _needs: Needs) -> Outcome:
    alias = await _existing(env, call, request["AliasName"])
    await env.view.delete_alias(alias.region, alias.account_id, alias.name)
    return Outcome(None)


async def _list_needs(env: Env, call: Call, request: Request) -> Needs:
    if "KeyId" not in request:
        return await on_account(env, call, request)
    key = await find_key(env, call, request["KeyId"])
    return Needs((Demand("kms:ListAliases", None),), (key,))


async def _list(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key | None = needs.resources[0] if needs.resources else None
    limit = request.get("Limit", DEFAULT_LIST)
    if limit > MAX_LIST:
        raise errors.over_limit(limit, MAX_LIST)
    region, account_id = call.region, call.caller.account_id
    scope = f"aliases:{region}:{account_id}:{key.key_id if key else ''}"
    after = paging.after(scope, request.get("Marker"))
    target = None if key is None else key.key_id
    found = await env.view.list_aliases(region, account_id, target, after, limit + 1)
    entries = {alias.name: alias_entry(alias) for alias in found}
    if key is None:
        # A page must not leave the names that stored aliases on later pages will stand between.
        last = found[-1].name if len(found) > limit else None
        for name in PREDEFINED_ALIASES:
            if name > after and (last is None or name <= last) and name not in entries:
                entries[name] = unused_alias_entry(region, account_id, name)
    page = sorted(entries)
    response: dict[str, Any] = {
        "Aliases": [entries[name] for name in page[:limit]],
        "Truncated": len(page) > limit,
    }
    if len(page) > limit:
        response["NextMarker"] = paging.marker(scope, page[limit - 1])
    return Outcome(response)


OPERATIONS = (
    Operation(
        "CreateAlias", Mode.WRITE, _create_needs, _create, logged("AliasName", "TargetKeyId"), read_only=False
    ),
    Operation(
        "UpdateAlias", Mode.WRITE, _update_needs, _update, logged("AliasName", "TargetKeyId"), read_only=False
    ),
    Operation("DeleteAlias", Mode.WRITE, _delete_needs, _delete, logged("AliasName"), read_only=False),
    Operation(
        "ListAliases",
        Mode.READ,
        _list_needs,
        _list,
        logged("KeyId", "Limit", "Marker"),
        read_only=True,
    ),
)
