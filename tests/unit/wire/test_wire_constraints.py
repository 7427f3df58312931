"""The whole model: every constraint of every member of every operation, each broken alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.model
import pytest
import wire_contract as contract

from hearthkms.core.errors import ServiceError
from hearthkms.wire.decode import Decoder
from hearthkms.wire.model import load

MODELS = {name: load(name) for name in contract.SERVICES}


def _all_rules(shape: botocore.model.Shape) -> list[tuple[str, Any]]:
    limits = shape.metadata
    measure, size = ("value", int) if shape.type_name == "integer" else ("length", len)
    found: list[tuple[str, Any]] = []
    if "max" in limits:
        rule = f"Member must have {measure} less than or equal to {limits['max']}"
        found.append((rule, lambda value: size(value) <= limits["max"]))
    if "min" in limits:
        rule = f"Member must have {measure} greater than or equal to {limits['min']}"
        found.append((rule, lambda value: size(value) >= limits["min"]))
    if "enum" in limits:
        rule = f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
        found.append((rule, lambda value: value in limits["enum"]))
    if "pattern" in limits:
        rule = f"Member must satisfy regular expression pattern: {limits['pattern']}"
        found.append((rule, lambda value: contract.java_matches(limits["pattern"], value)))
    return found


def _bad_values(shape: botocore.model.Shape) -> Iterator[Any]:
    limits, fits = shape.metadata, contract.sample(shape)
    if "max" in limits:
        beyond = limits["max"] + 1
        if shape.type_name == "map":
            yield {f"{key}{number}": value for key, value in fits.items() for number in range(beyond)}
        else:
            yield beyond if shape.type_name == "integer" else (fits * beyond)[:beyond]
    if limits.get("min", 0) > 0:
        yield limits["min"] - 1 if shape.type_name == "integer" else fits[: limits["min"] - 1]
    if "enum" in limits:
        yield "NO_SUCH_VALUE"
    if "pattern" in limits:
        yield contract.EXAMPLES[shape.name][1]


def _shown(shape: botocore.model.Shape, value: Any) -> str:
    kinds = [shape, *([shape.member] if shape.type_name == "list" else [])]
    if any(
        part.metadata.get("sensitive") or part.type_name in ("blob", "structure", "map") for part in kinds
    ):
        return "Value"
    return f"Value '[{', '.join(value)}]'" if isinstance(value, list) else f"Value '{value}'"


def _violations(shape: botocore.model.Shape, good: Any, path: str) -> Iterator[tuple[Any, list[str]]]:
    """Values like `good` with one constraint broken, each with the violations to expect."""
    for name, member in shape.members.items():
        at = f"{path}{name[0].lower()}{name[1:]}"
        if name in shape.metadata.get("required", []):
            null = "Value" if member.metadata.get("sensitive") else "Value null"
            without = {key: value for key, value in good.items() if key != name}
            yield without, [f"{null} at '{at}' failed to satisfy constraint: Member must not be null"]
        for bad in _bad_values(member):
            broken = [rule for rule, holds in _all_rules(member) if not holds(bad)]
            assert broken
            shown = _shown(member, bad)
            yield (
                {**good, name: bad},
                [f"{shown} at '{at}' failed to satisfy constraint: {rule}" for rule in broken],
            )
        if member.type_name == "structure":
            for inner, texts in _violations(member, good[name], f"{at}."):
                yield {**good, name: inner}, texts
        elif member.type_name == "list" and member.member.type_name == "structure":
            for inner, texts in _violations(member.member, good[name][0], f"{at}.2.member."):
                yield {**good, name: [good[name][0], inner]}, texts
        elif member.type_name == "list":
            rules = ", ".join(rule for rule, _ in _all_rules(member.member))
            for bad in _bad_values(member.member):
                value = [good[name][0], bad]
                text = f"{_shown(member, value)} at '{at}' failed to satisfy constraint: "
                yield {**good, name: value}, [f"{text}Member must satisfy constraint: [{rules}]"]


@pytest.mark.parametrize(("name", "operation"), contract.operations())
def test_every_constraint_of_the_model(name: str, operation: str) -> None:
    decode = Decoder(MODELS[name], operation)
    shape = contract.service(name).operation_model(operation).input_shape
    for parameters, expected in _violations(shape, contract.sample(shape), ""):
        with pytest.raises(ServiceError) as caught:
            decode(contract.serialise(name, operation, parameters))
        assert caught.value.name == "ValidationException"
        count = f"{len(expected)} validation error{'s' if len(expected) > 1 else ''} detected: "
        assert caught.value.message == count + "; ".join(expected)


def test_the_model_has_as_many_constraints_as_it_is_tested_for() -> None:
    tested = sum(
        1
        for name, operation in contract.operations()
        for shape in [contract.service(name).operation_model(operation).input_shape]
        for _ in _violations(shape, contract.sample(shape), "")
    )
    assert tested > 500
