"""The key file as a root of trust: how it is made, and which files are refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hearthkms.core.errors import SettingsError
from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.keystores.default import KeyFileRoot


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the key file goes."""
    return tmp_path / "root.key"


def test_is_made_once_private_and_complete(path: Path) -> None:
    KeyFileRoot.create(path)
    found = path.lstat()
    assert stat.S_ISREG(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_size == 32
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_its_mode_does_not_depend_on_the_umask(path: Path) -> None:
    before = os.umask(0o777)
    try:
        KeyFileRoot.create(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_loaded_root_opens_what_the_made_one_sealed(path: Path) -> None:
    sealed = KeyFileRoot.create(path).seal(Secret(b"domain key"), b"aad")
    assert KeyFileRoot.load(path).open(sealed, b"aad") == Secret(b"domain key")


def test_ids_name_the_root_and_hide_it(path: Path) -> None:
    made = KeyFileRoot.create(path)
    other = KeyFileRoot.create(path.with_name("other.key"))
    assert made.id == KeyFileRoot.load(path).id != other.id
    kind, check = made.id.split(":")
    assert kind == "key-file"
    assert len(check) == 8
    assert bytes.fromhex(check) not in path.read_bytes()


def test_an_existing_file_is_never_overwritten(path: Path) -> None:
    KeyFileRoot.create(path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="exists already"):
        KeyFileRoot.create(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_folder_that_is_missing_is_said(path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be made: No such file or directory"):
        KeyFileRoot.create(path.parent / "missing" / "root.key")


def test_a_missing_file_is_said(path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no key file"):
        KeyFileRoot.load(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o601, 0o660, 0o644, 0o777])
def test_a_file_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    KeyFileRoot.create(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}"):
        KeyFileRoot.load(path)


def test_a_file_that_nobody_can_write_is_accepted(path: Path) -> None:
    made = KeyFileRoot.create(path)
    path.chmod(0o400)
    assert KeyFileRoot.load(path).id == made.id


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KeyFileRoot.create(path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(SettingsError, match="belongs to user"):
        KeyFileRoot.load(path)


def test_a_symbolic_link_is_refused(path: Path) -> None:
    KeyFileRoot.create(path)
    link = path.with_name("link.key")
    link.symlink_to(path)
    with pytest.raises(SettingsError, match="symbolic link"):
        KeyFileRoot.load(link)


def test_a_dangling_link_is_not_written_through(path: Path) -> None:
    target = path.with_name("elsewhere.key")
    path.symlink_to(target)
    with pytest.raises(SettingsError, match="exists already"):
        KeyFileRoot.create(path)
    assert not target.exists()


def test_what_is_not_a_file_is_refused_without_waiting(path: Path) -> None:
    os.mkfifo(path, 0o600)
    with pytest.raises(SettingsError, match="not a regular file"):
        KeyFileRoot.load(path)
    with pytest.raises(SettingsError, match="not a regular file"):
        KeyFileRoot.load(path.parent)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_file_of_another_size_is_refused(path: Path, size: int) -> None:
    KeyFileRoot.create(path)
    path.write_bytes(bytes(size))
    with pytest.raises(SettingsError, match="has not 32 bytes"):
        KeyFileRoot.load(path)


def test_messages_never_hold_the_key(path: Path) -> None:
    KeyFileRoot.create(path)
    content = path.read_bytes() + b"!"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        KeyFileRoot.load(path)
    assert content.hex() not in str(caught.value)
    assert repr(content) not in str(caught.value)


def test_another_root_does_not_open(path: Path) -> None:
    sealed = KeyFileRoot.create(path).seal(Secret(b"domain key"), b"aad")
    with pytest.raises(AuthenticityError):
        KeyFileRoot.create(path.with_name("other.key")).open(sealed, b"aad")
