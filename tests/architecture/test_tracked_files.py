"""What the repository must not hold: places on one machine, registries, files of unknown origin."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from tests.architecture.sources import ROOT, name, tracked_files

_LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
_VECTORS = sorted(path for path in (ROOT / "tests" / "vectors").glob("*") if path.is_dir())

_OF_A_MACHINE = re.compile(
    # Written in pieces, so that this file does not hold what it looks for.
    r"/wor" r"k/|/ho" r"me/[a-z]|/Us" r"ers/|/ro" r"ot/|/tm" r"p/[a-z]{2}/"
)
_REGISTRIES = re.compile(
    r"pypi\.o" r"rg|pythonh" r"osted|registry\.npm" r"js|registry\.yarn" r"pkg|proxy\.go" r"lang"
)


def _texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked_files():
        try:
            found.append((path, path.read_text("utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    named = {name(path): match[0] for path, text in _texts() if (match := _OF_A_MACHINE.search(text))}
    assert named == {}


def test_no_file_names_a_package_registry() -> None:
    named = {name(path): match[0] for path, text in _texts() if (match := _REGISTRIES.search(text))}
    assert named == {}


@pytest.mark.parametrize("lock", _LOCKS, ids=name)
def test_every_locked_package_has_one_version_and_its_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock.read_text())
    assert len(entries) > 1
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._\[\],-]+==[^ ;]+( ;[^\\\n]*)? \\\n", entry), entry[:80]
        assert "--hash=sha256:" in entry


@pytest.mark.parametrize("lock", _LOCKS, ids=name)
def test_locks_have_no_addresses(lock: Path) -> None:
    assert "://" not in lock.read_text()


def test_every_requirement_file_is_locked() -> None:
    wanted = {path.stem for path in (ROOT / "requirements").glob("*.in")}
    assert {lock.stem for lock in _LOCKS} == wanted


@pytest.mark.parametrize("folder", _VECTORS, ids=name)
def test_vectors_are_those_whose_origin_is_told(folder: Path) -> None:
    source = (folder / "SOURCE.md").read_text()
    assert re.search(r"\bOrigin\b", source)
    assert re.search(r"\bLicence\b", source)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "SOURCE.md"]
    assert files
    for path in files:
        assert f"`{path.relative_to(folder).as_posix()}`" in source
        assert f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`" in source


def test_vectors_lie_in_folders_that_tell_their_origin() -> None:
    assert [name(path) for path in (ROOT / "tests" / "vectors").glob("*") if path.is_file()] == []
