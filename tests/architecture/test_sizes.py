"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.architecture.sources import functions, name, python_files

SOURCE_LINES = 300
TEST_LINES = 600
FUNCTION_LINES = 60

_SOURCES = python_files("src")
_OTHERS = python_files("tests", "tools", "benchmarks", "examples")


def _longer_than(most: int, paths: Sequence[Path]) -> dict[str, int]:
    lengths = {name(path): len(path.read_text().splitlines()) for path in paths}
    return {path: lines for path, lines in lengths.items() if lines > most}


def test_source_files_are_small() -> None:
    assert _longer_than(SOURCE_LINES, _SOURCES) == {}


def test_other_files_are_not_large() -> None:
    assert _longer_than(TEST_LINES, _OTHERS) == {}


def test_functions_are_small() -> None:
    lengths = {
        f"{name(path)}: {function.name}": (function.end_lineno or function.lineno) - function.lineno + 1
        for path in [*_SOURCES, *_OTHERS]
        for function in functions(path)
    }
    assert {function: lines for function, lines in lengths.items() if lines > FUNCTION_LINES} == {}
