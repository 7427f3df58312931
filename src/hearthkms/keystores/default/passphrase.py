"""A root of trust that an operator types: nothing on disk opens the keys."""

from __future__ import annotations

import json
import os

from hearthkms.core.errors import SealedError, SettingsError
from hearthkms.core.secret import Secret
from hearthkms.crypto.passphrase import Cost, Parameters, derive
from hearthkms.crypto.randomness import RandomSource
from hearthkms.keystores.default.root import SymmetricRoot

SHORTEST = 12
"""Bytes that a passphrase has at least; who holds a copy of the database can guess without limit."""


class PassphraseRoot(SymmetricRoot):
    """A root of trust derived from a passphrase by Argon2id.

    `record` is the JSON text to keep in the database: salt, cost and the root's id, none of them secret.
    """

    __slots__ = ("record",)

    def __init__(self, passphrase: Secret, parameters: Parameters) -> None:
        super().__init__("passphrase", derive(passphrase, parameters))
        cost = parameters.cost
        self.record: str = json.dumps(
            {
                "kdf": "argon2id",
                "salt": parameters.salt.hex(),
                "iterations": cost.iterations,
                "lanes": cost.lanes,
                "memory_kib": cost.memory_kib,
                "root_id": self.id,
            }
        )

    @classmethod
    def create(
        cls, passphrase: Secret, cost: Cost | None = None, random: RandomSource = os.urandom
    ) -> PassphraseRoot:
        """A root with a new salt; raises SettingsError where the passphrase is too short."""
        if len(passphrase) < SHORTEST:
            raise SettingsError(f"the passphrase has fewer than {SHORTEST} bytes; take a longer one")
        return cls(passphrase, Parameters.fresh(cost or Cost(), random))

    @classmethod
    def unlock(cls, passphrase: Secret, record: str) -> PassphraseRoot:
        """The root that made `record`.

        Raises SealedError where the passphrase is another, SettingsError where the record is damaged.
        """
        expected, parameters = _read(record)
        root = cls(passphrase, parameters)
        if root.id != expected:
            raise SealedError("this is not the passphrase that sealed the keys")
        return root


def _read(record: str) -> tuple[str, Parameters]:
    try:
        kept = json.loads(record)
        if kept["kdf"] != "argon2id":
            raise ValueError("the derivation is not known")
        cost = Cost(int(kept["iterations"]), int(kept["lanes"]), int(kept["memory_kib"]))
        return str(kept["root_id"]), Parameters(bytes.fromhex(kept["salt"]), cost)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"the stored record of the passphrase is damaged ({error})") from error
