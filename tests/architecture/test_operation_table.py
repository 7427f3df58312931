"""The operation table: every row demands something, and nothing happens before the demands are met."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.default_store import ACCOUNT, FRANKFURT, KEY_ID, OTHER_ID, new_setup
from tests.support.memory import MemoryRepository

from hearthkms.core.eager import finish
from hearthkms.core.errors import ServiceError
from hearthkms.kms.environment import Environment, Services
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.operations import OPERATIONS
from hearthkms.kms.ports import KeyView
from hearthkms.service.call import Call, Caller
from hearthkms.service.execute import Door
from hearthkms.service.operation import Mode, Needs, Operation, Outcome, Request
from hearthkms.service.trail import CallTrail, root_caller
from hearthkms.wire.model import Shape, load

ALIAS = "alias/here"
STRANGER = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/nobody", "IAMUser", "AIDA", "AKIA")
MODEL = load("kms")

ACTIONS = {
    "CreateKey": {"kms:CreateKey", "kms:TagResource"},
    "ReEncrypt": {"kms:ReEncryptFrom", "kms:ReEncryptTo"},
}
"""Operations that demand another action than the one they are named for, when their request asks for all."""

_NOT_TOGETHER = (
    "GrantTokens",
    "DryRun",
    "DryRunModifiers",
    "Marker",
    "CustomerMasterKeySpec",
    "CustomKeyStoreId",
    "XksKeyId",
)
"""Members that a request cannot have, or not beside its others: rules on them come before authorisation."""

names = pytest.mark.parametrize("name", sorted(OPERATIONS))


class _Place:
    """Two keys, an alias and a ciphertext in memory, and requests that are about them."""

    def __init__(self) -> None:
        setup = new_setup()
        self.repository = setup.repository
        key = setup.add_key(KEY_ID)
        setup.add_key(OTHER_ID)
        finish(self.repository.insert_alias(Alias(FRANKFURT, ACCOUNT, ALIAS, KEY_ID, 0.0, 0.0)))
        self.blob = setup.encrypt(key)
        self.services = Services({"AWS_KMS": setup.store}, setup.time, _nothing)

    def environment(self, view: KeyView) -> Environment[Any]:
        return Environment(view, self.services)

    def request(self, name: str) -> Request:
        """A request for `name` with every member that its model has."""
        request = {member: _example(shape) for member, shape in MODEL.input_shape(name).members.items()}
        known = {
            "KeyId": KEY_ID,
            "TargetKeyId": KEY_ID,
            "SourceKeyId": KEY_ID,
            "DestinationKeyId": OTHER_ID,
            "AliasName": ALIAS,
            "CiphertextBlob": self.blob,
            "NumberOfBytes": 32,
            "PendingWindowInDays": 7,
            "KeySpec": "SYMMETRIC_DEFAULT",
            "KeyUsage": "ENCRYPT_DECRYPT",
            "Origin": "AWS_KMS",
            "MultiRegion": False,
        }
        request.update({member: value for member, value in known.items() if member in request})
        for member in _NOT_TOGETHER:
            request.pop(member, None)
        if "KeySpec" in request and name.startswith("GenerateDataKey"):
            del request["KeySpec"]
        return request


async def _nothing(*_: object) -> Any:
    return None


def _example(shape: Shape) -> Any:
    if shape.enum:
        return shape.enum[0]
    match shape.kind:
        case "string":
            return "x" * (shape.minimum or 1)
        case "integer" | "long":
            return shape.minimum or 1
        case "boolean":
            return True
        case "blob":
            return b"x" * (shape.minimum or 1)
        case "list":
            assert shape.element is not None
            return [_example(shape.element)]
        case "map":
            assert shape.key is not None
            assert shape.element is not None
            return {_example(shape.key): _example(shape.element)}
        case "structure":
            return {member: _example(target) for member, target in shape.members.items()}
    raise AssertionError(f"no example of a {shape.kind}")


class _Transactions:
    """Runs work on the repository itself, which is enough for work that is refused."""

    def __init__(self, repository: MemoryRepository) -> None:
        self._repository = repository

    async def read(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        return await work(self._repository)

    write = read


class _Uses:
    def note(self, key: Any, call: Call, event_id: str) -> None:
        raise AssertionError("a refused call used a key")


def _call(name: str, caller: Caller) -> Call:
    return Call("request", name, FRANKFURT, caller, 1_700_000_000.0)


async def _resolved(operation: Operation, place: _Place, call: Call) -> Needs:
    environment = place.environment(place.repository)
    return await operation.resolve(environment, call, place.request(operation.name))


def _door(place: _Place, operation: Operation, records: list[bytes]) -> Door:
    return Door(
        {operation.name: operation},
        view=place.repository,
        bind=place.environment,
        transactions=_Transactions(place.repository),
        trail=CallTrail(records.append),
        uses=_Uses(),
        next_id=lambda: "event",
    )


@names
def test_the_row_is_of_an_operation_in_the_model(name: str) -> None:
    assert OPERATIONS[name].name == name
    assert name in MODEL.operation_names


@names
def test_what_writes_is_not_called_read_only(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation.read_only is (operation.mode is not Mode.WRITE)


@names
def test_resolving_gives_demands(name: str) -> None:
    place = _Place()
    operation = OPERATIONS[name]
    call = _call(name, root_caller(ACCOUNT, "AKIA"))
    needs = finish(_resolved(operation, place, call))
    assert {demand.action for demand in needs.demands} == ACTIONS.get(name, {f"kms:{name}"})
    for demand in needs.demands:
        assert demand.resource is None or demand.arn == demand.resource.arn


@names
def test_whom_nothing_allows_is_denied_before_anything_happens(name: str) -> None:
    place, records = _Place(), list[bytes]()
    handled: list[str] = []

    async def spy(*_: object) -> Outcome:
        handled.append(name)
        return Outcome({})

    door = _door(place, replace(OPERATIONS[name], handle=spy), records)
    with pytest.raises(ServiceError) as caught:
        finish(door.execute(_call(name, STRANGER), place.request(name)))
    assert caught.value.name == "AccessDeniedException"
    assert handled == []
    assert len(records) == 1
    assert b'"errorCode":"AccessDenied"' in records[0]


@names
def test_a_call_that_demands_nothing_is_denied(name: str) -> None:
    async def nothing(*_: object) -> Needs:
        return Needs(())

    async def handle(*_: object) -> Outcome:
        raise AssertionError("it was handled")

    place, records = _Place(), list[bytes]()
    door = _door(place, replace(OPERATIONS[name], resolve=nothing, handle=handle), records)
    with pytest.raises(ServiceError) as caught:
        finish(door.execute(_call(name, root_caller(ACCOUNT, "AKIA")), place.request(name)))
    assert caught.value.name == "AccessDeniedException"


@names
def test_the_record_shows_only_members_that_are_named(name: str) -> None:
    """Nothing of a request reaches the trail unless its row names it, and secrets never do."""
    place = _Place()
    request = place.request(name)
    shown = OPERATIONS[name].trail(request) or {}
    members = {member[0].lower() + member[1:] for member in request}
    assert set(shown) <= members
    assert set(shown).isdisjoint({"plaintext", "ciphertextBlob", "grantTokens", "recipient"})
    sensitive = {
        member[0].lower() + member[1:]
        for member, shape in MODEL.input_shape(name).members.items()
        if shape.sensitive
    }
    assert set(shown).isdisjoint(sensitive)
