"""Markers: opaque, checked positions in a listing."""

from __future__ import annotations

import base64
import binascii

from hearthkms.core.errors import ServiceError


def marker(scope: str, last: str) -> str:
    """A marker that continues the listing `scope` after the item `last`."""
    return base64.urlsafe_b64encode(f"{scope}\n{last}".encode()).decode()


def after(scope: str, given: str | None) -> str:
    """The item that `given` continues after, or "" for the start.

    Raises ServiceError InvalidMarkerException where the marker is not one of this listing.
    """
    if given is None:
        return ""
    try:
        found, separator, last = (
            base64.b64decode(given, altchars=b"-_", validate=True).decode().partition("\n")
        )
    except (binascii.Error, ValueError):
        separator = ""
        found = last = ""
    if not separator or found != scope or marker(scope, last) != given:
        raise ServiceError("InvalidMarkerException", "The marker is not valid for this request.")
    return last
