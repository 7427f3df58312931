"""RotateKeyOnDemand within 20 minutes of an automatic rotation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.default_store import ACCOUNT, FRANKFURT, KEY_ID, Setup, new_setup

from hearthkms.core.eager import finish
from hearthkms.core.errors import ServiceError
from hearthkms.kms.environment import Environment, Services
from hearthkms.kms.model.key import Rotation
from hearthkms.kms.operations import OPERATIONS
from hearthkms.service.call import Call
from hearthkms.service.trail import root_caller

MINUTE = 60.0


async def _none(*_: object) -> Any:
    raise AssertionError("no managed key is asked for")


def rotate(setup: Setup, rotation: Rotation) -> str | None:
    """The name of the error with which the rotation is refused; None where it happens."""
    key = replace(setup.add_key(KEY_ID), rotation=rotation)
    finish(setup.repository.update_key(key))
    operation = OPERATIONS["RotateKeyOnDemand"]
    environment = Environment(setup.repository, Services({"AWS_KMS": setup.store}, setup.time, _none))
    call = Call("request", operation.name, FRANKFURT, root_caller(ACCOUNT, "AKIA"), setup.time())
    request = {"KeyId": KEY_ID}
    needs = finish(_resolve(operation, environment, call, request))
    try:
        finish(_handle(operation, environment, call, request, needs))
    except ServiceError as error:
        assert setup.repository.keys[FRANKFURT, KEY_ID] == key, "a refused rotation changed the key"
        return error.name
    return None


async def _resolve(operation: Any, *arguments: Any) -> Any:
    return await operation.resolve(*arguments)


async def _handle(operation: Any, *arguments: Any) -> Any:
    return await operation.handle(*arguments)


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (24 * 60, None),
        (20.01, None),
        (20, None),
        (19.99, "ConflictException"),
        (0, "ConflictException"),
        (-5, "ConflictException"),
    ],
)
def test_how_near(minutes: float, expected: str | None) -> None:
    """What is overdue is about to happen, or happening."""
    setup = new_setup()
    assert rotate(setup, Rotation(True, 90, setup.time() + minutes * MINUTE)) == expected


def test_without_automatic_rotation() -> None:
    assert rotate(new_setup(), Rotation()) is None
