"""A service's API model: operations, shapes, constraints and errors, read from the data in botocore."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

SIZED_KINDS = frozenset({"string", "blob", "list", "map"})
"""Kinds of shape whose `minimum` and `maximum` bound a length; for all others they bound the value."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One shape of the model, with the constraints that the service enforces on it.

    `kind` is the type as botocore names it (`structure`, `list`, `map`, `string`, `blob`, `integer`, `long`,
    `boolean`, `timestamp`, ...). `element` is what a list holds, or a map's values; `key` is a map's key.
    `members` and `required` belong to structures. `pattern` is a Java regular expression.
    """

    name: str
    kind: str
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    sensitive: bool = False
    members: Mapping[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    key: Shape | None = None
    element: Shape | None = None


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """An exception of the model: whether the fault is the service's, and how its message member is spelt."""

    name: str
    fault: bool
    message_member: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what it takes (an empty structure if nothing) and what it gives (None if void)."""

    name: str
    input: Shape
    output: Shape | None


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """What the wire needs to know of one AWS JSON service.

    `target_prefix` stands before the operation in `X-Amz-Target`; `signing_name` is the service in SigV4's
    credential scope, which need not be the service's own name.
    """

    service: str
    target_prefix: str
    signing_name: str
    json_version: str
    operations: Mapping[str, Operation]
    errors: Mapping[str, ErrorShape]

    @property
    def operation_names(self) -> tuple[str, ...]:
        """The operations' names, in the model's order."""
        return tuple(self.operations)

    def input_shape(self, operation: str) -> Shape:
        """What `operation` takes. Raises KeyError where the service has no such operation."""
        return self.operations[operation].input

    def output_shape(self, operation: str) -> Shape | None:
        """What `operation` returns, or None. Raises KeyError where the service has no such operation."""
        return self.operations[operation].output


def load(service: str) -> ServiceModel:
    """The newest model of `service` (`kms`, `cloudhsmv2`) that the installed botocore carries.

    The data file is read directly: botocore's own loader would bring its HTTP client into every worker, and
    would let a file under `~/.aws/models` change the contract. Raises ValueError where the service does not
    speak AWS JSON, and FileNotFoundError where botocore has no model of it.
    """
    raw = _read(service)
    metadata = raw.metadata
    if "json" not in (metadata.protocols or [metadata.protocol]) or not metadata.target_prefix:
        raise ValueError(f"the service {service} does not speak AWS JSON")
    shapes = _Shapes(raw.shapes)
    nothing = Shape("Nothing", "structure")
    return ServiceModel(
        service=service,
        target_prefix=metadata.target_prefix,
        signing_name=metadata.signing_name or metadata.endpoint_prefix,
        json_version=metadata.json_version,
        operations={
            name: Operation(
                name,
                shapes.build(operation.input) if operation.input else nothing,
                shapes.build(operation.output) if operation.output else None,
            )
            for name, operation in raw.operations.items()
        },
        errors={name: _error(name, shape) for name, shape in raw.shapes.items() if shape.exception},
    )


class _Reference(msgspec.Struct):
    shape: str


class _RawShape(msgspec.Struct):
    type: str
    members: dict[str, _Reference] = {}
    required: frozenset[str] = frozenset()
    member: _Reference | None = None
    key: _Reference | None = None
    value: _Reference | None = None
    min: int | None = None
    max: int | None = None
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    sensitive: bool = False
    exception: bool = False
    fault: bool = False


class _RawOperation(msgspec.Struct):
    input: _Reference | None = None
    output: _Reference | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    endpoint_prefix: str
    protocol: str
    protocols: list[str] = []
    target_prefix: str = ""
    signing_name: str = ""
    json_version: str = ""


class _RawModel(msgspec.Struct):
    metadata: _Metadata
    operations: dict[str, _RawOperation]
    shapes: dict[str, _RawShape]


class _Shapes:
    """Builds shapes by name, each once; what is under way is held as None."""

    def __init__(self, raw: Mapping[str, _RawShape]) -> None:
        self._raw = raw
        self._built: dict[str, Shape | None] = {}

    def build(self, reference: _Reference) -> Shape:
        name = reference.shape
        if name in self._built:
            known = self._built[name]
            if known is None:
                raise ValueError(f"the shape {name} contains itself, which no request of these services does")
            return known
        self._built[name] = None
        raw = self._raw[name]
        element = raw.member or raw.value
        shape = Shape(
            name=name,
            kind=raw.type,
            minimum=raw.min,
            maximum=raw.max,
            pattern=raw.pattern,
            enum=raw.enum,
            sensitive=raw.sensitive,
            members={member: self.build(target) for member, target in raw.members.items()},
            required=raw.required,
            key=self.build(raw.key) if raw.key else None,
            element=self.build(element) if element else None,
        )
        self._built[name] = shape
        return shape


def _error(name: str, raw: _RawShape) -> ErrorShape:
    spelling = next((member for member in raw.members if member.lower() == "message"), None)
    return ErrorShape(name, raw.fault, spelling)


def _read(service: str) -> _RawModel:
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("botocore is not installed")
    found = sorted((Path(spec.origin).parent / "data" / service).glob("*/service-2.json.gz"))
    if not found:
        raise FileNotFoundError(f"botocore has no model of the service {service}")
    return msgspec.json.decode(gzip.decompress(found[-1].read_bytes()), type=_RawModel)
