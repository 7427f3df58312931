"""Moving a deployment to another root of trust."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hearthkms.app.keyfiles import discard, finish, former, prepare
from hearthkms.app.offline import Deployment, operator_event
from hearthkms.app.roots import PASSPHRASE_RECORD, sealing_of
from hearthkms.core.errors import HearthError
from hearthkms.core.secret import Secret
from hearthkms.keystores.default.keyfile import KeyFileRoot
from hearthkms.keystores.default.passphrase import PassphraseRoot
from hearthkms.keystores.default.upkeep import rewrap
from hearthkms.storage.transaction import Transaction


class Rewrapped(NamedTuple):
    """The outcome: how many domain keys the new root seals, its id, and where the old key file is now."""

    domain_keys: int
    root_id: str
    old_file: Path | None


def rewrap_root(deployment: Deployment, new: Secret | Path) -> Rewrapped:
    """Seal every domain key under a new root: a passphrase, or a fresh key that becomes this key file.

    The new key is on disk before the database names it, and the database changes in one transaction, so that
    after a crash at any moment one root opens everything: the old one until the commit, then the new one.
    Hold the lock of the data folder.
    """
    own = deployment.settings.key_file
    old_file = own if isinstance(deployment.keyring.root, KeyFileRoot) else None
    if isinstance(new, Secret):
        root: KeyFileRoot | PassphraseRoot = PassphraseRoot.create(new)
    else:
        replaces = new.absolute() == own.absolute()
        if replaces and new.exists():
            old_file = former(new)
        root = prepare(new, replaces=replaces)

    async def change(transaction: Transaction) -> int:
        before = deployment.keyring.root.id
        count = await rewrap(deployment.keyring, transaction, root)
        if isinstance(root, PassphraseRoot):
            await transaction.put_meta(PASSPHRASE_RECORD, root.record)
        else:
            await transaction.delete_meta(PASSPHRASE_RECORD)
        details = {"previousRoot": before, "currentRoot": root.id, "domainKeys": count}
        await transaction.record(operator_event(deployment, "RewrapRootOfTrust", details))
        return count

    try:
        count = deployment.database.write_now(change)
    except HearthError:
        if isinstance(new, Path) and root.id not in sealing_of(deployment.database).root_ids:
            discard(new)
        raise
    if isinstance(new, Path):
        finish(new)
    return Rewrapped(count, root.id, old_file)
