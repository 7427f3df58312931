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
from hearthkms.kms.access import denied_elsewhere, find_key, is_alias, on_account
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
    if ":" in name:
        # The model's pattern lets it through, so that the refusal is the service's own.
        raise errors.validation(f"{name} contains invalid characters for an alias")
    return name


def _needs(call: Call, name: str, target: Key | None, former: Key | None = None) -> Needs:
    """Alias operations are demanded on the alias, by IAM, and on each key concerned.

    `former` is the key that the alias leaves. The audit trail has two resources, the alias and its target, in
    the order of AWS's sample records; both keys go to the handler as the detail.
    """
    action = f"kms:{call.operation}"
    alias = AliasResource(call, name)
    keys = [key for key in (target, former) if key is not None]
    demands = [Demand(action, None, alias.arn), *(Demand(action, key, key.arn) for key in keys)]
    shown = (*keys[:1], alias) if call.operation == "CreateAlias" else (alias, *keys[:1])
    return Needs(tuple(demands), shown, (target, former))


def _done(key: Key | None) -> Outcome:
    """The operations give nothing, but their records name the key."""
    return Outcome(None, elements=None if key is None else {"keyId": key.arn})


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


async def _target(env: Env, call: Call, request: Request) -> Key:
    given: str = request["TargetKeyId"]
    if is_alias(given):
        raise errors.alias_of_alias()
    return await find_key(env, call, given)


async def _create_needs(env: Env, call: Call, request: Request) -> Needs:
    name = _checked_name(request)
    return _needs(call, name, await _target(env, call, request))


async def _create(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.detail[0]
    check_state(call.operation, key)
    now = millis(call.time)
    alias = Alias(call.region, call.caller.account_id, request["AliasName"], key.key_id, now, now)
    if await env.view.alias(alias.region, alias.account_id, alias.name) is not None:
        raise errors.alias_exists(alias.arn)
    await env.view.insert_alias(alias)
    return _done(key)


async def _update_needs(env: Env, call: Call, request: Request) -> Needs:
    name = _checked_name(request)
    alias = await _existing(env, call, name)
    new = await _target(env, call, request)
    return _needs(call, name, new, await env.view.key(alias.region, alias.target_key_id))


async def _update(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    new: Key = needs.detail[0]
    current: Key | None = needs.detail[1]
    check_state(call.operation, new)
    alias = await _existing(env, call, request["AliasName"])
    if current is not None and (_family(current), current.usage) != (_family(new), new.usage):
        raise errors.validation(
            f"Alias {alias.arn} cannot be changed from a key of spec {current.spec} and usage "
            f"{current.usage} to a key of spec {new.spec} and usage {new.usage}."
        )
    await env.view.update_alias(replace(alias, target_key_id=new.key_id, last_updated_date=millis(call.time)))
    return _done(new)


def _family(key: Key) -> str:
    """Symmetric, HMAC or asymmetric: what an alias may not be moved between."""
    if key.spec == "SYMMETRIC_DEFAULT":
        return "symmetric"
    return "HMAC" if key.spec.startswith("HMAC") else "asymmetric"


async def _delete_needs(env: Env, call: Call, request: Request) -> Needs:
    name = _checked_name(request)
    alias = await _existing(env, call, name)
    return _needs(call, name, await env.view.key(alias.region, alias.target_key_id))


async def _delete(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    alias = await _existing(env, call, request["AliasName"])
    await env.view.delete_alias(alias.region, alias.account_id, alias.name)
    return _done(needs.detail[0])


async def _list_needs(env: Env, call: Call, request: Request) -> Needs:
    limit = request.get("Limit", DEFAULT_LIST)
    if limit > MAX_LIST:
        raise errors.over_limit(limit, MAX_LIST)
    if "KeyId" not in request:
        return await on_account(env, call, request)
    key = await find_key(env, call, request["KeyId"])
    if key.account_id != call.caller.account_id:
        # Nobody lists the aliases of another account, and no demand on the key would say so.
        raise denied_elsewhere(call, key.arn)
    return Needs((Demand("kms:ListAliases", None),), (key,))


async def _list(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key | None = needs.resources[0] if needs.resources else None
    limit = request.get("Limit", DEFAULT_LIST)
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
