"""Audit events in CloudTrail's shape, and the encoder that turns them into one line of JSON.

Source: AWS CloudTrail User Guide, "CloudTrail record contents"; AWS KMS Developer Guide, "Logging AWS KMS API
calls with AWS CloudTrail". Field names and their order are CloudTrail's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from hearthkms.core import clock

EVENT_VERSION = "1.11"
EVENT_SOURCE = "kms.amazonaws.com"
KEY_RESOURCE = "AWS::KMS::Key"
INTERNAL = "AWS Internal"
"""`invokedBy`, `sourceIPAddress` and `userAgent` of what the service does on its own account."""

_CACHE_LIMIT = 8192


class UserIdentity(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False):
    """Who called: `userIdentity`. Members without a value are left out, as CloudTrail does.

    `type` is Root, IAMUser, AssumedRole or AWSService; an event of the service itself has `accountId` and
    `invokedBy` alone.
    """

    type: str | None = None
    principalId: str | None = None
    arn: str | None = None
    accountId: str | None = None
    accessKeyId: str | None = None
    userName: str | None = None
    invokedBy: str | None = None


class TlsDetails(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """How the connection was protected: `tlsDetails`."""

    tlsVersion: str
    cipherSuite: str
    clientProvidedHostHeader: str
    keyExchange: str | UnsetType = UNSET


class Resource(msgspec.Struct, frozen=True, gc=False):
    """One entry of `resources`. AWS types an alias as `AWS::KMS::Key` too."""

    accountId: str
    type: str
    ARN: str


class Event(msgspec.Struct, kw_only=True, tag_field="eventVersion", tag=EVENT_VERSION, gc=False):
    """One call, as CloudTrail records it.

    `requestParameters` and `responseElements` are written as null where there are none; every member with the
    default UNSET is left out. Plaintexts, ciphertexts, signatures, tokens and key material never belong in an
    event. Members that repeat (`userIdentity`, `resources`, `tlsDetails`) may be given encoded already.
    """

    userIdentity: UserIdentity | msgspec.Raw
    eventTime: str
    eventSource: str = EVENT_SOURCE
    eventName: str
    awsRegion: str
    sourceIPAddress: str
    userAgent: str
    errorCode: str | UnsetType = UNSET
    errorMessage: str | UnsetType = UNSET
    requestParameters: Mapping[str, Any] | msgspec.Raw | None = None
    responseElements: Mapping[str, Any] | msgspec.Raw | None = None
    additionalEventData: Mapping[str, Any] | msgspec.Raw | UnsetType = UNSET
    requestID: str
    eventID: str
    readOnly: bool
    resources: tuple[Resource, ...] | msgspec.Raw | UnsetType = UNSET
    eventType: str = "AwsApiCall"
    managementEvent: bool = True
    recipientAccountId: str
    serviceEventDetails: Mapping[str, Any] | UnsetType = UNSET
    sharedEventID: str | UnsetType = UNSET
    eventCategory: str = "Management"
    tlsDetails: TlsDetails | msgspec.Raw | UnsetType = UNSET


class EventEncoder:
    """Encodes events for one worker, and keeps the parts of them that repeat.

    One thread may use it at a time. The caches are dropped when full, so that they are bounded.
    """

    __slots__ = ("_identities", "_json", "_resources", "_second", "_text")

    def __init__(self) -> None:
        self._json = msgspec.json.Encoder().encode
        self._second = -1
        self._text = ""
        self._identities: dict[UserIdentity, msgspec.Raw] = {}
        self._resources: dict[tuple[str, ...], msgspec.Raw] = {}

    def time(self, now: float) -> str:
        """`now` (seconds since the epoch) as `eventTime`: RFC 3339, UTC, whole seconds."""
        second = int(now)
        if second != self._second:
            self._second, self._text = second, clock.iso(now)
        return self._text

    def identity(self, identity: UserIdentity) -> msgspec.Raw:
        """`identity`, encoded; the same principal is encoded once."""
        found = self._identities.get(identity)
        if found is None:
            if len(self._identities) >= _CACHE_LIMIT:
                self._identities.clear()
            found = self._identities[identity] = msgspec.Raw(self._json(identity))
        return found

    def resources(self, *arns: str) -> msgspec.Raw:
        """`resources` of an event that touched these keys and aliases, in the order given."""
        found = self._resources.get(arns)
        if found is None:
            if len(self._resources) >= _CACHE_LIMIT:
                self._resources.clear()
            listed = [Resource(arn.split(":", 5)[4], KEY_RESOURCE, arn) for arn in arns]
            found = self._resources[arns] = msgspec.Raw(self._json(listed))
        return found

    def tls(self, details: TlsDetails) -> msgspec.Raw:
        """`details`, encoded; a connection keeps the result."""
        return msgspec.Raw(self._json(details))

    def encode(self, event: Event) -> bytes:
        """The record: one JSON object on one line, without a line end."""
        return self._json(event)


def service_identity(account_id: str) -> UserIdentity:
    """`userIdentity` of an event that the service itself caused in this account."""
    return UserIdentity(accountId=account_id, invokedBy=INTERNAL)
