"""Modules say what they are for, and what others use says what it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from tests.architecture.sources import Function, name, python_files, tree

_SENTENCE_ENDS = (".", ":", "?")


def test_every_module_opens_with_a_sentence() -> None:
    silent = []
    for path in python_files("src", "tests", "tools", "benchmarks", "examples"):
        opening = (ast.get_docstring(tree(path)) or "").split("\n\n")[0].rstrip()
        if path.stat().st_size and not opening.endswith(_SENTENCE_ENDS):
            silent.append(name(path))
    assert silent == []


def test_everything_public_is_documented() -> None:
    assert [
        found for path in python_files("src") for found in _undocumented(name(path), tree(path).body)
    ] == []


def _undocumented(where: str, body: Sequence[ast.stmt]) -> Iterator[str]:
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield f"{where}: {node.name}"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(f"{where}: {node.name}", node.body)
