"""Transaction: all table families in one object, which is what the domains' ports ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hearthkms.storage.access_keys import AccessKeyRows
from hearthkms.storage.accounts import AccountRows
from hearthkms.storage.aliases import AliasRows
from hearthkms.storage.changes import ChangeRows
from hearthkms.storage.domain_keys import DomainKeyRows
from hearthkms.storage.keys import KeyRows
from hearthkms.storage.ledger import LedgerRows
from hearthkms.storage.materials import MaterialRows
from hearthkms.storage.streams import StreamRows
from hearthkms.storage.tags import TagRows
from hearthkms.storage.usages import UsageRows

if TYPE_CHECKING:
    from hearthkms.iam.ports import AccessKeys
    from hearthkms.kms.ports import Repository


class Transaction(
    KeyRows,
    MaterialRows,
    AliasRows,
    TagRows,
    UsageRows,
    DomainKeyRows,
    AccountRows,
    AccessKeyRows,
    StreamRows,
    LedgerRows,
    ChangeRows,
):
    """One transaction, open: everything the service keeps. Its methods never wait for the event loop."""

    def conclude(self) -> int | None:
        """Do what comes last before the commit; the Database calls it.

        Gives the revision of this transaction, or None where it changed nothing that workers hold.
        """
        self._append_events()
        return self._raise_revision()


if TYPE_CHECKING:

    def _keeps_the_ports(transaction: Transaction) -> tuple[Repository, AccessKeys]:
        return transaction, transaction
