"""Errors by the names AWS gives them; nothing here knows HTTP.

HearthError
├── ServiceError            an answer to the caller: AWS's exception name and its message
├── SettingsError           the operator's settings cannot work; the message says what to change
├── SealedError             the root of trust is not available, so no key can be opened
├── AuditUnavailableError   the audit trail cannot be written, so nothing may be answered
├── StorageUnavailableError the database cannot answer; the message names the cause
│   └── UnconfirmedError    it did not answer a commit, so it is not known whether the change was kept
├── AlreadyStoredError      what was to be inserted exists already
└── NotStoredError          what was to be changed or removed does not exist
"""

from __future__ import annotations


class HearthError(Exception):
    """Base of every error that HearthKMS raises on purpose."""


class ServiceError(HearthError):
    """An error that the caller sees, named as AWS names it.

    `name` is the exception's name in the service's model or one of the common errors
    (`AccessDeniedException`, `ValidationException`, ...). `message` is None where AWS sends none.
    """

    def __init__(self, name: str, message: str | None = None) -> None:
        super().__init__(f"{name}: {message}" if message else name)
        self.name = name
        self.message = message


class SettingsError(HearthError):
    """A setting is missing, contradictory or unsafe."""


class SealedError(HearthError):
    """The root of trust has not been given, or it is not the one that sealed this data."""


class AuditUnavailableError(HearthError):
    """The audit trail could not be written; whatever was to be answered must be refused."""


class StorageUnavailableError(HearthError):
    """The database cannot be reached, is full, or is locked for too long; the message names the cause."""


class UnconfirmedError(StorageUnavailableError):
    """The database did not confirm a commit: the change may have been kept or not."""


class AlreadyStoredError(HearthError):
    """Something with the same name is stored already. The transaction goes on, unchanged."""


class NotStoredError(HearthError):
    """There is nothing of this name to change or remove. The transaction goes on, unchanged."""
