"""From what a request calls a key to the key itself, and to the demands that come with it.

Source: KMS API reference, the KeyId parameter of each operation; error texts as observed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hearthkms.core.errors import ServiceError
from hearthkms.core.ids import PARTITION, Arn, alias_arn, is_key_id, key_arn
from hearthkms.kms import errors
from hearthkms.kms.environment import Environment
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key
from hearthkms.kms.model.managed import PREDEFINED_ALIASES
from hearthkms.service.call import Call
from hearthkms.service.operation import Demand, Needs, Request, Resolve

_REMEMBERED = 100_000


async def find_key(env: Environment[Any], call: Call, given: str, *, aliases: bool = False) -> Key:
    """The key that `given` names: an id, a key ARN and, with `aliases`, an alias name or alias ARN.

    Raises ServiceError with AWS's text for each way to miss: NotFoundException, and InvalidArnException for
    an alias where none is taken. A key of another account that does not exist is denied, not missing, so that
    nobody learns which keys others have.
    """
    region, account_id = call.region, call.caller.account_id
    if given.startswith("alias/"):
        if not aliases:
            raise errors.aliases_not_taken()
        return await _behind_alias(env, call, account_id, given)
    if not given.startswith("arn:"):
        return await _by_id(env, call, account_id, given, given)
    arn = Arn.parse(given)
    if arn is None or arn.service != "kms" or arn.partition != PARTITION:
        raise errors.invalid_arn(given)
    if arn.region != region:
        raise errors.invalid_arn(arn.region)
    if arn.resource.startswith("key/"):
        return await _by_id(env, call, arn.account_id, arn.resource[4:], given)
    if not arn.resource.startswith("alias/"):
        raise errors.invalid_key_id(given)
    if not aliases:
        raise errors.aliases_not_taken()
    return await _behind_alias(env, call, arn.account_id, arn.resource)


def is_alias(given: str) -> bool:
    """Whether a request names an alias, by its name or its ARN."""
    if given.startswith("arn:"):
        arn = Arn.parse(given)
        return arn is not None and arn.resource.startswith("alias/")
    return given.startswith("alias/")


async def _by_id(env: Environment[Any], call: Call, account_id: str, key_id: str, given: str) -> Key:
    if not is_key_id(key_id):
        raise errors.invalid_key_id(given)
    key: Key | None = await env.view.key(call.region, key_id)
    if key is not None and key.account_id == account_id:
        return key
    if account_id != call.caller.account_id:
        raise denied_elsewhere(call, key_arn(call.region, account_id, key_id))
    raise errors.no_such_key(call.region, account_id, key_id)


async def _behind_alias(env: Environment[Any], call: Call, account_id: str, name: str) -> Key:
    alias: Alias | None = await env.view.alias(call.region, account_id, name)
    if alias is None and account_id == call.caller.account_id and name in PREDEFINED_ALIASES:
        alias = await env.services.make_managed(call.region, account_id, name)
    key: Key | None = None if alias is None else await env.view.key(call.region, alias.target_key_id)
    if key is not None:
        return key
    if account_id != call.caller.account_id:
        raise denied_elsewhere(call, alias_arn(call.region, account_id, name))
    raise errors.no_such_alias(call.region, account_id, name)


def denied_elsewhere(call: Call, arn: str) -> ServiceError:
    """The denial for a resource of another account, whether it exists or not."""
    return ServiceError(
        "AccessDeniedException",
        f"User: {call.caller.arn} is not authorized to perform: kms:{call.operation} on resource: {arn} "
        "because the resource does not exist in this Region, no resource-based policies allow access, "
        "or a resource-based policy explicitly denies access",
    )


def needs_of(call: Call, key: Key) -> Needs:
    """The need to do this call's operation on one key."""
    return Needs((Demand(f"kms:{call.operation}", key, key.arn),), (key,))


async def use_of(env: Environment[Any], call: Call, given: str) -> Needs:
    """The need to use the key that `given` names, in any of its forms; remembered while nothing changes."""
    memo = env.view.memo
    place = (call.operation, call.region, call.caller.account_id, given)
    needs: Needs | None = memo.get(place)
    if needs is None:
        needs = needs_of(call, await find_key(env, call, given, aliases=True))
        if len(memo) < _REMEMBERED:
            memo[place] = needs
    return needs


def on_key(*, aliases: bool = False, check: Callable[[Request], None] | None = None) -> Resolve:
    """A resolver for operations on the one key that `KeyId` names.

    `check` holds the rules for the other parameters that the model does not tell: AWS looks at them before it
    looks for the key.
    """

    async def resolve(env: Environment[Any], call: Call, request: Request) -> Needs:
        if check is not None:
            check(request)
        return needs_of(call, await find_key(env, call, request["KeyId"], aliases=aliases))

    return resolve


async def on_account(_env: Environment[Any], call: Call, _request: Request) -> Needs:
    """A resolver for operations on no key: IAM alone decides."""
    return Needs((Demand(f"kms:{call.operation}", None),))


def refuse_grant_tokens(request: Request) -> None:
    """Raise InvalidGrantTokenException where grant tokens are given: none has been issued."""
    if request.get("GrantTokens"):
        raise ServiceError("InvalidGrantTokenException", "The specified grant token is not valid.")
