"""A newcomer's first minutes: what `serve --dev` prints is pasted into a shell, and the examples are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.interop.conftest import ROOT, client_environment
from tests.support.console import serving
from tests.support.server import Server

COMMANDS = Path(sys.executable).parent
EXAMPLES = ROOT / "examples"


def _shell(folder: Path, script: str, environment: dict[str, str]) -> str:
    """Run `script` as if it were pasted: each line, stopping at the first that fails."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=script,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


def _pasted(text: str) -> str:
    """The lines that are printed for pasting: those that are indented."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    assert len([line for line in lines if line.startswith("export ")]) == 5
    assert len([line for line in lines if "aws kms" in line]) == 3
    return "\n".join(lines) + "\n"


def test_what_is_printed_works_when_pasted_twice_and_after_a_restart(aws_path: Path, tmp_path: Path) -> None:
    """Also in a shell that still has another account's session: what is pasted comes before that."""
    stale = {"AWS_SESSION_TOKEN": "expired", "AWS_PROFILE": "nobody"}
    environment = client_environment(tmp_path, stale)
    environment["PATH"] = os.pathsep.join([str(aws_path.parent), environment["PATH"]])
    hostname = Path("/etc/hostname").read_text()
    keys = []
    for _ in range(2):
        with serving(tmp_path, "--dev", "--port", "0", environment=environment) as console:
            text = console.wait_for("Ctrl-C stops the service")
            assert "There is no aws command here" not in text
            for _ in range(2):
                said = _shell(tmp_path, _pasted(text) + 'echo "$key"\n', environment)
                assert said.startswith(hostname)
                keys.append(said.removeprefix(hostname).strip())
            found = _shell(
                tmp_path,
                _pasted(text)
                + "".join(
                    f"aws kms describe-key --key-id {key} --query KeyMetadata.KeyState\n" for key in keys
                ),
                environment,
            )
            assert found.count('"Enabled"') == len(keys)
            assert console.stop() == 0
            assert console.text.endswith("HearthKMS stopped.\n")
    assert len(set(keys)) == 4


def test_without_the_aws_command_it_says_where_to_get_it(tmp_path: Path) -> None:
    environment = client_environment(tmp_path, {})
    environment["PATH"] = "/nowhere"
    with serving(tmp_path, "--dev", "--port", "0", environment=environment) as console:
        text = console.wait_for("Ctrl-C stops the service")
    assert "(There is no aws command here: `pip install awscli` or your package manager has it.)" in text
    assert "unset" not in text


def test_the_quick_start(server: Server, tmp_path: Path) -> None:
    environment = client_environment(tmp_path, server.exports())
    script = f"{sys.executable} {EXAMPLES / 'quickstart.py'}\n"
    first = _shell(tmp_path, script, environment)
    assert "decrypted: attack at dawn\n" in first
    assert "another context: InvalidCiphertextException\n" in first
    assert "report: 13000 bytes\n" in first
    assert first.endswith("rotated, and the old ciphertext still opens\n")
    # Run again, it finds its key.
    arn = re.match(r"key: (arn:aws:kms:\S+)\n", first)
    assert arn is not None
    assert _shell(tmp_path, script, environment).startswith(arn[0])


def test_files_are_encrypted_with_the_encryption_sdk(server: Server, tmp_path: Path) -> None:
    kms = server.client()
    key_arn = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/files", TargetKeyId=key_arn)
    (tmp_path / "plain.txt").write_bytes(os.urandom(1_000_000))
    environment = client_environment(tmp_path, server.exports())
    script = f"{sys.executable} {EXAMPLES / 'encrypt_file.py'}"
    _shell(
        tmp_path,
        f"{script} encrypt alias/files plain.txt sealed.bin\n"
        f"{script} decrypt {key_arn} sealed.bin opened.txt\n",
        environment,
    )
    assert (tmp_path / "opened.txt").read_bytes() == (tmp_path / "plain.txt").read_bytes()
    # What was tampered with leaves no file in the place of the plaintext.
    sealed = bytearray((tmp_path / "sealed.bin").read_bytes())
    sealed[-500] ^= 1
    (tmp_path / "sealed.bin").write_bytes(sealed)
    done = subprocess.run(
        [*script.split(), "decrypt", key_arn, "sealed.bin", "forged.txt"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert not (tmp_path / "forged.txt").exists()


def test_the_pytest_fixtures(tmp_path: Path) -> None:
    """Copied into a test suite elsewhere, with `hearthkms` on the path."""
    suite = tmp_path / "suite"
    shutil.copytree(EXAMPLES / "pytest", suite, ignore=shutil.ignore_patterns("__pycache__"))
    environment = client_environment(tmp_path, {"AWS_SESSION_TOKEN": "expired"})
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    environment["PATH"] = os.pathsep.join([str(COMMANDS), environment["PATH"]])
    said = _shell(suite, f"{sys.executable} -m pytest -q -p no:cacheprovider .\n", environment)
    assert re.search(r"2 passed", said)


@pytest.mark.parametrize("language", ["python", "shell"])
def test_a_tls_endpoint_is_pasted_with_its_bundle(aws_path: Path, tmp_path: Path, language: str) -> None:
    environment = client_environment(tmp_path, {})
    with serving(tmp_path, "--dev", "--tls-dev", "--port", "0", environment=environment) as console:
        console.wait_for("Ctrl-C stops the service")
        assert console.url.startswith("https://")
        assert Path(console.exports["AWS_CA_BUNDLE"]).is_absolute()
        if language == "python":
            script = f"{sys.executable} -c 'import boto3; print(boto3.client(\"kms\").list_aliases())'\n"
        else:
            script = f"{aws_path} kms list-aliases\n"
        assert "Aliases" in _shell(tmp_path, script, environment | console.exports)
