"""A service under a passphrase: sealed at its start, opened by an operator, sealed again after a restart."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest
from tests.integration.commands import begin, run, wait_for
from tests.support.server import running
from tests.support.signed import Client, NotSentError, Refused, UnansweredError

RIGHT, WRONG = b"correct horse battery staple", b"something else"


@pytest.fixture
def secrets(tmp_path: Path) -> tuple[Path, Path]:
    """Files with the passphrase and with a wrong one."""
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    # Not everything that a keyboard gives is UTF-8.
    right.write_bytes(RIGHT + b"\xff\n")
    wrong.write_bytes(WRONG + b"\n")
    return right, wrong


def test_sealed_unsealed_and_sealed_again(tmp_path: Path, secrets: tuple[Path, Path]) -> None:
    right, wrong = secrets
    data, log, ready = tmp_path / "data", tmp_path / "log", tmp_path / "ready.json"
    root = ["--root-of-trust", "passphrase"]
    with running(data, *root, "--passphrase-file", str(right)) as server:
        access = server.access
        with Client(lambda: access) as client:
            key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
            sealed = client.call("Encrypt", KeyId=key_id, Plaintext="eA==")["CiphertextBlob"]
    port = access["endpoint_url"].rpartition(":")[2]
    arguments = ["serve", "--dev", "--data", data, *root, "--port", port, "--ready-file", ready]
    service = begin(*arguments, "--workers", "2", log=log)
    try:
        check_it_is_sealed(data, access, sealed)
        assert not ready.exists()
        refused = run("unseal", "--data", data, "--passphrase-file", wrong)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        opened = run("unseal", "--data", data, "--passphrase-file", right)
        assert opened.returncode == 0, opened.stderr
        wait_for(ready.exists, "the ready file")
        with Client(lambda: access) as client:
            assert client.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "eA=="
        again = run("unseal", "--data", data, "--passphrase-file", right)
        assert again.returncode == 1
        assert "not sealed" in again.stderr
        check_a_worker_comes_back_unsealed(service.pid, access, sealed)
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    service = begin(*arguments, log=log)
    try:
        check_it_is_sealed(data, access, sealed)
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    assert "Traceback" not in log.read_text()


def check_it_is_sealed(data: Path, access: dict[str, str], sealed: str) -> None:
    """The service refuses everything, and says why."""
    with Client(lambda: access) as client:
        wait_for(partial(_listens, client), "the sealed start")
        assert ") is sealed" in run("root", "status", "--data", data).stdout
        for operation, given in (("Decrypt", {"CiphertextBlob": sealed}), ("ListKeys", {})):
            with pytest.raises(Refused, match="500 KMSInternalException: HearthKMS is sealed") as caught:
                client.call(operation, **given)
            assert caught.value.request_id


def _listens(client: Client) -> bool:
    try:
        client.call("ListKeys")
    except NotSentError:
        return False
    except Refused:
        return True
    return True


def check_a_worker_comes_back_unsealed(pid: int, access: dict[str, str], sealed: str) -> None:
    """Workers that die are started again without the passphrase."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    before = set(children.read_text().split())
    for child in before:
        os.kill(int(child), signal.SIGKILL)

    def back() -> bool:
        try:
            with Client(lambda: access) as client:
                return bool(client.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "eA==")
        except (NotSentError, UnansweredError):
            return False

    wait_for(lambda: not before & set(children.read_text().split()) and back(), "a new worker")
