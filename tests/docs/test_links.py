"""Links lead somewhere, every document is reached from the README, and the code that is named exists."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest
from tests.docs.documents import DOCUMENTS, ROOT, anchors, code_names, links, name

from hearthkms.settings import Settings

_CODE_PLACES = (ROOT, ROOT / "src" / "hearthkms")
_FILE = re.compile(r"([\w./-]+\.py)(?::([A-Za-z_][\w.]*))?")


def _target(document: Path, link: str) -> tuple[Path, str]:
    path, _, anchor = link.partition("#")
    return ((document.parent / path).resolve() if path else document), anchor


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    for link in links(document):
        if "://" in link:
            continue
        path, anchor = _target(document, link)
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def test_every_document_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document not in reached and document.suffix == ".md":
            reached.add(document)
            waiting += [_target(document, link)[0] for link in links(document) if "://" not in link]
    assert [name(document) for document in DOCUMENTS if document not in reached] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_files_and_functions_that_are_named_exist(document: Path) -> None:
    for code in code_names(document):
        match = _FILE.fullmatch(code)
        if match is None:
            continue
        found = [
            place / match[1] for place in (*_CODE_PLACES, document.parent) if (place / match[1]).exists()
        ]
        assert found, code
        if match[2]:
            assert match[2] in _names(found[0]), code


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text(), re.MULTILINE)
    }
    assert named - targets == set()
    assert {"run", "test", "docs"} <= named


def test_settings_that_are_named_exist() -> None:
    """What the operators' page writes in backticks with an underscore is a setting, or PostgreSQL's."""
    names = {field.name for field in dataclasses.fields(Settings)}
    others = {"synchronous_commit", "pg_dump"}
    words = re.compile(r"[a-z]+(?:_[a-z]+)+")
    page = ROOT / "docs" / "operations.md"
    assert {code for code in code_names(page) if words.fullmatch(code)} - names - others == set()


def _names(path: Path) -> set[str]:
    """Everything that a module defines, methods and constants with the name of their class before them."""
    found: set[str] = set()

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    walk(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(prefix + target.id for target in targets if isinstance(target, ast.Name))

    walk(ast.parse(path.read_text("utf-8")).body, "")
    return found
