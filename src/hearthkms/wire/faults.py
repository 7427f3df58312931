"""How an error looks on the wire: its HTTP status, and how its message member is spelt."""

from __future__ import annotations

from hearthkms.wire.model import ServiceModel

_STATUS = {
    "DependencyTimeoutException": 503,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
}
"""The statuses that the model's fault flag does not tell.

Source: AWS KMS API Reference, "Common Error Types" and the errors of each action. Against what those pages
print, everything that is the caller's doing is 400 in recorded traffic, throttling and invalid state too.
"""


def status(model: ServiceModel, error_name: str) -> int:
    """The HTTP status of an error: 400 unless the fault is the service's own."""
    known = model.errors.get(error_name)
    return _STATUS.get(error_name, 500 if known is not None and known.fault else 400)


def capital(model: ServiceModel, error_name: str) -> bool:
    """Whether the error's message member is `Message` rather than `message`.

    The model says it for its own errors; for the errors that all services share, SerializationException is
    capitalised everywhere, and the others follow the service's habit.
    """
    known = model.errors.get(error_name)
    if known is not None and known.message_member is not None:
        return known.message_member == "Message"
    if error_name == "SerializationException":
        return True
    return any(error.message_member == "Message" for error in model.errors.values())
