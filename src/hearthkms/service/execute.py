"""The door: every operation is resolved, authorised, executed and audited here, and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from hearthkms.core.errors import (
    AuditUnavailableError,
    HearthError,
    SealedError,
    ServiceError,
    StorageUnavailableError,
    UnconfirmedError,
)
from hearthkms.iam.evaluate import Deny, evaluate
from hearthkms.service.call import Call
from hearthkms.service.operation import Demand, Mode, Needs, Operation, Outcome, Request

_LOG = logging.getLogger(__name__)

UNAVAILABLE = "KMSInternalException"


class Transaction(Protocol):
    """A transaction that can also keep the audit record of what it changes."""

    async def record(self, event: bytes) -> None:
        """Append an audit record to the ledger, in this transaction."""
        ...


Work = Callable[[Any], Awaitable[Any]]


class Transactions(Protocol):
    """Running work in transactions. What `write` returns from is committed and seen by every worker."""

    async def read(self, work: Any) -> Any:
        """What `work` gives, run in a transaction that changes nothing."""
        ...

    async def write(self, work: Any) -> Any:
        """What `work` gives, once what it changed is committed."""
        ...


class Trail(Protocol):
    """Making audit records, and keeping those that belong to no change."""

    def event(
        self,
        event_id: str,
        call: Call,
        operation: Operation,
        request: Request,
        resources: tuple[Any, ...],
        outcome: Outcome | None,
        error: ServiceError | None,
    ) -> bytes:
        """The audit record of one call, encoded."""
        ...

    def append(self, event: bytes) -> None:
        """Put a record on the worker's log; it is written before the answers of this moment leave."""
        ...


class Uses(Protocol):
    """Where the last cryptographic use of each key is noted."""

    def note(self, key: Any, call: Call, event_id: str) -> None:
        """Note that `call`, recorded as `event_id`, used `key`."""
        ...


class Door:
    """Runs operations.

    `bind` makes the environment of a handler from a view of the keys: the worker's snapshot, which `view` is,
    or a transaction.
    """

    def __init__(
        self,
        operations: Mapping[str, Operation],
        *,
        view: Any,
        bind: Callable[[Any], Any],
        transactions: Transactions,
        trail: Trail,
        uses: Uses,
        next_id: Callable[[], str],
    ) -> None:
        for operation in operations.values():
            if operation.resolve is None or operation.handle is None:
                raise TypeError(f"{operation.name} has no demands or no handler")
        self._operations = operations
        self._hot = bind(view)
        self._bind = bind
        self._transactions = transactions
        self._trail = trail
        self._uses = uses
        self._next_id = next_id

    def has(self, name: str) -> bool:
        """Whether the operation is built."""
        return name in self._operations

    async def execute(self, call: Call, request: Request) -> Mapping[str, Any] | None:
        """Run one operation and give its answer.

        Raises ServiceError, audited, for whatever the caller is to be told.
        """
        operation = self._operations[call.operation]
        event_id = self._next_id()
        progress = _Progress()
        try:
            if operation.mode is Mode.HOT:
                # As in `_run`, without the price of another coroutine.
                hot = self._hot
                needs = await operation.resolve(hot, call, request)
                resources = progress.resources = needs.resources
                authorise(call, needs)
                outcome = await operation.handle(hot, call, request, needs)
                trail = self._trail
                trail.append(trail.event(event_id, call, operation, request, resources, outcome, None))
            else:
                outcome = await self._transact(operation, call, request, event_id, progress)
        except ServiceError as error:
            self._refused(event_id, call, operation, request, progress, error)
            raise
        except HearthError as error:
            told = refusal(error)
            self._refused(event_id, call, operation, request, progress, told)
            raise told from error
        except Exception as error:
            # A defect of ours: the caller learns nothing of it but its request id, and the trail has it.
            _LOG.exception("request %s (%s) failed unexpectedly", call.request_id, call.operation)
            told = ServiceError(UNAVAILABLE, "The request was rejected because of an internal error.")
            self._refused(event_id, call, operation, request, progress, told)
            raise told from error
        if operation.cryptographic:
            for key in progress.resources:
                self._uses.note(key, call, event_id)
        return outcome.response

    async def _transact(
        self, operation: Operation, call: Call, request: Request, event_id: str, progress: _Progress
    ) -> Outcome:
        """Run the whole operation in one transaction, and keep its record there if it changes anything."""
        writes = operation.mode is Mode.WRITE

        async def work(transaction: Any) -> Outcome:
            progress.resources = ()
            outcome = await self._run(self._bind(transaction), operation, call, request, progress)
            if writes:
                event = self._trail.event(
                    event_id, call, operation, request, progress.resources, outcome, None
                )
                await transaction.record(event)
            return outcome

        if writes:
            changed: Outcome = await self._transactions.write(work)
            return changed
        outcome: Outcome = await self._transactions.read(work)
        self._trail.append(
            self._trail.event(event_id, call, operation, request, progress.resources, outcome, None)
        )
        return outcome

    async def _run(
        self, environment: Any, operation: Operation, call: Call, request: Request, progress: _Progress
    ) -> Outcome:
        needs = await operation.resolve(environment, call, request)
        progress.resources = needs.resources
        authorise(call, needs)
        outcome = await operation.handle(environment, call, request, needs)
        if outcome.resources is not None:
            progress.resources = outcome.resources
        return outcome

    def _refused(
        self,
        event_id: str,
        call: Call,
        operation: Operation,
        request: Request,
        progress: _Progress,
        error: ServiceError,
    ) -> None:
        # Nothing of a refused call was kept, so its record goes to the worker's log.
        self._trail.append(
            self._trail.event(event_id, call, operation, request, progress.resources, None, error)
        )


class _Progress:
    """How far a call came: which resources it had found when it ended."""

    __slots__ = ("resources",)

    def __init__(self) -> None:
        self.resources: tuple[Any, ...] = ()


def authorise(call: Call, needs: Needs) -> None:
    """Raise AccessDeniedException unless every demand is allowed. A call that demands nothing is denied."""
    if not needs.demands:
        raise ServiceError("AccessDeniedException", "The operation demands nothing, so nothing allows it.")
    caller = call.caller
    for demand in needs.demands:
        decision = _decide(caller.arn, caller.account_id, demand)
        if isinstance(decision, Deny):
            if needs.denial is not None and demand is needs.demands[0]:
                raise needs.denial
            raise ServiceError("AccessDeniedException", decision.message)


def _decide(caller_arn: str, caller_account: str, demand: Demand) -> Any:
    resource = demand.resource
    if resource is None:
        return evaluate(caller_arn, caller_account, demand.action, demand.arn, None, "CUSTOMER")
    return evaluate(
        caller_arn, caller_account, demand.action, demand.arn, resource.account_id, resource.manager
    )


def refusal(error: HearthError) -> ServiceError:
    """What a caller is told when HearthKMS itself cannot work now; the operator's log has the rest."""
    _LOG.error("refusing requests: %s", error)
    if isinstance(error, SealedError):
        return ServiceError(UNAVAILABLE, "HearthKMS is sealed. The operator must unseal it first.")
    if isinstance(error, AuditUnavailableError):
        return ServiceError(UNAVAILABLE, "The audit trail cannot be written, so the request is refused.")
    if isinstance(error, UnconfirmedError):
        return ServiceError(
            UNAVAILABLE, "The database did not confirm the change, so it may or may not have been made."
        )
    if isinstance(error, StorageUnavailableError):
        return ServiceError(UNAVAILABLE, "The database cannot be used now, so the request is refused.")
    return ServiceError(UNAVAILABLE, "The request was rejected because of an internal error.")
