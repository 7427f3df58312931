"""Keys from passphrases, by Argon2id."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from hearthkms.core.secret import Secret
from hearthkms.crypto.randomness import RandomSource

SALT_BYTES = 16
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess costs: passes, lanes, and memory in KiB.

    The defaults take 256 MiB and about a second of one core. That is four times the memory of the second
    recommended option in RFC 9106, section 4: a service is unsealed once a start, and can afford it.
    """

    iterations: int = 3
    lanes: int = 4
    memory_kib: int = 262_144


@dataclass(frozen=True, slots=True)
class Parameters:
    """All that is needed, with the passphrase, to derive the key again. None of it is secret.

    Raises ValueError where a value is outside what is safe or possible; the bounds keep a changed record from
    weakening the derivation or from taking all memory.
    """

    salt: bytes
    cost: Cost = Cost()

    def __post_init__(self) -> None:
        if len(self.salt) != SALT_BYTES:
            raise ValueError(f"the salt has {SALT_BYTES} bytes")
        if not (1 <= self.cost.iterations <= 64 and 1 <= self.cost.lanes <= 64):
            raise ValueError("Argon2id takes 1 to 64 iterations and 1 to 64 lanes here")
        if not 19_456 <= self.cost.memory_kib <= 4_194_304:
            raise ValueError("Argon2id takes 19 MiB to 4 GiB of memory here")

    @classmethod
    def fresh(cls, cost: Cost = Cost(), random: RandomSource = os.urandom) -> Parameters:
        """Parameters with a new salt."""
        return cls(random(SALT_BYTES), cost)


def derive(passphrase: Secret, parameters: Parameters) -> Secret:
    """The 32-byte key that `passphrase` gives."""
    return Secret(argon2id(passphrase, parameters.salt, parameters.cost, KEY_BYTES))


def argon2id(passphrase: Secret, salt: bytes, cost: Cost, length: int) -> bytes:
    """Argon2id (RFC 9106, version 0x13), `length` bytes; takes any cost, and no secret or associated data."""
    derivation = Argon2id(
        salt=salt,
        length=length,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )
    return derivation.derive(passphrase.reveal())
