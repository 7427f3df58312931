"""The rows of key material: each version of each key, sealed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from hearthkms.kms.model.key import Material
from hearthkms.storage.part import Part, Row, insert_unless_there
from hearthkms.storage.tables import materials

_c = materials.c
_THIS = (
    _c.region == bindparam("at_region"),
    _c.key_id == bindparam("at_key_id"),
    _c.material_id == bindparam("at_material_id"),
)
_MOST = bindparam("most", type_=sa.Integer)

_ONE = sa.select(materials).where(*_THIS)
_INSERT = insert_unless_there(materials)
_UPDATE = sa.update(materials).where(*_THIS)
_LIST = (
    sa.select(materials)
    .where(
        _c.region == bindparam("at_region"),
        _c.key_id == bindparam("at_key_id"),
        _c.sequence > bindparam("after"),
    )
    .order_by(_c.sequence)
    .limit(_MOST)
)
# Two ranges of one index instead of <>, which would walk over everything that is done already.
_UNDER_OLDER, _UNDER_NEWER = (
    sa.select(materials)
    .where(_c.region == bindparam("at_region"), other)
    .order_by(_c.domain_version, _c.key_id, _c.sequence)
    .limit(_MOST)
    for other in (_c.domain_version < bindparam("version"), _c.domain_version > bindparam("version"))
)


class MaterialRows(Part):
    """Key material, inside one transaction."""

    async def material(self, region: str, key_id: str, material_id: str) -> Material | None:
        """One version of a key's material; None where there is none."""
        row = self._row(_ONE, _at(region, key_id, material_id))
        return None if row is None else _material(row)

    async def insert_material(self, material: Material) -> None:
        """Keep new material; raises AlreadyStoredError where its id or sequence is taken in its key."""
        self._insert(_INSERT, _columns(material), f"The key material {material.material_id}")
        self._note_material(material)

    async def update_material(self, material: Material) -> None:
        """Replace the material of the same Region, key and id. Raises NotStoredError where there is none."""
        parameters = _columns(material) | _at(material.region, material.key_id, material.material_id)
        self._change(_UPDATE, parameters, f"The key material {material.material_id}")
        self._note_material(material)

    async def list_materials(
        self, region: str, key_id: str, after_sequence: int, limit: int
    ) -> Sequence[Material]:
        """Materials of a key, oldest first."""
        where = {"at_region": region, "at_key_id": key_id, "after": after_sequence, "most": limit}
        return [_material(row) for row in self._rows(_LIST, where)]

    async def materials_not_under(self, region: str, domain_version: int, limit: int) -> Sequence[Material]:
        """Materials of a Region that another domain key than this one still seals."""
        found: list[Row] = []
        for statement in (_UNDER_OLDER, _UNDER_NEWER):
            where = {"at_region": region, "version": domain_version, "most": limit - len(found)}
            found.extend(self._rows(statement, where))
        return [_material(row) for row in found]

    def _note_material(self, material: Material) -> None:
        self._note("material", material.region, material.key_id, material.material_id)


def _at(region: str, key_id: str, material_id: str) -> dict[str, Any]:
    return {"at_region": region, "at_key_id": key_id, "at_material_id": material_id}


def _columns(material: Material) -> dict[str, Any]:
    return {
        "region": material.region,
        "key_id": material.key_id,
        "material_id": material.material_id,
        "sequence": material.sequence,
        "sealed": material.sealed,
        "domain_version": material.domain_version,
        "creation_date": material.creation_date,
        "rotation_date": material.rotation_date,
        "rotation_type": material.rotation_type,
    }


def _material(row: Row) -> Material:
    return Material(
        region=sys.intern(row.region),
        key_id=row.key_id,
        material_id=row.material_id,
        sequence=row.sequence,
        sealed=row.sealed,
        domain_version=row.domain_version,
        creation_date=row.creation_date,
        rotation_date=row.rotation_date,
        rotation_type=row.rotation_type,
    )
