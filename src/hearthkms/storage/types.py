"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

STORED_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text ordered by its UTF-8 bytes. SQLite does so by default; PostgreSQL has to be told."""

COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 64-bit number. SQLite's own row number is one, but only under the name INTEGER."""


def escape(text: str) -> str:
    """`text` without NUL, which PostgreSQL cannot store: U+0000 becomes 01 01, and U+0001 becomes 01 02.

    Different texts stay different and keep their order, so keys and listings may hold escaped text.
    """
    if "\0" in text or "\1" in text:
        return text.replace("\1", "\1\2").replace("\0", "\1\1")
    return text


def unescape(stored: str) -> str:
    """The text that `escape` made `stored` from."""
    if "\1" in stored:
        return stored.replace("\1\1", "\0").replace("\1\2", "\1")
    return stored


class Text(sa.types.TypeDecorator[str]):
    """Any Unicode text. Lone surrogates are not Unicode text: both engines refuse them as ValueError."""

    impl = STORED_TEXT
    cache_ok = True

    def process_bind_param(self, value: str | None, _: sa.Dialect) -> str | None:
        """Escape what goes to the database."""
        return None if value is None else escape(value)

    def process_result_value(self, value: Any | None, _: sa.Dialect) -> str | None:
        """Unescape what comes from the database."""
        return None if value is None else unescape(value)
