"""Identifiers as AWS writes them: ARNs, key ids, account ids and request ids."""

from __future__ import annotations

import os
import re
import uuid
from dataclasses import dataclass

PARTITION = "aws"

KEY_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")
ACCOUNT_ID = re.compile(r"[0-9]{12}")


@dataclass(frozen=True, slots=True)
class Arn:
    """The six parts of an Amazon Resource Name.

    Source: AWS General Reference, "Amazon Resource Names (ARNs)".
    """

    partition: str
    service: str
    region: str
    account_id: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """The parts of `text`, or None where it is not an ARN."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
            return None
        return cls(*parts[1:])

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account_id}:{self.resource}"


def key_arn(region: str, account_id: str, key_id: str) -> str:
    """The ARN of a KMS key."""
    return f"arn:{PARTITION}:kms:{region}:{account_id}:key/{key_id}"


def alias_arn(region: str, account_id: str, name: str) -> str:
    """The ARN of an alias; `name` starts with `alias/`."""
    return f"arn:{PARTITION}:kms:{region}:{account_id}:{name}"


def root_arn(account_id: str) -> str:
    """The ARN of an account's root user."""
    return f"arn:{PARTITION}:iam::{account_id}:root"


def is_key_id(text: str) -> bool:
    """Whether `text` has the form of a key id: a lower-case UUID, or `mrk-` and 32 hex digits."""
    return KEY_ID.fullmatch(text) is not None


def new_key_id(*, multi_region: bool = False) -> str:
    """A fresh random key id."""
    return f"mrk-{uuid.uuid4().hex}" if multi_region else str(uuid.uuid4())


def new_account_id() -> str:
    """A fresh random 12-digit account id that does not start with 0."""
    return str(10**11 + int.from_bytes(os.urandom(8)) % (9 * 10**11))


class IdSource:
    """Random UUIDs (version 4) from pooled system randomness; made for request and event ids.

    Threads may share one. The pool is dropped in a forked child, so that two processes never hand out the
    same id.
    """

    __slots__ = ("__weakref__", "_pool")
    _COUNT = 128

    def __init__(self) -> None:
        self._pool: list[str] = []
        os.register_at_fork(after_in_child=self._pool.clear)

    def next(self) -> str:
        """A new id such as `1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed`."""
        try:
            return self._pool.pop()
        except IndexError:
            fresh = os.urandom(16 * self._COUNT).hex()
            made = [_uuid4(fresh[start : start + 32]) for start in range(0, len(fresh), 32)]
            last = made.pop()
            self._pool += made
            return last


_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def _uuid4(h: str) -> str:
    """32 random hex digits as a version 4 UUID (RFC 9562, section 5.4)."""
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:]}"
