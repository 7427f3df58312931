"""What a client may rely on: the values that each thing can have, given which of its calls were answered.

A call that was answered leaves one possible value. A call that was not may have taken place or not, so it
adds one. What the service says later must be among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Possible(Generic[T]):
    """The values that something can have."""

    def __init__(self, value: T) -> None:
        self.values = {value}

    def answered(self, value: T) -> None:
        """It is `value` now."""
        self.values = {value}

    def unanswered(self, value: T) -> None:
        """It may have become `value`."""
        self.values.add(value)

    def __repr__(self) -> str:
        return " or ".join(sorted(map(repr, self.values)))


class Ciphertext(NamedTuple):
    """A ciphertext that was given out. `plaintext` is None where the client was not told."""

    blob: str
    plaintext: str | None
    context: dict[str, str]
    material_id: str | None


@dataclass
class KnownKey:
    """A key whose creation was answered."""

    key_id: str
    description: Possible[str]
    state: Possible[str] = field(default_factory=lambda: Possible("Enabled"))
    rotates: Possible[bool] = field(default_factory=lambda: Possible(False))
    tags: dict[str, Possible[str | None]] = field(default_factory=dict)
    rotations: int = 0
    """On-demand rotations that were answered."""
    rotations_unanswered: int = 0
    ciphertexts: list[Ciphertext] = field(default_factory=list)


@dataclass
class Known:
    """What one client knows."""

    keys: list[KnownKey] = field(default_factory=list)
    creations_unanswered: set[str] = field(default_factory=set)
    """Descriptions of keys that may have been created."""
    aliases: dict[str, Possible[str | None]] = field(default_factory=dict)
    """Alias name to the id of its target."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Operation and request id of each call that was answered: done, or refused as the caller's mistake."""
    unanswered: int = 0
    unavailable: int = 0
    """Calls that the service answered with 5xx: it may or may not have carried them out."""
    excuses: set[str] = field(default_factory=set)
    """What those answers said."""
    wrong: list[str] = field(default_factory=list)
    """Answers that contradict what is possible."""
