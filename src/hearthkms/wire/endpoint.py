"""One AWS endpoint: from an HTTP request to a verified call at the door, and back to an HTTP answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, NamedTuple, Protocol

from hearthkms.core.clock import Clock
from hearthkms.core.eager import step
from hearthkms.core.errors import HearthError, ServiceError
from hearthkms.core.secret import Secret
from hearthkms.service.call import Call, Caller
from hearthkms.service.execute import Door, refusal
from hearthkms.sigv4.errors import unrecognized_client
from hearthkms.sigv4.verify import Verifier
from hearthkms.wire.decode import Decoder
from hearthkms.wire.encode import encode, encode_error
from hearthkms.wire.faults import capital, status
from hearthkms.wire.http import HttpRequest, Reply
from hearthkms.wire.model import ServiceModel


class Credential(NamedTuple):
    """An access key that may sign: its secret, and whom it speaks for."""

    secret: Secret
    caller: Caller


class Worker(Protocol):
    """What the endpoint asks of the process around it."""

    @property
    def credentials(self) -> Mapping[str, Credential]:
        """Active access keys, as far as they have been asked for since the last refresh."""
        ...

    def fresh(self) -> bool:
        """Whether everything held in memory is as last committed."""
        ...

    async def refresh(self) -> None:
        """Drop what has changed since."""
        ...

    async def credential(self, access_key_id: str) -> Credential | None:
        """The active access key with this id; None where there is none."""
        ...


class Service(NamedTuple):
    """A service behind the endpoint: its model, and the door its calls go through."""

    model: ServiceModel
    door: Door


class Endpoint:
    """Answers requests for the services given, in the Regions given.

    Calling it gives a Reply at once where nothing has to be waited for, else a coroutine that gives it.
    """

    def __init__(
        self,
        services: Collection[Service],
        *,
        worker: Worker,
        verifier: Verifier,
        regions: Collection[str],
        clock: Clock,
        next_id: Callable[[], str],
    ) -> None:
        self._targets = {
            f"{service.model.target_prefix}.{name}": (service, name, Decoder(service.model, name))
            for service in services
            for name in service.model.operation_names
        }
        self._models = [service.model for service in services]
        self._worker = worker
        self._verifier = verifier
        self._regions = frozenset(regions)
        self._clock = clock
        self._next_id = next_id

    def __call__(self, request: HttpRequest) -> Reply | Coroutine[Any, Any, Reply]:
        _, answer = step(self._answer(request))
        return answer  # type: ignore[no-any-return]

    async def _answer(self, request: HttpRequest) -> Reply:
        request_id = self._next_id()
        header = b"x-amzn-RequestId: " + request_id.encode() + b"\r\n"
        worker, verifier, headers = self._worker, self._verifier, request.headers
        try:
            if not worker.fresh():
                await worker.refresh()
            target = self._targets.get(headers.get("x-amz-target", ""))
            if target is None or request.method != "POST":
                raise ServiceError("UnknownOperationException")
            service, operation, decode = target
            claim = verifier.read(request.method, request.target, headers)
            credential = worker.credentials.get(claim.access_key_id)
            if credential is None:
                credential = await worker.credential(claim.access_key_id)
            if credential is None or claim.session_token is not None:
                raise unrecognized_client()
            claim.check_service(service.model.signing_name)
            claim.check_region(self._regions)
            verifier.verify(claim, credential.secret, request.body)
            if not service.door.has(operation):
                raise ServiceError(
                    "UnsupportedOperationException", f"HearthKMS does not support {operation} yet."
                )
            call = self._call(request, request_id, operation, claim.region, credential.caller)
            return Reply(200, header, encode(await service.door.execute(call, decode(request.body))))
        except ServiceError as error:
            return self._error(header, error)
        except HearthError as error:
            return self._error(header, refusal(error))

    def _call(
        self, request: HttpRequest, request_id: str, operation: str, region: str, caller: Caller
    ) -> Call:
        tls, headers = request.tls, request.headers
        return Call(
            request_id,
            operation,
            region,
            caller,
            self._clock(),
            request.peer,
            headers.get("user-agent", ""),
            None if tls is None else tls.tls_version,
            None if tls is None else tls.cipher_suite,
            headers.get("host", ""),
        )

    def _error(self, header: bytes, error: ServiceError) -> Reply:
        model = self._models[0]
        body = encode_error(error.name, error.message, capital=capital(model, error.name))
        return Reply(status(model, error.name), header, body)
