"""Audit records of calls and of what the service does by itself, in CloudTrail's shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from hearthkms.audit.record import (
    INTERNAL,
    KEY_RESOURCE,
    Event,
    EventEncoder,
    TlsDetails,
    UserIdentity,
    service_identity,
)
from hearthkms.audit.template import EventTemplate
from hearthkms.core.errors import ServiceError
from hearthkms.core.ids import root_arn
from hearthkms.service.call import Call, Caller
from hearthkms.service.operation import Mode, Operation, Outcome, Request

_UNSET = msgspec.UNSET
_REMEMBERED = 4096
_ERROR_CODES = {"AccessDeniedException": "AccessDenied"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class CallTrail:
    """Makes the records of one worker; `append` puts those that belong to no change on its log."""

    def __init__(self, append: Callable[[bytes], None]) -> None:
        self.append = append
        self._loop_encoder = EventEncoder()
        # Records of changes are made in the storage's thread, and an encoder is for one thread.
        self._storage_encoder = EventEncoder()
        # What repeats from call to call, encoded once: callers, and how their connections are protected.
        self._identities: dict[Caller, msgspec.Raw] = {}
        self._protections: dict[tuple[str | None, str | None, str], msgspec.Raw] = {}
        self._templates: dict[tuple[Any, ...], EventTemplate] = {}
        self._encode = msgspec.json.Encoder().encode

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
        """The record of one call: its outcome, or the error it ended with."""
        if outcome is not None and operation.cryptographic and outcome.additional is not None:
            return self._use(event_id, call, operation, request, resources, outcome.additional)
        in_storage = operation.mode is Mode.WRITE and outcome is not None
        encoder = self._storage_encoder if in_storage else self._loop_encoder
        event = self._event(event_id, call, operation, request)
        event.eventTime = encoder.time(call.time)
        if resources or outcome is not None:
            # A call that ended before it had found anything has no such member at all.
            event.resources = encoder.resources(*[resource.arn for resource in resources])
        if error is not None:
            event.errorCode = _ERROR_CODES.get(error.name, error.name)
            event.errorMessage = error.message if error.message is not None else _UNSET
        elif outcome is not None:
            event.responseElements = outcome.elements
            if outcome.additional is not None:
                event.additionalEventData = outcome.additional
        return encoder.encode(event)

    def _use(
        self,
        event_id: str,
        call: Call,
        operation: Operation,
        request: Request,
        resources: tuple[Any, ...],
        additional: Mapping[str, Any],
    ) -> bytes:
        """The record of a successful use of keys: the hot path's, and nearly the same each time."""
        same = (
            call.caller, call.operation, call.region, call.source_ip, call.user_agent,
            call.tls_version, call.cipher_suite, call.host if call.tls_version else "",
        )  # fmt: skip
        template = self._templates.get(same)
        if template is None:
            template = self._template(same, call, operation)
        encode = self._encode
        return template.fill(
            self._loop_encoder.time(call.time),
            encode(operation.trail(request)),
            encode(additional),
            call.request_id,
            event_id,
            ("[" + ",".join([_resource(key) for key in resources]) + "]").encode(),
        )

    def _template(self, same: tuple[Any, ...], call: Call, operation: Operation) -> EventTemplate:
        if len(self._templates) >= _REMEMBERED:
            self._templates.clear()
        event = self._event("", call, operation, {})
        template = self._templates[same] = EventTemplate(event)
        return template

    def _event(self, event_id: str, call: Call, operation: Operation, request: Request) -> Event:
        """The members of an event that do not depend on how the call ended."""
        caller = call.caller
        event = Event(
            userIdentity=self._identities.get(caller) or self._identity(caller),
            eventTime="",
            eventName=call.operation,
            awsRegion=call.region,
            sourceIPAddress=call.source_ip,
            userAgent=call.user_agent,
            requestParameters=operation.trail(request),
            requestID=call.request_id,
            eventID=event_id,
            readOnly=operation.read_only,
            recipientAccountId=caller.account_id,
        )
        if call.tls_version is not None:
            event.tlsDetails = self._tls(call)
        return event

    def _identity(self, caller: Caller) -> msgspec.Raw:
        if len(self._identities) >= _REMEMBERED:
            self._identities.clear()
        encoded = self._identities[caller] = msgspec.Raw(msgspec.json.encode(_identity(caller)))
        return encoded

    def _tls(self, call: Call) -> msgspec.Raw:
        protection = (call.tls_version, call.cipher_suite, call.host)
        encoded = self._protections.get(protection)
        if encoded is None:
            if len(self._protections) >= _REMEMBERED:
                self._protections.clear()
            encoded = self._protections[protection] = msgspec.Raw(msgspec.json.encode(_tls(call)))
        return encoded


def _resource(key: Any) -> str:
    """An entry of `resources`. Nothing in an ARN or an account id needs escaping."""
    return f'{{"accountId":"{key.account_id}","type":"{KEY_RESOURCE}","ARN":"{key.arn}"}}'


def service_event(
    *,
    event_id: str,
    request_id: str,
    name: str,
    now: float,
    region: str,
    account_id: str,
    resources: tuple[str, ...],
    details: Mapping[str, Any] | None = None,
) -> bytes:
    """The record of what the service did by itself: DeleteKey, RotateKey, the creation of a managed key.

    `details` becomes `serviceEventDetails`. Source: AWS CloudTrail user guide, "Non-API events".
    """
    encoder = EventEncoder()
    return encoder.encode(
        Event(
            userIdentity=encoder.identity(service_identity(account_id)),
            eventTime=encoder.time(now),
            eventName=name,
            awsRegion=region,
            sourceIPAddress=INTERNAL,
            userAgent=INTERNAL,
            requestID=request_id,
            eventID=event_id,
            readOnly=False,
            resources=encoder.resources(*resources),
            eventType="AwsServiceEvent",
            recipientAccountId=account_id,
            serviceEventDetails=_UNSET if details is None else details,
        )
    )


def date_text(seconds: float) -> str:
    """A date as CloudTrail writes it inside `responseElements`: `Aug 10, 2022, 10:38:27 PM`, in UTC."""
    date = datetime.fromtimestamp(int(seconds), UTC)
    hour = date.hour % 12 or 12
    half = "AM" if date.hour < 12 else "PM"
    return f"{_MONTHS[date.month - 1]} {date.day}, {date.year}, {hour}:{date:%M:%S} {half}"


def _identity(caller: Caller) -> UserIdentity:
    return UserIdentity(
        type=caller.kind,
        principalId=caller.principal_id,
        arn=caller.arn,
        accountId=caller.account_id,
        accessKeyId=caller.access_key_id,
    )


def _tls(call: Call) -> TlsDetails:
    return TlsDetails(
        tlsVersion=call.tls_version or "",
        cipherSuite=call.cipher_suite or "",
        clientProvidedHostHeader=call.host,
    )


def root_caller(account_id: str, access_key_id: str) -> Caller:
    """The root user of an account, signing with this access key."""
    return Caller(account_id, root_arn(account_id), "Root", account_id, access_key_id)
