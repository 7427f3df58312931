"""The typed pass and the step-by-step reading agree, and no body makes the codec raise anything else."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hearthkms.core.errors import ServiceError
from hearthkms.core.secret import Secret
from hearthkms.wire.decode import Decoder, read, request_type
from hearthkms.wire.encode import encode, encode_error
from hearthkms.wire.model import Shape, load
from hearthkms.wire.validate import expression

MODELS = {name: load(name) for name in ("kms", "cloudhsmv2")}
pytestmark = pytest.mark.soak
LONGER = 50 if os.environ.get("HEARTHKMS_SOAK") else 1
OPERATIONS = [(name, operation) for name, model in MODELS.items() for operation in model.operation_names]

# None of these can be read as another type than its own, unlike 1.5 (an integer) or "yes" (a boolean).
FOREIGN: st.SearchStrategy[Any] = st.sampled_from([7, True, "maybe", [], {}, [1], {"a": {}}])
LENIENT: st.SearchStrategy[Any] = st.sampled_from(
    [None, 1.5, 10.0, -0.5, 1e30, "yes", "0", "TRUE", "", "AAAA"]
)


def lengths(shape: Shape) -> st.SearchStrategy[int]:
    """Lengths at, inside and beyond the shape's bounds."""
    low, high = shape.minimum or 0, shape.maximum if shape.maximum is not None else 12
    near = {low - 1, low, low + 1, high - 1, high, high + 1}
    return st.sampled_from(sorted(length for length in near if length >= 0)) | st.integers(
        low, min(high, low + 12)
    )


def texts(shape: Shape) -> st.SearchStrategy[str]:
    if shape.enum:
        return st.sampled_from(
            [*shape.enum, *shape.enum, "", "x", shape.enum[0].lower(), shape.enum[0] + "\n"]
        )
    letters = st.sampled_from(["a", "1", "/", "A", " ", "\n", "é", "\u0100", "\U0001f600", "\0"])
    repeated = st.builds(lambda letter, length: letter * length, letters, lengths(shape))
    if shape.pattern is None:
        return repeated | st.text(max_size=8)
    fitting = st.from_regex(expression(shape.pattern).removeprefix("(?a)"))
    return fitting | st.builds(lambda text, letter: text + letter, fitting, letters) | repeated


def values(shape: Shape, odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """JSON values near what `shape` takes; one in ten or so is `odd`."""
    kind = shape.kind
    if kind == "structure":
        usual: st.SearchStrategy[Any] = structures(shape, odd)
    elif shape.key is not None and shape.element is not None:
        usual = st.dictionaries(values(shape.key, st.just("a")), values(shape.element, odd), max_size=4)
    elif shape.element is not None:
        element = values(shape.element, odd)
        usual = lengths(shape).flatmap(lambda size: st.lists(element, min_size=size, max_size=size))
    elif kind == "string":
        usual = texts(shape)
    elif kind == "blob":
        usual = lengths(shape).map(lambda size: base64.b64encode(bytes(size)).decode())
    elif kind == "boolean":
        usual = st.booleans()
    elif kind == "timestamp":
        usual = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
    else:
        bounds = [bound for bound in (shape.minimum, shape.maximum) if bound is not None]
        edges = {bound + step for bound in bounds for step in (-1, 0, 1)} | {
            0,
            2**31 - 1,
            2**31,
            -(2**31) - 1,
        }
        usual = st.sampled_from(sorted(edges)) | st.integers(1, 50)
    return st.integers(0, 11).flatmap(lambda roll: odd if roll == 11 else usual)


def structures(shape: Shape, odd: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    members = {name: values(member, odd) for name, member in shape.members.items()}
    required = {name: members[name] for name in members if name in shape.required}
    optional = {name: members[name] for name in members if name not in shape.required}
    whole = st.fixed_dictionaries(required, optional=optional | {"Unknown": st.text(max_size=3)})
    return whole | whole | st.fixed_dictionaries({}, optional=members)


def outcome(reading: Any, *arguments: Any) -> Any:
    try:
        return reading(*arguments)
    except ServiceError as error:
        return error.name, error.message


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_the_typed_pass_accepts_exactly_what_the_second_reading_accepts(name: str, operation: str) -> None:
    shape = MODELS[name].input_shape(operation)
    typed = msgspec.json.Decoder(request_type(shape)).decode

    @settings(max_examples=20 * LONGER, deadline=None, database=None)
    @given(structures(shape, FOREIGN), st.booleans())
    def agree(parameters: dict[str, Any], escaped: bool) -> None:
        body = json.dumps(parameters, ensure_ascii=escaped).encode()
        slow = outcome(read, shape, body)
        try:
            assert typed(body) == slow
        except msgspec.ValidationError:
            assert isinstance(slow, tuple)

    agree()


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_lenient_spellings_are_read_the_same_way_by_both(name: str, operation: str) -> None:
    shape = MODELS[name].input_shape(operation)
    decoder = Decoder(MODELS[name], operation)

    @settings(max_examples=8 * LONGER, deadline=None, database=None)
    @given(structures(shape, LENIENT))
    def agree(parameters: dict[str, Any]) -> None:
        body = json.dumps(parameters).encode()
        assert outcome(decoder, body) == outcome(read, shape, body)

    agree()


PIECES = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"1e999",
    b"-",
    b"\\ud800",
    b"\\u0000",
    b"\xff",
    b"\x00",
    b"NaN",
]


@st.composite
def bodies(draw: st.DrawFn, shape: Shape) -> bytes:
    """Bytes that were a request once, and bytes that never were."""
    if draw(st.integers(0, 5)) == 5:
        return draw(st.binary(max_size=60))
    body = bytearray(json.dumps(draw(structures(shape, FOREIGN | LENIENT))).encode())
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        body[start : start + draw(st.integers(0, 3))] = draw(st.sampled_from(PIECES) | st.binary(max_size=3))
    return bytes(body)


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_any_body_has_one_defined_answer(name: str, operation: str) -> None:
    shape = MODELS[name].input_shape(operation)
    decoder = Decoder(MODELS[name], operation)

    @settings(max_examples=20 * LONGER, deadline=None, database=None)
    @given(bodies(shape))
    def answer(body: bytes) -> None:
        answered = outcome(decoder, body)
        assert answered == outcome(read, shape, body)
        if isinstance(answered, tuple):
            assert answered[0] in ("SerializationException", "ValidationException")
            json.loads(encode_error(*answered))
        else:
            json.loads(encode(answered))

    answer()


ANSWERS = st.recursive(
    st.text()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, database=None)
@given(st.dictionaries(st.text(), ANSWERS, max_size=4), st.binary(), st.booleans())
def test_answers_are_json_of_the_same_values(answer: dict[str, Any], blob: bytes, secret: bool) -> None:
    body = encode({**answer, "Blob": Secret(blob) if secret else blob})
    assert json.loads(body) == {**answer, "Blob": base64.b64encode(blob).decode()}
