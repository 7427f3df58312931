"""The rows of domain keys, sealed under the root of trust."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from hearthkms.kms.ports import DomainKey
from hearthkms.storage.part import Part, insert_unless_there
from hearthkms.storage.tables import domain_keys

_c = domain_keys.c
_COLUMNS = (_c.region, _c.version, _c.sealed, _c.root_id, _c.creation_date)
_THIS = (_c.region == bindparam("at_region"), _c.version == bindparam("at_version"))

_ONE = sa.select(*_COLUMNS).where(*_THIS)
_NEWEST = sa.select(*_COLUMNS).where(_c.region == bindparam("at_region")).order_by(_c.version.desc()).limit(1)
_LIST = sa.select(*_COLUMNS).order_by(_c.region, _c.version)
_PUT = insert_unless_there(domain_keys)
_DELETE = sa.delete(domain_keys).where(*_THIS)


class DomainKeyRows(Part):
    """Domain keys, inside one transaction."""

    async def domain_key(self, region: str, version: int | None) -> DomainKey | None:
        """A domain key of the Region: the given version, or the newest."""
        if version is None:
            row = self._row(_NEWEST, {"at_region": region})
        else:
            row = self._row(_ONE, {"at_region": region, "at_version": version})
        return None if row is None else DomainKey(*row)

    async def list_domain_keys(self) -> Sequence[DomainKey]:
        """Every domain key of every Region, by Region and version."""
        return [DomainKey(*row) for row in self._rows(_LIST)]

    async def put_domain_key(self, domain_key: DomainKey) -> None:
        """Insert a domain key, unless its Region has this version already.

        It never replaces one: of two transactions that add the same version the first one's stands, else what
        it sealed could not be opened again. Who wraps a domain key anew deletes it first.
        """
        if self._affect(_PUT, domain_key._asdict()) == 0:
            return
        self._note("domain_key", domain_key.region, str(domain_key.version))

    async def delete_domain_key(self, region: str, version: int) -> None:
        """Remove a domain key. Raises NotStoredError where there is none."""
        where = {"at_region": region, "at_version": version}
        self._change(_DELETE, where, f"The domain key {version} of {region}")
        self._note("domain_key", region, str(version))
