"""Identifiers as AWS writes them: ARNs, key ids, account ids and request ids."""

from __future__ import annotations

import os
import re
import uuid
import weakref
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
    """UUIDs (version 4) for request and event ids: unique, and no secret.

    Of the 122 free bits, 90 are fresh random ones for each run of up to 65,536 ids, and 32 count on from a
    random start, which costs a fifth of new randomness for each. Threads may share a source. A forked child
    starts anew, so that two processes never hand out the same id.
    """

    __slots__ = ("__weakref__", "_run")
    _LENGTH = 65_536

    def __init__(self) -> None:
        self._start()
        _SOURCES.add(self)

    def _start(self) -> None:
        first = int.from_bytes(os.urandom(4))
        # One attribute, so that a thread never joins the rest of one run to the numbers of another.
        self._run = (str(uuid.uuid4())[8:], iter(range(first, first + self._LENGTH)))

    def next(self) -> str:
        """A new id such as `1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed`."""
        rest, numbers = self._run
        for number in numbers:
            return f"{number & 0xFFFFFFFF:08x}{rest}"
        self._start()
        return self.next()


_SOURCES: weakref.WeakSet[IdSource] = weakref.WeakSet()


def _start_all() -> None:
    for source in _SOURCES:
        source._start()


os.register_at_fork(after_in_child=_start_all)
