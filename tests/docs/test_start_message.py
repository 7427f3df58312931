"""The README shows what `hearthkms serve --dev` prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from tests.docs.conftest import reader_environment
from tests.docs.documents import marked
from tests.support.server import hearthkms

_VARIES = {
    r"127\.0\.0\.1:\d+": "127.0.0.1:7710",
    r"account \d{12}": "account 111122223333",
    r"AKIA[A-Z0-9]{16}": "AKIAIOSFODNN7EXAMPLE",
    r"SECRET_ACCESS_KEY=\S+": "SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
_LAST_LINE = "Ctrl-C stops the service; the next start finds every key.\n"


def test_the_start_message_is_as_shown(tmp_path: Path) -> None:
    (shown,) = marked("checked against `hearthkms serve --dev`")
    printed = _first_words(tmp_path)
    for pattern, example in _VARIES.items():
        printed, count = re.subn(pattern, lambda _: example, printed)  # noqa: B023
        assert count, pattern
    assert printed == shown.text


def _first_words(folder: Path) -> str:
    """What a service prints when it is started in an empty folder with an `aws` at hand."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "aws").symlink_to("/bin/true")
    environment = reader_environment(folder, {})
    environment["PATH"] = os.pathsep.join([str(programs), environment["PATH"]])
    process = subprocess.Popen(
        [hearthkms(), "serve", "--dev", "--port", "0"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line == _LAST_LINE:
                break
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "HearthKMS stopped.\n"
    assert process.returncode == 0
    return "".join(lines)
