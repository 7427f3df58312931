"""A deployment's data, opened by a command beside or instead of a running service."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from hearthkms.app.regions import default_region
from hearthkms.app.roots import given_passphrase, open_root, sealing_of
from hearthkms.core.clock import Clock, system_clock
from hearthkms.core.errors import SealedError, SettingsError
from hearthkms.core.ids import IdSource
from hearthkms.core.secret import Secret
from hearthkms.keystores.default.keyring import Keyring
from hearthkms.service.trail import service_event
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
    settings: Settings, *, keys: bool = True, ask: Callable[[], Secret] | None = None
) -> Iterator[Deployment]:
    """Open the data that a service has made; with `keys`, its root of trust too.

    Where a passphrase is the root of trust, it comes from the settings, the environment, or `ask`. Raises
    SettingsError where there is no data, SealedError where the passphrase is missing or wrong.
    """
    check_data(settings)
    database = Database(settings.database_url, SharedRevision(settings.data / "revision"), system_clock)
    try:
        database.migrate()
        account_id = database.read_now(lambda transaction: transaction.meta("account_id"))
        if account_id is None:
            raise SettingsError(_never_started(settings))
        keyring = Keyring(None, system_clock)
        if keys:
            _unlock(database, keyring, settings, ask)
        yield Deployment(settings, database, keyring, account_id, system_clock)
    finally:
        database.close_now()


def check_data(settings: Settings) -> None:
    """Raise SettingsError unless a service has used the data folder, and this user may read it."""
    try:
        if not settings.data.is_dir():
            raise SettingsError(f"There is no data folder {settings.data}; name it with --data.")
        # Every start makes this file first. Without it, opening would leave a database in some other folder.
        if not (settings.data / "lock").exists():
            raise SettingsError(_never_started(settings))
    except OSError as error:
        raise SettingsError(
            f"The data folder {settings.data} cannot be read: {error.strerror}. "
            "Run this as the user that the service runs as."
        ) from error


def _never_started(settings: Settings) -> str:
    return (
        f"No service has been started with the data folder {settings.data} yet; name another with --data, "
        "or start one with `hearthkms serve`."
    )


def _unlock(
    database: Database, keyring: Keyring, settings: Settings, ask: Callable[[], Secret] | None
) -> None:
    passphrase = None
    if sealing_of(database).record is not None:
        passphrase = given_passphrase(settings)
        if passphrase is None and ask is not None:
            passphrase = ask()
        if passphrase is None:
            raise SealedError("A passphrase seals the keys of this deployment: give --passphrase-file FILE.")
    open_root(database, keyring, settings, passphrase)


def operator_event(deployment: Deployment, name: str, details: Mapping[str, Any]) -> bytes:
    """The audit record of what an operator did by a command, and who the system says that is."""
    ids = IdSource()
    return service_event(
        event_id=ids.next(),
        request_id=ids.next(),
        name=name,
        now=deployment.clock(),
        region=default_region(deployment.settings),
        account_id=deployment.account_id,
        resources=(),
        details={"operator": _operator(), **details},
    )


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A user id without a name, as in some containers.
        return "unknown"
