"""What authentication needs from outside: the access keys, with their secrets sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A long-term credential. `creation_date` is in epoch seconds.

    `sealed_secret` is the secret access key, sealed; `domain_version` names the domain key that seals it.
    An access key that is not `active` is known, but signs nothing.
    """

    access_key_id: str
    account_id: str
    principal_arn: str
    sealed_secret: bytes = field(repr=False)
    domain_version: int
    active: bool
    creation_date: float


class AccessKeys(Protocol):
    """The stored access keys, inside one transaction."""

    async def access_key(self, access_key_id: str) -> AccessKey | None:
        """The access key with this id, active or not; None where there is none."""
        ...

    async def insert_access_key(self, access_key: AccessKey) -> None:
        """Keep a new access key. Raises AlreadyStoredError where its id is taken."""
        ...

    async def update_access_key(self, access_key: AccessKey) -> None:
        """Replace the access key that has the same id. Raises NotStoredError where there is none."""
        ...

    async def delete_access_key(self, access_key_id: str) -> None:
        """Remove an access key. Raises NotStoredError where there is none."""
        ...

    async def list_access_keys(self, account_id: str) -> Sequence[AccessKey]:
        """Every access key of an account, by id."""
        ...
