"""The rows of tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from hearthkms.storage.part import Part, insert_or_replace
from hearthkms.storage.tables import tags

_c = tags.c
_OF_KEY = (_c.region == bindparam("at_region"), _c.key_id == bindparam("at_key_id"))

_PUT = insert_or_replace(tags)
_DELETE = sa.delete(tags).where(*_OF_KEY, _c.tag_key == bindparam("at_tag_key"))
_LIST = (
    sa.select(_c.tag_key, _c.value)
    .where(*_OF_KEY, _c.tag_key > bindparam("after"))
    .order_by(_c.tag_key)
    .limit(bindparam("most", type_=sa.Integer))
)


class TagRows(Part):
    """Tags of keys, inside one transaction."""

    async def put_tags(self, region: str, key_id: str, tags: Mapping[str, str]) -> None:
        """Set these tags of a key, and leave its others."""
        if tags:
            # In one order always, so that two transactions cannot wait for each other.
            rows = [
                {"region": region, "key_id": key_id, "tag_key": tag_key, "value": tags[tag_key]}
                for tag_key in sorted(tags)
            ]
            self._affect(_PUT, rows)
            self._note("tags", region, key_id)

    async def delete_tags(self, region: str, key_id: str, tag_keys: Sequence[str]) -> None:
        """Remove these tags of a key; those that it does not have are none the less gone."""
        if tag_keys:
            where = {"at_region": region, "at_key_id": key_id}
            self._affect(_DELETE, [where | {"at_tag_key": tag_key} for tag_key in sorted(tag_keys)])
            self._note("tags", region, key_id)

    async def list_tags(self, region: str, key_id: str, after: str, limit: int) -> Sequence[tuple[str, str]]:
        """Tags by key, as (key, value)."""
        where = {"at_region": region, "at_key_id": key_id, "after": after, "most": limit}
        return [(tag_key, value) for tag_key, value in self._rows(_LIST, where)]
