"""Secret: bytes that do not print."""

from __future__ import annotations

import hmac


class Secret:
    """Secret bytes (key material, access-key secrets, passphrases).

    It never shows its content in `repr`, `str`, formatting or pickling. `reveal()` is the only way out, and
    is named so that every use can be found by a search.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The plaintext bytes. Keep them in the narrowest scope that works."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")
