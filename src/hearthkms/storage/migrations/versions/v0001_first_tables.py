"""The tables of the first release."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Spelt out here, because a migration must stay as it was when the tables' definitions go on.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _has(name: str, kind: Any = TEXT) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def _may(name: str, kind: Any = TEXT) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _is(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _of_key(table: str, column: str = "key_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["region", column], ["keys.region", "keys.key_id"], name=f"fk_{table}_keys"
    )


def upgrade() -> None:
    """Make every table."""
    _keys()
    _of_keys()
    _sealed()
    _audit()
    _revisions()


def _keys() -> None:
    op.create_table(
        "keys",
        _has("region"),
        _has("key_id"),
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
        _may("due_date", sa.Double),
        _is("keys", "region", "key_id"),
    )
    op.create_index("ix_keys_account", "keys", ["region", "account_id", "key_id"])
    op.create_index("ix_keys_due", "keys", ["due_date"])
    op.create_table(
        "materials",
        _has("region"),
        _has("key_id"),
        _has("material_id"),
        _has("sequence", sa.Integer),
        _has("sealed", sa.LargeBinary),
        _has("domain_version", sa.Integer),
        _has("creation_date", sa.Double),
        _may("rotation_date", sa.Double),
        _may("rotation_type"),
        _is("materials", "region", "key_id", "material_id"),
        _of_key("materials"),
    )
    op.create_index("ix_materials_sequence", "materials", ["region", "key_id", "sequence"], unique=True)
    op.create_index("ix_materials_domain", "materials", ["region", "domain_version"])


def _of_keys() -> None:
    op.create_table(
        "aliases",
        _has("region"),
        _has("account_id"),
        _has("name"),
        _has("target_key_id"),
        _has("creation_date", sa.Double),
        _has("last_updated_date", sa.Double),
        _is("aliases", "region", "account_id", "name"),
        _of_key("aliases", "target_key_id"),
    )
    op.create_index("ix_aliases_target", "aliases", ["region", "target_key_id", "name"])
    op.create_table(
        "tags",
        _has("region"),
        _has("key_id"),
        _has("tag_key"),
        _has("value"),
        _is("tags", "region", "key_id", "tag_key"),
        _of_key("tags"),
    )
    op.create_table(
        "usages",
        _has("region"),
        _has("key_id"),
        _has("operation"),
        _has("timestamp", sa.Double),
        _has("event_id"),
        _has("request_id"),
        _is("usages", "region", "key_id"),
        _of_key("usages"),
    )


def _sealed() -> None:
    op.create_table(
        "domain_keys",
        _has("region"),
        _has("version", sa.Integer),
        _has("sealed", sa.LargeBinary),
        _has("root_id"),
        _has("creation_date", sa.Double),
        _is("domain_keys", "region", "version"),
    )
    op.create_table(
        "accounts", _has("account_id"), _has("creation_date", sa.Double), _is("accounts", "account_id")
    )
    op.create_table(
        "access_keys",
        _has("access_key_id"),
        _has("account_id"),
        _has("principal_arn"),
        _has("sealed_secret", sa.LargeBinary),
        _has("domain_version", sa.Integer),
        _has("active", sa.Boolean),
        _has("creation_date", sa.Double),
        _is("access_keys", "access_key_id"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_access_keys_accounts"),
    )
    op.create_index("ix_access_keys_account", "access_keys", ["account_id", "access_key_id"])
    op.create_table("meta", _has("name"), _has("value"), _is("meta", "name"))


def _audit() -> None:
    op.create_table(
        "ledger",
        _has("seq", NUMBER),
        _has("event", sa.LargeBinary),
        _has("chain", sa.LargeBinary),
        _is("ledger", "seq"),
    )
    head = op.create_table(
        "ledger_head",
        _has("id", sa.Integer),
        _has("seq", NUMBER),
        _has("chain", sa.LargeBinary),
        _is("ledger_head", "id"),
        sa.CheckConstraint("id = 1", name=op.f("ck_ledger_head_single")),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "chain": b""}])
    op.create_table(
        "streams",
        _has("stream_id"),
        _has("started", sa.Double),
        _has("worker"),
        _may("ended", sa.Double),
        _is("streams", "stream_id"),
    )
    op.create_index("ix_streams_ended", "streams", ["ended"])
    op.create_table(
        "checkpoints",
        _has("stream_id"),
        _has("state"),
        _has("seq", NUMBER),
        _has("checkpoint", sa.LargeBinary),
        _is("checkpoints", "stream_id", "state"),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.stream_id"], name="fk_checkpoints_streams"),
    )
    op.create_index("ix_streams_started", "streams", ["started", "stream_id"])


def _revisions() -> None:
    current = op.create_table(
        "revision",
        _has("id", sa.Integer),
        _has("value", NUMBER),
        _is("revision", "id"),
        sa.CheckConstraint("id = 1", name=op.f("ck_revision_single")),
    )
    op.bulk_insert(current, [{"id": 1, "value": 0}])
    op.create_table(
        "changes",
        _has("revision", NUMBER),
        _has("position", sa.Integer),
        _has("kind"),
        _has("scope"),
        _is("changes", "revision", "position"),
    )
