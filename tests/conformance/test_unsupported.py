"""Operations that are not built yet say so; whatever is no operation at all is unknown."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.model import Shape
from tests.conformance.answers import refusal
from tests.conformance.calls import CALLS, WITHOUT_KEY, method

from hearthkms.kms.operations import OPERATIONS

MODEL = botocore.session.get_session().get_service_model("kms")
NOT_BUILT = sorted(set(MODEL.operation_names) - set(OPERATIONS))


def example(shape: Shape) -> Any:
    """A value that satisfies a shape's constraints, as far as types, enums and sizes go."""
    match shape.type_name:
        case "structure":
            return {member: example(shape.members[member]) for member in shape.required_members}
        case "list":
            return [example(shape.member)]
        case "string":
            return shape.enum[0] if shape.enum else "a" * shape.metadata.get("min", 1)
        case "blob":
            return b"a" * max(1, shape.metadata.get("min", 1))
        case "integer" | "long":
            return shape.metadata.get("min", 1)
        case "boolean":
            return True
    raise AssertionError(f"no example of a {shape.type_name}")


def test_every_operation_is_either_built_or_not() -> None:
    assert set(OPERATIONS) == set(CALLS) | WITHOUT_KEY
    assert set(OPERATIONS) <= set(MODEL.operation_names)
    assert len(OPERATIONS) + len(NOT_BUILT) == len(MODEL.operation_names)


@pytest.mark.parametrize("operation", NOT_BUILT)
def test_not_built(kms: Any, operation: str) -> None:
    shape = MODEL.operation_model(operation).input_shape
    parameters = {} if shape is None else example(shape)
    answer = refusal(method(kms, operation), **parameters)
    assert answer == ("UnsupportedOperationException", f"HearthKMS does not support {operation} yet.")
