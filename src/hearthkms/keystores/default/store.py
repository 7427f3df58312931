"""The default key store: KMS keys whose material the database keeps, sealed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from hearthkms.core.errors import ServiceError
from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.crypto.randomness import NoncePool, RandomSource
from hearthkms.keystores.default.backing import BACKING_KEY_BYTES, RANDOM_BYTES, BackingKey, material_id
from hearthkms.keystores.default.cache import BoundedCache
from hearthkms.keystores.default.keyring import BACKING_KEY, DomainKeySource, Keyring
from hearthkms.kms.blob import MATERIAL_FIELD
from hearthkms.kms.model.key import Key
from hearthkms.kms.ports import DomainKey, KeyView, NewMaterial, Opened, Repository, Sealed


@runtime_checkable
class _HoldsDomainKeys(Protocol):
    async def domain_key(self, region: str, version: int | None) -> DomainKey | None: ...


def backing_key_identity(key_id: str, material_id: str) -> str:
    """What names a backing key when it is sealed; neither part contains a slash."""
    return f"{key_id}/{material_id}"


class DefaultKeyStore:
    """Implements hearthkms.kms.ports.KeyStore.

    `domain_keys` reads a domain key where the view cannot (the worker's snapshot); inside a transaction the
    transaction itself is asked. `cached_keys` bounds how many KMS keys stay opened.

    Opened backing keys are kept by Region, key id and material id. The id is derived from the material, so
    that an entry can never stand for other bytes, and re-sealing changes nothing. What makes an entry usable
    is always the caller's `Key` (for its current material) or the view (for older material): a key that is
    deleted there is out of use at once, whatever is kept here. `forget` then frees the memory.
    """

    def __init__(
        self,
        keyring: Keyring,
        domain_keys: DomainKeySource,
        *,
        cached_keys: int = 4096,
        random: RandomSource = os.urandom,
    ) -> None:
        self._keyring = keyring
        self._domain_keys = domain_keys
        self._random = random
        self._nonces = NoncePool(RANDOM_BYTES, random)
        self._opened: BoundedCache[tuple[str, str], dict[str, BackingKey]] = BoundedCache(cached_keys)

    async def new_material(self, repository: Repository, key: Key) -> NewMaterial:
        """See KeyStore."""
        secret = Secret(self._random(BACKING_KEY_BYTES))
        made = material_id(key.key_id, secret)
        sealed, version = await self._keyring.seal(
            repository, key.region, BACKING_KEY, backing_key_identity(key.key_id, made), secret
        )
        return NewMaterial(made, sealed, version)

    async def encrypt(self, view: KeyView, key: Key, plaintext: bytes, context: Mapping[str, str]) -> Sealed:
        """See KeyStore."""
        current = key.current_material_id
        if current is None:
            raise ValueError(f"the key {key.key_id} has no current material")
        opened = self._opened.get((key.region, key.key_id))
        backing = opened.get(current) if opened is not None else None
        if backing is None:
            backing = await self._open(view, key, current)
            if backing is None:
                raise AuthenticityError(f"the current material of {key.key_id} is missing")
        return Sealed(backing.encrypt(plaintext, context, self._nonces.take()), current)

    async def decrypt(self, view: KeyView, key: Key, blob: bytes, context: Mapping[str, str]) -> Opened:
        """See KeyStore."""
        named = blob[MATERIAL_FIELD].hex()
        opened = self._opened.get((key.region, key.key_id))
        backing = opened.get(named) if opened is not None else None
        if backing is None:
            backing = await self._open(view, key, named)
        elif named != key.current_material_id and await view.material(key.region, key.key_id, named) is None:
            backing = None
        if backing is None:
            raise ServiceError("InvalidCiphertextException")
        return Opened(Secret(backing.decrypt(blob, context)), named)

    def random(self, size: int) -> bytes:
        """`size` bytes from the operating system's generator."""
        return self._random(size)

    def forget(self, region: str, key_id: str) -> None:
        """Drop what is opened of this key."""
        self._opened.drop((region, key_id))

    def clear(self) -> None:
        """Drop all that is opened."""
        self._opened.clear()

    async def _open(self, view: KeyView, key: Key, wanted: str) -> BackingKey | None:
        """Open and keep one version of the key's material; None where the key has no such version."""
        material = await view.material(key.region, key.key_id, wanted)
        if material is None:
            return None
        source = view.domain_key if isinstance(view, _HoldsDomainKeys) else self._domain_keys
        secret = await self._keyring.open(
            source,
            key.region,
            BACKING_KEY,
            backing_key_identity(key.key_id, wanted),
            material.sealed,
            material.domain_version,
        )
        backing = BackingKey(key.key_id, secret)
        if backing.material_id != wanted:
            raise AuthenticityError(
                f"the material {wanted} of {key.key_id} has not the bytes it is named for"
            )
        kept = self._opened.get((key.region, key.key_id))
        if kept is None:
            self._opened.put((key.region, key.key_id), {wanted: backing})
        else:
            kept[wanted] = backing
        return backing
