"""GetKeyLastUsage after a crash: uses that a worker had only in memory come back from the audit trail."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.integration.commands import wait_for
from tests.support.server import running, start
from tests.support.signed import Client, NotSentError, UnansweredError


def test_the_last_use_before_a_kill_is_known_afterwards(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(data, "--workers", "2")
    with Client(lambda: server.access) as client:
        keys = [client.call("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(3)]
        requests = {}
        for key_id in keys:
            client.call("Encrypt", KeyId=key_id, Plaintext="eA==")
            client.call("GenerateDataKeyWithoutPlaintext", KeyId=key_id, KeySpec="AES_256")
            requests[key_id] = client.request_id
    server.kill()
    with running(data) as again, Client(lambda: again.access) as client:

        def known() -> dict[str, str]:
            told = {key_id: client.call("GetKeyLastUsage", KeyId=key_id) for key_id in keys}
            uses = {key_id: answer.get("KeyLastUsage", {}) for key_id, answer in told.items()}
            return {key_id: use.get("KmsRequestId", "") for key_id, use in uses.items()}

        wait_for(lambda: known() == requests, "what the trail knows of the last uses")


def test_a_worker_that_is_killed_alone_loses_no_use(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, Client(lambda: server.access) as client:
        key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
        client.call("Encrypt", KeyId=key_id, Plaintext="eA==")
        request_id = client.request_id
        for pid in server.children():
            os.kill(pid, signal.SIGKILL)
        client.close()

        def known() -> bool:
            try:
                with Client(lambda: server.access) as fresh:
                    told = fresh.call("GetKeyLastUsage", KeyId=key_id)
            except (NotSentError, UnansweredError):
                return False
            return bool(told.get("KeyLastUsage", {}).get("KmsRequestId") == request_id)

        wait_for(known, "what the trail knows of the last use")
