"""The model's constraints on a request, told in the words of AWS's services.

The sentences and their order are those that AWS's services answer with: per member the upper bound, the lower
bound, the enum and the pattern; paths in lower camel case; elements of a list and keys and values of a map as
one violation of the collection; no value for blobs and for whatever the model calls sensitive.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hearthkms.core.errors import ServiceError
from hearthkms.wire.model import SIZED_KINDS, Shape

MOST_REPORTED = 10
"""AWS reports no more violations than this; it also bounds how often a request's text is sent back."""

_NOT_NULL = "Member must not be null"
_JAVA_PART = re.compile(r"\\[pP]\{\w+\}|\\.|.", re.DOTALL)
_JAVA_DOT = r"[^\n\r\u0085\u2028\u2029]"


class Rule(NamedTuple):
    """One constraint: AWS's sentence for it, and whether a value that is there satisfies it."""

    text: str
    holds: Callable[[Any], bool]


def validate(shape: Shape, value: Mapping[str, Any]) -> None:
    """Check a decoded request against `shape`; None stands for JSON's null inside lists and maps.

    Raises ServiceError ValidationException that lists the first ten violations, in the model's order.
    """
    violations = list(itertools.islice(_in_structure(shape, value, ""), MOST_REPORTED))
    if violations:
        count = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected: "
        raise ServiceError("ValidationException", count + "; ".join(violations))


def rules(shape: Shape) -> list[Rule]:
    """The constraints that `shape` itself puts on a value, in the order in which AWS names them."""
    measure, size = ("length", len) if shape.kind in SIZED_KINDS else ("value", _itself)
    found = []
    if (maximum := shape.maximum) is not None:
        text = f"Member must have {measure} less than or equal to {maximum}"
        found.append(Rule(text, lambda value: size(value) <= maximum))
    if (minimum := shape.minimum) is not None:
        text = f"Member must have {measure} greater than or equal to {minimum}"
        found.append(Rule(text, lambda value: size(value) >= minimum))
    if enum := shape.enum:
        found.append(
            Rule(f"Member must satisfy enum value set: [{', '.join(enum)}]", lambda value: value in enum)
        )
    if shape.pattern is not None:
        matches = re.compile(expression(shape.pattern)).search
        text = f"Member must satisfy regular expression pattern: {shape.pattern}"
        found.append(Rule(text, lambda value: matches(value) is not None))
    return found


@functools.cache
def expression(pattern: str) -> str:
    r"""The Python expression whose `search` decides as Java's `matches` does for `pattern`.

    Java's classes are ASCII unless they name a Unicode property, its dot stops at more line ends than
    Python's, and its `matches` is always about the whole text (so a trailing newline does not pass a `$`).
    Raises ValueError for `\P{...}`, which no model here uses.
    """
    translated = []
    in_class = False
    for part in _JAVA_PART.findall(pattern):
        if part.startswith("\\P{"):
            raise ValueError(f"negated property in the pattern {pattern}")
        if part.startswith("\\p{"):
            ranges = _property(part[3:-1])
            translated.append(ranges if in_class else f"[{ranges}]")
        elif part == "." and not in_class:
            translated.append(_JAVA_DOT)
        else:
            in_class = part == "[" or (in_class and part != "]")
            translated.append(part)
    return rf"(?a)\A(?:{''.join(translated)})\Z"


def _in_structure(shape: Shape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        at = path + name[:1].lower() + name[1:]
        given = value.get(name)
        if given is not None:
            yield from _in_member(member, given, at)
        elif name in shape.required:
            yield _violation(member, None, at, _NOT_NULL)


def _in_member(shape: Shape, value: Any, path: str) -> Iterator[str]:
    for rule in rules(shape):
        if not rule.holds(value):
            yield _violation(shape, value, path, rule.text)
    yield from _inside(shape, value, path)


def _inside(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """The violations below `value`, which itself is checked already."""
    if shape.kind == "structure":
        yield from _in_structure(shape, value, path + ".")
        return
    if shape.element is None:
        return
    if shape.key is not None:
        if broken := _broken(shape.key, value):
            yield _violation(shape, value, path, f"Map keys must satisfy constraint: {broken}")
        if broken := _broken(shape.element, value.values()):
            yield _violation(shape, value, path, f"Map value must satisfy constraint: {broken}")
        below = [(f"{path}.{key}.member", item) for key, item in value.items()]
    else:
        if broken := _broken(shape.element, value):
            yield _violation(shape, value, path, f"Member must satisfy constraint: {broken}")
        below = [(f"{path}.{number}.member", item) for number, item in enumerate(value, 1)]
    for at, item in below:
        if item is not None:
            yield from _inside(shape.element, item, at)


def _broken(shape: Shape, values: Iterable[Any]) -> str:
    """All rules of `shape` in brackets where any of `values` breaks any of them, else ""."""
    known = rules(shape)
    held = list(values)
    texts = [rule.text for rule in known]
    if any(value is None for value in held):
        texts.append(_NOT_NULL)
    elif all(rule.holds(value) for value in held for rule in known):
        return ""
    return f"[{', '.join(texts)}]"


def _violation(shape: Shape, value: Any, path: str, constraint: str) -> str:
    return f"{_shown(shape, value)} at '{path}' failed to satisfy constraint: {constraint}"


def _shown(shape: Shape, value: Any) -> str:
    if _hides(shape):
        return "Value"
    if value is None:
        return "Value null"
    if not _prints(shape):
        return "Value"
    if shape.key is not None:
        return "Value '{" + ", ".join(f"{key}={_text(item)}" for key, item in value.items()) + "}'"
    if shape.element is not None:
        return f"Value '[{', '.join(map(_text, value))}]'"
    return f"Value '{value}'"


def _hides(shape: Shape) -> bool:
    """Whether the value, or whatever it contains, is sensitive."""
    parts = (shape.key, shape.element, *shape.members.values())
    return shape.sensitive or any(_hides(part) for part in parts if part is not None)


def _prints(shape: Shape) -> bool:
    """Whether AWS has a printed form for values of this shape: scalars, and flat collections of them."""
    inner = [part for part in (shape.key, shape.element) if part is not None]
    return shape.kind not in ("blob", "structure") and not any(
        part.element is not None or not _prints(part) for part in inner
    )


def _text(value: Any) -> str:
    return "null" if value is None else str(value)


def _itself(value: Any) -> Any:
    return value


def _property(name: str) -> str:
    """The characters with the Unicode property `name`, as ranges for inside a class."""
    if name == "ASCII":
        return r"\x00-\x7f"
    ranges = "".join(spans for category, spans in _categories().items() if category.startswith(name))
    if not ranges:
        raise ValueError(f"unknown Unicode property {name}")
    return ranges


@functools.cache
def _categories() -> dict[str, str]:
    """Every general category with its characters as ranges."""
    spans: dict[str, list[str]] = {}
    start, current = 0, unicodedata.category("\0")
    for point in range(1, sys.maxunicode + 2):
        category = unicodedata.category(chr(point)) if point <= sys.maxunicode else ""
        if category != current:
            spans.setdefault(current, []).append(rf"\U{start:08x}-\U{point - 1:08x}")
            start, current = point, category
    return {category: "".join(found) for category, found in spans.items()}
