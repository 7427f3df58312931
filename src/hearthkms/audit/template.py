"""Events of which little varies from call to call: encoded once, with holes that each call fills.

Of the twenty members of an event, six are new in every call of one caller for one operation. Encoding those
alone costs a third of encoding them all.
"""

from __future__ import annotations

import secrets

import msgspec

from hearthkms.audit.record import Event

# Unguessable, so that nothing a caller sends can be taken for a hole.
_HOLE = f"hole-{secrets.token_hex(16)}"
_RAW_HOLE = msgspec.Raw(_HOLE.encode())
_PIECES = 7


class EventTemplate:
    """One event, encoded, with holes for what varies."""

    __slots__ = ("_pieces",)

    def __init__(self, event: Event) -> None:
        """Take everything from `event` but what `fill` takes. It must have additional event data."""
        event.eventTime = event.requestID = event.eventID = _HOLE
        event.requestParameters = event.resources = event.additionalEventData = _RAW_HOLE
        pieces = msgspec.json.encode(event).split(_HOLE.encode())
        if len(pieces) != _PIECES:
            raise ValueError("an event has six places to fill in")
        self._pieces = pieces

    def fill(
        self,
        time: str,
        parameters: bytes,
        additional: bytes,
        request_id: str,
        event_id: str,
        resources: bytes,
    ) -> bytes:
        """The record with these members, in the event's order: JSON values, and texts without escapes."""
        one, two, three, four, five, six, seven = self._pieces
        return b"".join(
            (one, time.encode(), two, parameters, three, additional, four, request_id.encode(), five,
             event_id.encode(), six, resources, seven)
        )  # fmt: skip
