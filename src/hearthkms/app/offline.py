"""A deployment's data, opened by a command beside or instead of a running service."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from hearthkms.app.roots import PASSPHRASE_RECORD, open_root
from hearthkms.core.clock import Clock, system_clock
from hearthkms.core.errors import SealedError, SettingsError
from hearthkms.core.secret import Secret
from hearthkms.keystores.default.keyring import Keyring
from hearthkms.settings import Settings
from hearthkms.storage.database import Database
from hearthkms.storage.revision import SharedRevision


class Deployment(NamedTuple):
    """What a command works with. Changes reach a running service as its own would."""

    settings: Settings
    database: Database
    keyring: Keyring
    account_id: str
    clock: Clock


@contextlib.contextmanager
def opened(
    settings: Settings, passphrase: Secret | None = None, *, keys: bool = True
) -> Iterator[Deployment]:
    """Open the data that a service has made; with `keys`, its root of trust too.

    The root of trust is the one that this deployment uses, whatever the settings say by default. Raises
    SettingsError where there is no data, SealedError where the passphrase is missing or wrong.
    """
    if not settings.data.is_dir():
        raise SettingsError(f"There is no data folder {settings.data}; name it with --data.")
    database = Database(settings.database_url, SharedRevision(settings.data / "revision"), system_clock)
    try:
        database.migrate()
        account_id = database.read_now(lambda transaction: transaction.meta("account_id"))
        if account_id is None:
            raise SettingsError(f"No service has been started with the data folder {settings.data} yet.")
        keyring = Keyring(None, system_clock)
        if keys:
            record = database.read_now(lambda transaction: transaction.meta(PASSPHRASE_RECORD))
            kind = "key-file" if record is None else "passphrase"
            open_root(database, keyring, replace_root(settings, kind), passphrase)
            if keyring.sealed:
                raise SealedError("The passphrase is needed: give --passphrase-file FILE.")
        yield Deployment(settings, database, keyring, account_id, system_clock)
    finally:
        database.close_now()


def replace_root(settings: Settings, kind: str) -> Settings:
    """The settings with another kind of root of trust."""
    return dataclasses.replace(settings, root_of_trust=kind)
