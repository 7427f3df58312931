"""The AWS SDK for JavaScript, unmodified from npm, over plain HTTP and over TLS."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.interop.conftest import client_environment
from tests.support.server import Server

FOLDER = Path(__file__).parent / "javascript"


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, with the SDK installed."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("Node.js is not installed; `make test-setup` does that, as root")
    if not (FOLDER / "node_modules" / "@aws-sdk").exists():
        pytest.skip("the JavaScript SDK is not installed; `make test-setup` does that where npm is")
    return path


def _run(node: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node, "client.mjs"],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _check(server: Server, done: subprocess.CompletedProcess[str]) -> None:
    """What JavaScript sealed, Python opens: both mean the same bytes, context and key."""
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    opened = server.client().decrypt(
        CiphertextBlob=base64.b64decode(said["ciphertext"]), EncryptionContext=said["context"]
    )
    assert opened["KeyId"] == said["keyArn"]
    assert opened["Plaintext"] == base64.b64decode(said["plaintext"])


def test_over_plain_http(node: str, server: Server, tmp_path: Path) -> None:
    _check(server, _run(node, client_environment(tmp_path, server.exports())))


def test_over_tls_with_the_bundle_of_the_ready_file(node: str, tls_server: Server, tmp_path: Path) -> None:
    exports = tls_server.exports() | {"NODE_EXTRA_CA_CERTS": tls_server.access["ca_bundle"]}
    _check(tls_server, _run(node, client_environment(tmp_path, exports)))


def test_tls_without_the_bundle_is_refused_by_the_client(
    node: str, tls_server: Server, tmp_path: Path
) -> None:
    done = _run(node, client_environment(tmp_path, tls_server.exports()))
    assert done.returncode != 0
    assert "unable to verify the first certificate" in done.stderr
