"""The examples in the documents do what they say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.conftest import reader_environment
from tests.docs.documents import DOCUMENTS, ROOT, Block, blocks, marked
from tests.support.server import Server, running

from hearthkms.settings import Settings, load

ALL = [block for path in DOCUMENTS for block in blocks(path)]
FROM = "from "
JAVASCRIPT = ROOT / "tests" / "interop" / "javascript"


def _run(block: Block, folder: Path, environment: dict[str, str]) -> None:
    command: list[str]
    match block.language:
        case "python":
            command = [sys.executable, "-c", block.text]
        case "sh":
            command = ["bash", "-euo", "pipefail", "-c", block.text]
        case "js":
            script = folder / "example.mjs"
            script.write_text(block.text)
            command = ["node", str(script)]
        case other:
            raise AssertionError(f"no way to run {other or 'a block without a language'}")
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def _skip_unless_there(block: Block) -> None:
    if block.language == "sh" and "aws " in block.text and not (ROOT / ".venv-awscli/bin/aws").exists():
        pytest.skip("the AWS CLI is not installed")
    if block.language == "js":
        modules = JAVASCRIPT / "node_modules" / "@aws-sdk"
        if shutil.which("node") is None or not modules.exists():
            pytest.skip("the AWS SDK for JavaScript is not installed")


@pytest.mark.parametrize("block", marked("runs"), ids=str)
def test_example_against_a_running_service(block: Block, documented: Server) -> None:
    _skip_unless_there(block)
    folder = documented.data.parent
    if block.language == "js" and not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(JAVASCRIPT / "node_modules")
    exports = documented.exports()
    exports["AWS_ENDPOINT_URL_KMS"] = exports.pop("AWS_ENDPOINT_URL")
    _run(block, folder, reader_environment(folder, exports))


@pytest.mark.parametrize("block", marked("runs: stopped"), ids=str)
def test_example_with_a_stopped_service(block: Block, tmp_path: Path) -> None:
    with running(tmp_path / "hearthkms-data") as server:
        server.client().create_key()
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    _run(block, tmp_path, reader_environment(tmp_path, {}))


@pytest.mark.parametrize("block", marked("runs: pytest"), ids=str)
def test_example_of_a_test_suite(block: Block, tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(block.text)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
        cwd=tmp_path,
        env=reader_environment(tmp_path, {}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


@pytest.mark.parametrize("block", [block for block in ALL if block.mark.startswith(FROM)], ids=str)
def test_excerpt_is_in_its_file(block: Block) -> None:
    """Apart from how far in it stands there."""
    text = (ROOT / block.mark.removeprefix(FROM)).read_text("utf-8")
    assert _flush_left(block.text) in _flush_left(text)


def _flush_left(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "toml"], ids=str)
def test_example_of_a_settings_file(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(block.text)
    assert load(path, {}) != Settings()


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "json"], ids=str)
def test_example_in_json(block: Block) -> None:
    assert json.loads(block.text)


def test_no_mark_is_misspelt() -> None:
    known = {"", "runs", "runs: stopped", "runs: pytest", "checked against `hearthkms serve --dev`"}
    assert {block.mark for block in ALL if not block.mark.startswith(FROM)} == known
