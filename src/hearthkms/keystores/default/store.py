"""The default key store: KMS keys whose material the database keeps, sealed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

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


OpenedKeys = Callable[[Key], dict[Any, Any]]
"""Gives the dictionary that keeps what is opened of a key; whoever owns it drops it when the key changes."""


class BoundedOpenedKeys:
    """OpenedKeys of the last `limit` KMS keys, for a store that no snapshot stands behind."""

    def __init__(self, limit: int) -> None:
        self._kept: BoundedCache[tuple[str, str], dict[Any, Any]] = BoundedCache(limit)

    def __call__(self, key: Key) -> dict[Any, Any]:
        name = (key.region, key.key_id)
        kept = self._kept.get(name)
        if kept is None:
            kept = {}
            self._kept.put(name, kept)
        return kept

    def forget(self, region: str, key_id: str) -> None:
        """Drop what is opened of this key."""
        self._kept.drop((region, key_id))


class DefaultKeyStore:
    """Implements hearthkms.kms.ports.KeyStore.

    `domain_keys` reads a domain key where the view itself cannot. Opened backing keys are kept, by material
    id, in what `opened` gives: a worker's snapshot gives a dictionary that goes with the key. Without it the
    last `cached_keys` keys are kept.

    The id is derived from key and material, so that an entry can never stand for other bytes, and sealing
    anew changes nothing. What makes an entry usable is always the caller's `Key` (for its current material)
    or the view (for older material): a key that is deleted there is out of use at once, whatever is kept.
    """

    def __init__(
        self,
        keyring: Keyring,
        domain_keys: DomainKeySource,
        *,
        opened: OpenedKeys | None = None,
        cached_keys: int = 4096,
        random: RandomSource = os.urandom,
    ) -> None:
        self._keyring = keyring
        self._domain_keys = domain_keys
        self._opened = opened or BoundedOpenedKeys(cached_keys)
        self._random = random
        self._nonces = NoncePool(RANDOM_BYTES, random)

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
        backing: BackingKey | None = self._opened(key).get(current)
        if backing is None:
            backing = await self._open(view, key, current)
            if backing is None:
                raise AuthenticityError(f"the current material of {key.key_id} is missing")
        return Sealed(backing.encrypt(plaintext, context, self._nonces.take()), current)

    async def decrypt(self, view: KeyView, key: Key, blob: bytes, context: Mapping[str, str]) -> Opened:
        """See KeyStore."""
        named = blob[MATERIAL_FIELD].hex()
        backing: BackingKey | None = self._opened(key).get(named)
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
        self._opened(key)[wanted] = backing
        return backing
