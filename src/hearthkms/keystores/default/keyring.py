"""The keyring: domain keys, opened once and kept, and what they seal. Layout: docs/spec/key-sealing.md."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from hearthkms.core.clock import Clock, millis
from hearthkms.core.errors import SealedError
from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.crypto.randomness import RandomSource
from hearthkms.crypto.sealing import Sealer, bind
from hearthkms.keystores.default.cache import BoundedCache
from hearthkms.keystores.default.domainkey import DOMAIN_KEY_BYTES, SERVICE_DOMAIN, unwrap, wrap
from hearthkms.keystores.default.root import RootOfTrust
from hearthkms.kms.ports import DomainKey, Repository

BACKING_KEY = "backing-key"
ACCESS_KEY = "access-key"
AUDIT_KEY = "audit-key"

_LABEL = b"HearthKMS domain key v1"
_CACHED = 1024

DomainKeySource = Callable[[str, int | None], Awaitable[DomainKey | None]]
"""Reads a Region's domain key: that version, or the newest. `Repository.domain_key` is one."""


class _Opened(NamedTuple):
    sealed: bytes
    sealer: Sealer


class Keyring:
    """Seals and opens under domain keys.

    Opened domain keys are kept in this process. Sealing always asks the database which version stands, so
    that nothing is sealed under a domain key whose transaction was rolled back. Opening takes what is kept,
    and then does not wait; if that fails it asks the source, once. Threads may share one.

    Without a root the keyring is sealed, and whatever needs the root raises SealedError.
    """

    def __init__(self, root: RootOfTrust | None, clock: Clock, random: RandomSource = os.urandom) -> None:
        self._root = root
        self._clock = clock
        self._random = random
        self._opened: BoundedCache[tuple[str, int], _Opened] = BoundedCache(_CACHED)

    @property
    def root(self) -> RootOfTrust:
        """The root of trust; raises SealedError where it has not been given."""
        if self._root is None:
            raise SealedError("the root of trust has not been given; unseal the service first")
        return self._root

    @property
    def sealed(self) -> bool:
        """Whether the root of trust is missing."""
        return self._root is None

    async def unlock(self, repository: Repository, root: RootOfTrust) -> int:
        """Take `root` into use once it has opened every domain key there is; returns how many.

        Raises SealedError where another root sealed one, AuthenticityError where one is damaged; then
        nothing has changed.
        """
        opened = [(row, unwrap(root, row)) for row in await repository.list_domain_keys()]
        self._opened.clear()
        self._root = root
        for row, secret in opened:
            self._keep(row, secret)
        return len(opened)

    async def active(self, repository: Repository, region: str) -> int:
        """The version of the Region's newest domain key; makes the first one in the caller's transaction."""
        return (await self._active(repository, region)).version

    async def rotate(self, repository: Repository, region: str) -> int:
        """Give the Region a new domain key, and return its version. Older versions still open."""
        newest = await repository.domain_key(region, None)
        row = await self._add(repository, region, newest.version + 1 if newest else 1)
        self._sealer(row)
        return row.version

    async def seal(
        self, repository: Repository, region: str, purpose: str, identity: str, secret: Secret
    ) -> tuple[bytes, int]:
        """`secret` sealed under the Region's active domain key, and that key's version.

        It opens only for the same Region, purpose and identity (its name within the purpose). Backing keys
        are sealed in their Region, everything else in the service domain: only what is kept as a `Material`
        is sealed anew when a Region's domain key rotates.
        """
        if (purpose == BACKING_KEY) is (region == SERVICE_DOMAIN):
            raise ValueError(f"{purpose} is not sealed in the domain {region}")
        row = await self._active(repository, region)
        sealed = self._sealer(row).seal(secret, _aad(region, purpose, identity, row.version))
        return sealed, row.version

    async def open(
        self, source: DomainKeySource, region: str, purpose: str, identity: str, sealed: bytes, version: int
    ) -> Secret:
        """The secret that `seal` sealed. Waits only for a domain key that is not kept yet.

        Raises AuthenticityError where the record, its binding or its domain key is not the one; SealedError
        where the root of trust is missing or another.
        """
        aad = _aad(region, purpose, identity, version)
        kept = self._opened.get((region, version))
        if kept is not None:
            try:
                return kept.sealer.open(sealed, aad)
            except AuthenticityError:
                # What is kept may come from a transaction that was rolled back.
                pass
        row = await source(region, version)
        if row is None:
            raise AuthenticityError(f"the domain key {version} of {region} is missing")
        try:
            return self._sealer(row).open(sealed, aad)
        except AuthenticityError as error:
            raise AuthenticityError(f"the {purpose} {identity} of {region} does not open: {error}") from None

    def forget(self, region: str, version: int) -> None:
        """Drop an opened domain key from memory."""
        self._opened.drop((region, version))

    async def _active(self, repository: Repository, region: str) -> DomainKey:
        return await repository.domain_key(region, None) or await self._add(repository, region, 1)

    async def _add(self, repository: Repository, region: str, version: int) -> DomainKey:
        secret = Secret(self._random(DOMAIN_KEY_BYTES))
        await repository.put_domain_key(wrap(self.root, region, version, millis(self._clock()), secret))
        # Another transaction may have been first; the database says which one stands.
        stored = await repository.domain_key(region, version)
        if stored is None:
            raise AuthenticityError(f"the new domain key of {region} was not kept")
        return stored

    def _sealer(self, row: DomainKey) -> Sealer:
        kept = self._opened.get((row.region, row.version))
        if kept is not None and kept.sealed == row.sealed:
            return kept.sealer
        return self._keep(row, unwrap(self.root, row))

    def _keep(self, row: DomainKey, secret: Secret) -> Sealer:
        sealer = Sealer(secret, _LABEL, self._random)
        self._opened.put((row.region, row.version), _Opened(row.sealed, sealer))
        return sealer


def _aad(region: str, purpose: str, identity: str, version: int) -> bytes:
    return bind("sealed-record", region, purpose, identity, version)
