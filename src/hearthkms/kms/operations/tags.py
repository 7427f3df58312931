"""TagResource, UntagResource and ListResourceTags.

Source: KMS API reference, the operations of the same names.
"""

from __future__ import annotations

from typing import Any

from hearthkms.core import paging
from hearthkms.kms import errors
from hearthkms.kms.access import on_key
from hearthkms.kms.environment import Environment
from hearthkms.kms.model.key import Key
from hearthkms.kms.model.state import check_state
from hearthkms.kms.ports import Repository
from hearthkms.kms.tags import MAX_TAGS, checked_tags, refuse_reserved
from hearthkms.service.call import Call
from hearthkms.service.operation import Mode, Needs, Operation, Outcome, Request, logged

Env = Environment[Repository]

DEFAULT_LIST = MAX_LIST = 50


def _check_tags(request: Request) -> None:
    checked_tags(request["Tags"])


def _check_tag_keys(request: Request) -> None:
    refuse_reserved(request["TagKeys"])


def _check_limit(request: Request) -> None:
    limit = request.get("Limit", DEFAULT_LIST)
    if limit > MAX_LIST:
        raise errors.over_limit(limit, MAX_LIST)


async def _tag(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    tags = checked_tags(request["Tags"])
    existing = await env.view.list_tags(key.region, key.key_id, "", MAX_TAGS + 1)
    if len({name for name, _ in existing} | set(tags)) > MAX_TAGS:
        raise errors.tag("Too many tags")
    await env.view.put_tags(key.region, key.key_id, tags)
    return Outcome(None, elements={"keyId": key.arn})


async def _untag(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_state(call.operation, key)
    await env.view.delete_tags(key.region, key.key_id, request["TagKeys"])
    return Outcome(None, elements={"keyId": key.arn})


async def _list(env: Env, _call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    limit = request.get("Limit", DEFAULT_LIST)
    scope = f"tags:{key.arn}"
    after = paging.after(scope, request.get("Marker"))
    tags = await env.view.list_tags(key.region, key.key_id, after, limit + 1)
    response: dict[str, Any] = {
        "Tags": [{"TagKey": name, "TagValue": value} for name, value in tags[:limit]],
        "Truncated": len(tags) > limit,
    }
    if len(tags) > limit:
        response["NextMarker"] = paging.marker(scope, tags[limit - 1][0])
    return Outcome(response)


OPERATIONS = (
    Operation(
        "TagResource", Mode.WRITE, on_key(check=_check_tags), _tag, logged("KeyId", "Tags"), read_only=False
    ),
    Operation(
        "UntagResource",
        Mode.WRITE,
        on_key(check=_check_tag_keys),
        _untag,
        logged("KeyId", "TagKeys"),
        read_only=False,
    ),
    Operation(
        "ListResourceTags",
        Mode.READ,
        on_key(check=_check_limit),
        _list,
        logged("KeyId", "Limit", "Marker"),
        read_only=True,
    ),
)
