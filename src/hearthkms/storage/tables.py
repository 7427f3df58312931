"""The tables, defined once for both engines.

A migration makes them (`migrations/versions`); a test holds the two together. Dates are epoch seconds.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Table

from hearthkms.storage.types import COUNTER, Text

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _part(name: str, kind: Any = Text) -> sa.Column[Any]:
    """A column of the primary key. The database never numbers rows by itself."""
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _has(name: str, kind: Any = Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _may(name: str, kind: Any = Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _of_key(column: str = "key_id") -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["region", column], ["keys.region", "keys.key_id"])


keys = Table(
    "keys",
    metadata,
    _part("region"),
    _part("key_id"),
    _has("account_id"),
    _has("creation_date", sa.Double),
    _has("state"),
    _has("policy"),
    _has("description"),
    _has("spec"),
    _has("usage"),
    _has("origin"),
    _has("manager"),
    _has("multi_region", sa.Boolean),
    _may("current_material_id"),
    _may("deletion_date", sa.Double),
    _may("pending_window_days", sa.Integer),
    _has("rotation_enabled", sa.Boolean),
    _has("rotation_period_days", sa.Integer),
    _may("rotation_next_date", sa.Double),
    # When the key next needs something done, derived from the columns above; what jobs look for.
    _may("due_date", sa.Double),
    Index("ix_keys_account", "region", "account_id", "key_id"),
    Index("ix_keys_due", "due_date"),
)

materials = Table(
    "materials",
    metadata,
    _part("region"),
    _part("key_id"),
    _part("material_id"),
    _has("sequence", sa.Integer),
    _has("sealed", sa.LargeBinary),
    _has("domain_version", sa.Integer),
    _has("creation_date", sa.Double),
    _may("rotation_date", sa.Double),
    _may("rotation_type"),
    _of_key(),
    Index("ix_materials_sequence", "region", "key_id", "sequence", unique=True),
    Index("ix_materials_domain", "region", "domain_version"),
)

aliases = Table(
    "aliases",
    metadata,
    _part("region"),
    _part("account_id"),
    _part("name"),
    _has("target_key_id"),
    _has("creation_date", sa.Double),
    _has("last_updated_date", sa.Double),
    _of_key("target_key_id"),
    Index("ix_aliases_target", "region", "target_key_id", "name"),
)

tags = Table("tags", metadata, _part("region"), _part("key_id"), _part("tag_key"), _has("value"), _of_key())

usages = Table(
    "usages",
    metadata,
    _part("region"),
    _part("key_id"),
    _has("operation"),
    _has("timestamp", sa.Double),
    _has("event_id"),
    _has("request_id"),
    _of_key(),
)

domain_keys = Table(
    "domain_keys",
    metadata,
    _part("region"),
    _part("version", sa.Integer),
    _has("sealed", sa.LargeBinary),
    _has("root_id"),
    _has("creation_date", sa.Double),
)

accounts = Table("accounts", metadata, _part("account_id"), _has("creation_date", sa.Double))

access_keys = Table(
    "access_keys",
    metadata,
    _part("access_key_id"),
    _has("account_id"),
    _has("principal_arn"),
    _has("sealed_secret", sa.LargeBinary),
    _has("domain_version", sa.Integer),
    _has("active", sa.Boolean),
    _has("creation_date", sa.Double),
    ForeignKeyConstraint(["account_id"], ["accounts.account_id"]),
    Index("ix_access_keys_account", "account_id", "access_key_id"),
)

meta = Table("meta", metadata, _part("name"), _has("value"))

ledger = Table(
    "ledger",
    metadata,
    _part("seq", COUNTER),
    _has("event", sa.LargeBinary),
    _has("chain", sa.LargeBinary),
)

ledger_head = Table(
    "ledger_head",
    metadata,
    _part("id", sa.Integer),
    _has("seq", COUNTER),
    _has("chain", sa.LargeBinary),
    CheckConstraint("id = 1", name="single"),
)

streams = Table(
    "streams",
    metadata,
    _part("stream_id"),
    _has("started", sa.Double),
    _has("worker"),
    _may("ended", sa.Double),
    Index("ix_streams_started", "started", "stream_id"),
    Index("ix_streams_ended", "ended"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _part("stream_id"),
    _part("state"),
    _has("seq", COUNTER),
    _has("checkpoint", sa.LargeBinary),
    ForeignKeyConstraint(["stream_id"], ["streams.stream_id"]),
)

revision = Table(
    "revision",
    metadata,
    _part("id", sa.Integer),
    _has("value", COUNTER),
    CheckConstraint("id = 1", name="single"),
)

changes = Table(
    "changes",
    metadata,
    _part("revision", COUNTER),
    _part("position", sa.Integer),
    _has("kind"),
    _has("scope"),
)
