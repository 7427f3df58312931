"""A passphrase as the root of trust: starting sealed, unsealing, and commands that need it."""

from __future__ import annotations

import os
import pty
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.cli.conftest import PASSPHRASE, Cli, environment
from tests.support.console import serving
from tests.support.server import hearthkms

SEALED = "HearthKMS is sealed: its operator must run `hearthkms unseal` before it can answer."
START = ("--dev", "--port", "0", "--data", "data")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A stopped deployment with a passphrase; its credential, a key, and something sealed under it."""
    folder = tmp_path_factory.mktemp("original")
    (folder / "phrase").write_text(PASSPHRASE)
    given = ("--root-of-trust", "passphrase", "--passphrase-file", "phrase")
    with serving(folder, *START, *given, environment=environment()) as console:
        console.wait_for("Ctrl-C stops the service")
        assert "The root of trust is a passphrase, and it is nowhere on disk" in console.text
        kms = _client(console.url, console.exports)
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
        assert console.stop() == 0
        return folder / "data", {"exports": console.exports, "blob": blob, "key_id": key_id}


@pytest.fixture
def sealed_data(original: tuple[Path, dict[str, Any]], tmp_path: Path) -> dict[str, Any]:
    """A copy of the deployment in `data`, for one test."""
    shutil.copytree(original[0], tmp_path / "data")
    return original[1]


def _client(url: str, exports: dict[str, str]) -> Any:
    return boto3.client(
        "kms",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def _free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _descendants(process_id: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


def _refused(url: str, exports: dict[str, str]) -> None:
    with pytest.raises(ClientError) as caught:
        _client(url, exports).list_keys()
    assert caught.value.response["Error"] == {"Code": "KMSInternalException", "Message": SEALED}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_it_starts_sealed_and_answers_once_unsealed(
    cli: Cli, tmp_path: Path, sealed_data: dict[str, Any]
) -> None:
    """The deployment itself knows that a passphrase is its root: no option says so again."""
    wrong = tmp_path / "wrong"
    wrong.write_text("not the passphrase")
    ready = tmp_path / "ready.json"
    port = str(_free_port())
    url = f"http://127.0.0.1:{port}"
    given = ("--port", port, "--workers", "2", "--ready-file", str(ready))
    with serving(tmp_path, *START, *given, environment=environment()) as console:
        console.wait_for("HearthKMS is sealed: it refuses every request until `hearthkms unseal --data ")
        assert not ready.exists()
        assert "export" not in console.text
        _refused(url, sealed_data["exports"])
        status = cli("root", "status", "--data", "data").stdout
        assert "root of trust: passphrase\n" in status
        assert f"the service (pid {console.process.pid}) is sealed\n" in status
        said = cli("unseal", "--data", "data", "--passphrase-file", wrong, code=1)
        assert said.stderr == "hearthkms: this is not the passphrase that sealed the keys\n"
        _refused(url, sealed_data["exports"])
        said = cli("unseal", "--data", "data", code=1)
        assert "there is no terminal to ask at; give it in a file, or in HEARTHKMS_PASSPHRASE" in said.stderr
        said = cli("unseal", "--data", "data", HEARTHKMS_PASSPHRASE=PASSPHRASE)
        assert said.stdout == "Unsealed: the service is starting its workers.\n"
        console.wait_for("Ctrl-C stops the service")
        assert ready.exists()
        kms = _client(console.url, sealed_data["exports"])
        assert kms.decrypt(CiphertextBlob=sealed_data["blob"])["Plaintext"] == b"kept"
        assert "is unsealed\n" in cli("root", "status", "--data", "data").stdout
        said = cli("unseal", "--data", "data", HEARTHKMS_PASSPHRASE=PASSPHRASE, code=1)
        assert said.stderr == "hearthkms: The service is not sealed.\n"
        assert console.stop() == 0


def test_a_sealed_service_stops(tmp_path: Path, sealed_data: dict[str, Any]) -> None:
    with serving(tmp_path, *START, environment=environment()) as console:
        console.wait_for("HearthKMS is sealed")
        assert console.stop() == 0


def test_given_at_the_start_it_never_is_sealed(tmp_path: Path, sealed_data: dict[str, Any]) -> None:
    with serving(tmp_path, *START, environment=environment(HEARTHKMS_PASSPHRASE=PASSPHRASE)) as console:
        console.wait_for("Ctrl-C stops the service")
        assert "sealed" not in console.text
        kms = _client(console.url, sealed_data["exports"])
        assert kms.decrypt(CiphertextBlob=sealed_data["blob"])["Plaintext"] == b"kept"
        for pid in _descendants(console.process.pid):
            found = Path(f"/proc/{pid}/cmdline").read_bytes()
            assert PASSPHRASE.encode() not in found


def test_a_wrong_passphrase_at_the_start_is_refused(
    cli: Cli, tmp_path: Path, sealed_data: dict[str, Any]
) -> None:
    (tmp_path / "wrong").write_text("not the passphrase")
    said = cli("serve", *START, "--passphrase-file", "wrong", code=1)
    assert said.stderr.endswith("hearthkms: this is not the passphrase that sealed the keys\n")


def test_commands_ask_for_it_only_where_they_need_it(
    cli: Cli, sealed_data: dict[str, Any], passphrase_file: Path
) -> None:
    access_key_id = sealed_data["exports"]["AWS_ACCESS_KEY_ID"]
    assert access_key_id in cli("access-key", "list", "--data", "data").stdout
    cli("access-key", "disable", access_key_id, "--data", "data")
    assert " CreateKey ok " in cli("audit", "tail", "--data", "data").stdout
    for words in (("access-key", "create"), ("audit", "verify")):
        said = cli(*words, "--data", "data", code=1)
        assert "there is no terminal to ask at" in said.stderr
    cli("access-key", "create", "--data", "data", "--passphrase-file", passphrase_file)
    cli("audit", "verify", "--data", "data", HEARTHKMS_PASSPHRASE=PASSPHRASE)


def test_unseal_without_a_service(cli: Cli, sealed_data: dict[str, Any], passphrase_file: Path) -> None:
    said = cli("unseal", "--data", "data", "--passphrase-file", passphrase_file, code=1)
    assert "No service is running with the data folder data; start it with `hearthkms serve`" in said.stderr


def test_a_short_passphrase_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("hunter2")
    said = cli(
        *("serve", "--data", "data", "--port", "0"),
        *("--root-of-trust", "passphrase", "--passphrase-file", "short"),
        code=1,
    )
    assert "the passphrase has fewer than 12 bytes; take a longer one" in said.stderr


def test_at_a_terminal_it_is_asked_for_and_not_shown(tmp_path: Path, sealed_data: dict[str, Any]) -> None:
    terminal, process_end = pty.openpty()
    process = subprocess.Popen(
        [hearthkms(), "audit", "verify", "--data", "data"],
        cwd=tmp_path,
        env=environment(TERM="dumb"),
        stdin=process_end,
        stdout=process_end,
        stderr=process_end,
        start_new_session=True,
    )
    os.close(process_end)
    shown = _read_until(terminal, b"Passphrase: ")
    os.write(terminal, PASSPHRASE.encode() + b"\n")
    shown += _read_until(terminal, b"whole.")
    assert process.wait(timeout=30) == 0
    os.close(terminal)
    assert b"the trail is whole." in shown
    assert PASSPHRASE.encode() not in shown


def _read_until(terminal: int, words: bytes) -> bytes:
    shown = b""
    deadline = time.monotonic() + 30
    while words not in shown:
        assert time.monotonic() < deadline, shown
        shown += os.read(terminal, 4096)
    return shown
