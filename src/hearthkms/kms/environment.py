"""Environment: what a KMS handler works with, bound to one view of the keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

from hearthkms.core.clock import Clock
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key
from hearthkms.kms.ports import KeyStore, KeyView

V = TypeVar("V", bound=KeyView)

MakeManaged = Callable[[str, str, str], Awaitable[Alias]]
"""Make the AWS managed key behind a predefined alias: (region, account_id, alias name) -> the alias."""


class Services(NamedTuple):
    """What every handler may use, whatever view it works on. `stores` are key stores by key origin."""

    stores: Mapping[str, KeyStore]
    clock: Clock
    make_managed: MakeManaged


class Environment(NamedTuple, Generic[V]):
    """A view of the keys and the services around it."""

    view: V
    services: Services

    def store_of(self, key: Key) -> KeyStore:
        """The key store that holds `key`'s material."""
        return self.services.stores[key.origin]
