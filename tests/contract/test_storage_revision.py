"""The revision that processes of one machine share."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hearthkms.core.errors import SettingsError
from hearthkms.storage.revision import SharedRevision


def test_other_processes_see_an_announcement_at_once(tmp_path: Path) -> None:
    path = tmp_path / "revision"
    shared = SharedRevision(path)
    other = SharedRevision(path)
    shared.announce(7)
    assert other.value == 7

    code = (
        "import sys; from hearthkms.storage.revision import SharedRevision as R;"
        "r = R(sys.argv[1]); assert r.value == 7; r.announce(2**62 + 1)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)

    assert shared.value == other.value == 2**62 + 1
    shared.close()
    other.close()


def test_only_its_owner_may_use_the_file(tmp_path: Path) -> None:
    path = tmp_path / "revision"
    path.touch(0o666)
    path.chmod(0o666)

    SharedRevision(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_disturbance_is_a_value_that_was_never_there(tmp_path: Path) -> None:
    ticks = iter((5, 6))
    shared = SharedRevision(tmp_path / "revision", lambda: next(ticks))
    seen = {shared.value}
    for revision in (5, 6):
        shared.announce(revision)
        seen.add(shared.value)
        shared.resync()
        assert shared.value not in seen
        seen.add(shared.value)
    shared.close()


@pytest.mark.parametrize("path", ["missing/revision", "folder", "link"])
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(SettingsError, match="revision file"):
        SharedRevision(tmp_path / path)

    assert not (tmp_path / "elsewhere").exists()
