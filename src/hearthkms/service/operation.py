"""Operation: a row of the table that the door runs. A row without demands does not load."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

import msgspec

from hearthkms.service.call import Call

Request = dict[str, Any]


class Mode(Enum):
    """Where an operation runs."""

    HOT = "on the worker's snapshot, in memory"
    READ = "in a read transaction"
    WRITE = "in a write transaction, with its audit record"


class Resource(Protocol):
    """What an action is demanded on, where it is more than `*`."""

    @property
    def arn(self) -> str:
        """Its ARN, which a denial names."""
        ...

    @property
    def account_id(self) -> str:
        """The account that owns it."""
        ...

    @property
    def manager(self) -> str:
        """`CUSTOMER`, or `AWS` where its policy is fixed."""
        ...

    @property
    def policy(self) -> str:
        """Its policy, as JSON text."""
        ...


class Demand(NamedTuple):
    """An action that the caller must be allowed. `resource` is None where IAM alone decides."""

    action: str
    resource: Resource | None
    arn: str = "*"


class Needs(msgspec.Struct, frozen=True):
    """What resolving a request found: the demands to authorise and the resources to work on.

    `resources` are recorded on the audit trail in this order; `detail` carries what the resolver parsed on
    the way (a ciphertext blob, say) to the handler. `denial` replaces the sentence that denies the first
    demand, where AWS does not tell the caller which resource it was.
    """

    demands: Sequence[Demand]
    resources: tuple[Any, ...] = ()
    detail: Any = None
    denial: Exception | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What a handler gives: the answer, and what the audit trail tells of it beyond the request."""

    response: Mapping[str, Any] | None
    elements: Mapping[str, Any] | None = None
    additional: Mapping[str, Any] | None = None
    resources: tuple[Any, ...] | None = None


Resolve = Callable[[Any, Call, Request], Awaitable[Needs]]
Handle = Callable[[Any, Call, Request, Needs], Awaitable[Outcome]]
Trail = Callable[[Request], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: how its request is resolved to demands, who handles it, and what is logged.

    `trail` picks the request members that the audit record shows: what it does not name is not logged.
    `cryptographic` operations note the keys they used.
    """

    name: str
    mode: Mode
    resolve: Resolve
    handle: Handle
    trail: Trail
    read_only: bool
    cryptographic: bool = False


def logged(*members: str) -> Trail:
    """A `trail` that shows these members as CloudTrail writes them, with a lower-case first letter."""
    names = [(member, _lower_camel(member)) for member in members]

    def trail(request: Request) -> Mapping[str, Any] | None:
        shown = {name: _shown(request[member]) for member, name in names if member in request}
        return shown or None

    return trail


def logged_flat(*members: str) -> Callable[[Request], dict[str, Any] | None]:
    """Like `logged`, for members whose values need no renaming inside: the hot path's."""
    names = [(member, _lower_camel(member)) for member in members]

    def trail(request: Request) -> dict[str, Any] | None:
        return {name: request[member] for member, name in names if member in request} or None

    return trail


def lower_camel(value: Any) -> Any:
    """`value` with the member names of its structures as CloudTrail writes them."""
    return _shown(value)


def _lower_camel(name: str) -> str:
    return name[0].lower() + name[1:]


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {_lower_camel(name): _shown(item) for name, item in value.items()}
    return value
