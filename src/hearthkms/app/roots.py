"""Opening the root of trust that a deployment uses, and making it for a new one."""

from __future__ import annotations

import os
from typing import NamedTuple

from hearthkms.app.keyfiles import settled
from hearthkms.core.errors import SettingsError
from hearthkms.core.secret import Secret
from hearthkms.keystores.default.keyfile import KeyFileRoot
from hearthkms.keystores.default.keyring import Keyring
from hearthkms.keystores.default.passphrase import PassphraseRoot
from hearthkms.keystores.default.root import RootOfTrust
from hearthkms.settings import Settings
from hearthkms.storage.database import Database
from hearthkms.storage.transaction import Transaction

PASSPHRASE_RECORD = "passphrase_root"  # noqa: S105  the name under which its public parameters are kept
PASSPHRASE_VARIABLE = "HEARTHKMS_PASSPHRASE"  # noqa: S105  a name


class Sealing(NamedTuple):
    """What the database says of the root of trust that seals its domain keys."""

    root_ids: frozenset[str]
    """The roots that seal domain keys: one, none in a new deployment."""
    record: str | None
    """The public parameters of the passphrase; None where a key file is the root."""

    def kind(self, settings: Settings) -> str:
        """`key-file` or `passphrase`: what is in use, or what the settings choose for a new deployment.

        Raises SettingsError where the settings ask for the one that is not in use.
        """
        wanted = settings.root_of_trust
        if self.record is None and not self.root_ids:
            return wanted or "key-file"
        used = "key-file" if self.record is None else "passphrase"
        if wanted not in (None, used):
            raise SettingsError(
                f"The keys of this deployment are sealed by a {used}, not by a {wanted}: start it without "
                f"--root-of-trust, or change that with `hearthkms root rewrap --to {wanted}`."
            )
        return used


def sealing_of(database: Database) -> Sealing:
    """Read what seals the domain keys."""

    async def find(transaction: Transaction) -> Sealing:
        rows = await transaction.list_domain_keys()
        return Sealing(frozenset(row.root_id for row in rows), await transaction.meta(PASSPHRASE_RECORD))

    return database.read_now(find)


def open_root(
    database: Database, keyring: Keyring, settings: Settings, passphrase: Secret | None = None
) -> None:
    """Give `keyring` its root of trust, or leave it sealed where a passphrase is needed and not there.

    Raises SettingsError where the root that is chosen does not exist, SealedError where it is a wrong one.
    """
    sealing = sealing_of(database)
    if sealing.kind(settings) == "key-file":
        root: RootOfTrust | None = settled(settings.key_file, sealing.root_ids)
    else:
        root = _passphrase(passphrase or given_passphrase(settings), sealing.record)
    if root is None:
        return

    async def unlock(transaction: Transaction) -> None:
        if isinstance(root, PassphraseRoot) and sealing.record is None:
            await transaction.put_meta(PASSPHRASE_RECORD, root.record)
        await keyring.unlock(transaction, root)

    database.write_now(unlock)


def _passphrase(passphrase: Secret | None, record: str | None) -> PassphraseRoot | None:
    if record is not None:
        return None if passphrase is None else PassphraseRoot.unlock(passphrase, record)
    if passphrase is None:
        raise SettingsError(
            "A new deployment needs its passphrase at the first start: give --passphrase-file FILE "
            f"or set {PASSPHRASE_VARIABLE}."
        )
    return PassphraseRoot.create(passphrase)


def given_passphrase(settings: Settings) -> Secret | None:
    """The passphrase of the settings' file, or else of the environment, which then forgets it.

    A line end at its end does not count. Raises SettingsError where the file cannot be read.
    """
    if settings.passphrase_file is not None:
        try:
            return Secret(settings.passphrase_file.read_bytes().rstrip(b"\r\n"))
        except OSError as error:
            raise SettingsError(
                f"The passphrase file {settings.passphrase_file} cannot be read: {error.strerror}."
            ) from error
    value = os.environ.pop(PASSPHRASE_VARIABLE, None)
    return None if value is None else Secret(os.fsencode(value))


def describe_root(root: RootOfTrust, settings: Settings) -> str:
    """What an operator must know of the root of trust in use, in one sentence."""
    if isinstance(root, KeyFileRoot):
        return (
            f"The root of trust is the key file {settings.key_file}: keep a copy of it, and keep it secret."
        )
    return "The root of trust is a passphrase, and it is nowhere on disk: do not lose it."
