"""The root of trust: what seals domain keys, and is not in the database."""

from __future__ import annotations

import os
from typing import Protocol

from hearthkms.core.secret import Secret
from hearthkms.crypto.kdf import CounterKdf
from hearthkms.crypto.randomness import RandomSource
from hearthkms.crypto.sealing import Sealer

ROOT_BYTES = 32
_ID_LABEL = b"HearthKMS root id v1"
_SEAL_LABEL = b"HearthKMS root seal v1"


class RootOfTrust(Protocol):
    """Seals and opens domain keys; whoever has it, and the database, has every key."""

    @property
    def id(self) -> str:
        """Names this very root (`key-file:1f2e3d4c`), so that a wrong root is told from damaged data."""
        ...

    def seal(self, plaintext: Secret, aad: bytes) -> bytes:
        """`plaintext` sealed, to be opened only with the same `aad`."""
        ...

    def open(self, sealed: bytes, aad: bytes) -> Secret:
        """What was sealed; raises AuthenticityError where `sealed` or `aad` differs."""
        ...


class SymmetricRoot:
    """A root of trust that is 32 secret bytes in this process.

    `kind` says where they come from. The id is the kind and a 32-bit check value that is derived one-way.
    """

    __slots__ = ("_sealer", "id")

    def __init__(self, kind: str, key: Secret, random: RandomSource = os.urandom) -> None:
        if len(key) != ROOT_BYTES:
            raise ValueError(f"a root of trust has {ROOT_BYTES} bytes")
        self.id: str = f"{kind}:{CounterKdf(key, _ID_LABEL).derive(b'')[:4].hex()}"
        self._sealer = Sealer(key, _SEAL_LABEL, random)

    def seal(self, plaintext: Secret, aad: bytes) -> bytes:
        """See RootOfTrust."""
        return self._sealer.seal(plaintext, aad)

    def open(self, sealed: bytes, aad: bytes) -> Secret:
        """See RootOfTrust."""
        return self._sealer.open(sealed, aad)
