"""Opening the root of trust that the settings choose, and making it for a new deployment."""

from __future__ import annotations

import os

from hearthkms.core.errors import SettingsError
from hearthkms.core.secret import Secret
from hearthkms.keystores.default.keyfile import KeyFileRoot
from hearthkms.keystores.default.keyring import Keyring
from hearthkms.keystores.default.passphrase import PassphraseRoot
from hearthkms.keystores.default.root import RootOfTrust
from hearthkms.keystores.default.upkeep import rewrap
from hearthkms.settings import Settings
from hearthkms.storage.database import Database
from hearthkms.storage.transaction import Transaction

PASSPHRASE_RECORD = "passphrase_root"  # noqa: S105  the name under which its public parameters are kept
PASSPHRASE_VARIABLE = "HEARTHKMS_PASSPHRASE"  # noqa: S105  a name


def open_root(
    database: Database, keyring: Keyring, settings: Settings, passphrase: Secret | None = None
) -> None:
    """Give `keyring` its root of trust, or leave it sealed where a passphrase is needed and not there.

    Raises SettingsError where the root that is chosen does not exist, SealedError where it is a wrong one.
    """

    async def find(transaction: Transaction) -> tuple[bool, str | None]:
        return bool(await transaction.list_domain_keys()), await transaction.meta(PASSPHRASE_RECORD)

    used, record = database.read_now(find)
    if settings.root_of_trust == "key-file":
        root: RootOfTrust | None = _key_file(settings, used)
    else:
        root = _passphrase(passphrase or _given_passphrase(settings), record, used)
    if root is None:
        return

    async def unlock(transaction: Transaction) -> None:
        if isinstance(root, PassphraseRoot) and record is None:
            await transaction.put_meta(PASSPHRASE_RECORD, root.record)
        await keyring.unlock(transaction, root)

    database.write_now(unlock)


def _key_file(settings: Settings, used: bool) -> KeyFileRoot:
    path = settings.key_file
    if path.exists() or used:
        return KeyFileRoot.load(path)
    return KeyFileRoot.create(path)


def _passphrase(passphrase: Secret | None, record: str | None, used: bool) -> PassphraseRoot | None:
    if record is None:
        if used:
            raise SettingsError(
                "These keys are not sealed by a passphrase: start with --root-of-trust key-file, or re-wrap "
                "them with `hearthkms root rewrap --to passphrase`."
            )
        if passphrase is None:
            raise SettingsError(
                "A new deployment needs its passphrase at the first start: give --passphrase-file FILE "
                f"or set {PASSPHRASE_VARIABLE}."
            )
        return PassphraseRoot.create(passphrase)
    return None if passphrase is None else PassphraseRoot.unlock(passphrase, record)


def _given_passphrase(settings: Settings) -> Secret | None:
    """The passphrase of the settings' file or of the environment, which then forgets it."""
    if settings.passphrase_file is not None:
        try:
            return Secret(settings.passphrase_file.read_bytes().rstrip(b"\r\n"))
        except OSError as error:
            raise SettingsError(f"The passphrase file cannot be read: {error}") from error
    value = os.environ.pop(PASSPHRASE_VARIABLE, None)
    return None if value is None else Secret(value.encode())


def rewrap_root(
    database: Database, keyring: Keyring, settings: Settings, passphrase: Secret | None
) -> tuple[int, str]:
    """Seal every domain key under a new root: a passphrase, or a fresh key file where it is None.

    The number of domain keys, and the new root's id. The key file is on disk before the database names it,
    and the database changes in one transaction, so that a crash leaves one root that opens everything.
    """
    if passphrase is not None:
        root: KeyFileRoot | PassphraseRoot = PassphraseRoot.create(passphrase)
    else:
        path = settings.key_file
        if path.exists():
            path.replace(path.with_name(path.name + ".old"))
        root = KeyFileRoot.create(path)

    async def change(transaction: Transaction) -> int:
        count = await rewrap(keyring, transaction, root)
        if isinstance(root, PassphraseRoot):
            await transaction.put_meta(PASSPHRASE_RECORD, root.record)
        else:
            await transaction.delete_meta(PASSPHRASE_RECORD)
        return count

    return database.write_now(change), root.id
