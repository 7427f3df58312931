"""Stopping: what had been asked is answered and on the trail, and the trail ends with a signature."""

from __future__ import annotations

import contextlib
import http.client
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.faults.aftermath import check_trail, verify_trail
from tests.faults.known import Known
from tests.support.server import Server, start
from tests.support.signed import Client, NotSentError, Refused, UnansweredError, sign

CALLERS = 8


class Keeper(threading.Thread):
    """Calls on one connection until the service is gone."""

    def __init__(self, server: Server, key_id: str, changes: bool) -> None:
        super().__init__()
        self.known = Known()
        self.lost_at = math.inf
        """When the request had been sent in full that was not answered, if there was one."""
        self._server = server
        self._key_id = key_id
        self._changes = changes

    def run(self) -> None:
        """Call until a call ends without an answer."""
        with Client(lambda: self._server.access) as client:
            count = 0
            while True:
                count += 1
                try:
                    operation = self._call(client, count)
                except UnansweredError:
                    self.lost_at = client.sent_at
                    return
                except NotSentError:
                    return
                self.known.requests.append((operation, client.request_id))

    def _call(self, client: Client, count: int) -> str:
        if self._changes:
            tags = [{"TagKey": f"tag {threading.get_ident() % 1000}", "TagValue": str(count)}]
            client.call("TagResource", KeyId=self._key_id, Tags=tags)
            return "TagResource"
        client.call("Encrypt", KeyId=self._key_id, Plaintext="eA==")
        return "Encrypt"


def test_a_stop_under_load_drops_no_request_that_was_sent_and_loses_no_record(tmp_path: Path) -> None:
    server = start(tmp_path / "data", "--workers", "2")
    with Client(lambda: server.access) as client:
        key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
    keepers = [Keeper(server, key_id, changes=number % 2 == 0) for number in range(CALLERS)]
    for keeper in keepers:
        keeper.start()
    time.sleep(0.5)
    before = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    for keeper in keepers:
        keeper.join()
    assert [keeper.lost_at for keeper in keepers if keeper.lost_at < before] == []
    assert all(keeper.known.requests for keeper in keepers)
    check_trail(server.data, [keeper.known for keeper in keepers])
    # Every stream, the ledger's too, was signed where it ends.
    assert verify_trail(server.data).count("note:") == 0
    assert "Traceback" not in server.log.read_text()


@contextlib.contextmanager
def halted(pids: list[int]) -> Iterator[None]:
    """Have these processes stand still for the time of a `with` block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def ask(access: dict[str, Any], operation: str, **parameters: Any) -> http.client.HTTPConnection:
    """A fresh connection on which a request has been sent in full."""
    connection = http.client.HTTPConnection(urlsplit(access["endpoint_url"]).netloc, timeout=30)
    headers, body = sign(access, operation, parameters)
    connection.request("POST", "/", body, headers)
    return connection


def test_connections_that_nobody_had_accepted_yet_are_answered(tmp_path: Path) -> None:
    server = start(tmp_path / "data", "--workers", "2")
    with halted(server.children()):
        # The kernel alone takes these, and holds them for whoever accepts.
        connections = [ask(server.access, "GenerateRandom", NumberOfBytes=8) for _ in range(20)]
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    known = Known()
    for connection in connections:
        response = connection.getresponse()
        assert response.status == 200
        response.read()
        known.requests.append(("GenerateRandom", response.headers["x-amzn-RequestId"] or ""))
        connection.close()
    assert server.process.wait(20) == 0
    assert len(known.requests) == 20
    # A key is created so that the trail has a ledger, too.
    again = start(server.data)
    with Client(lambda: again.access) as client:
        client.call("CreateKey")
    assert again.stop() == 0
    check_trail(server.data, [known])


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("HEARTHKMS_SOAK"), reason="waits for ten seconds; part of `make soak`")
def test_a_worker_that_does_not_stop_is_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("stop_grace_seconds = 0.5\n")
    server = start(tmp_path / "data", "--workers", "2", "--settings", str(settings))
    with Client(lambda: server.access) as client:
        key_id = client.call("CreateKey")["KeyMetadata"]["KeyId"]
        sealed = client.call("Encrypt", KeyId=key_id, Plaintext="eA==")["CiphertextBlob"]
    stuck = server.children()[0]
    os.kill(stuck, signal.SIGSTOP)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    assert "did not stop in time and is killed" in server.log.read_text()
    again = start(server.data)
    with Client(lambda: again.access) as client:
        assert client.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "eA=="
        try:
            client.call("Decrypt", CiphertextBlob="eA==")
        except Refused as refused:
            assert refused.code == "InvalidCiphertextException"
    assert again.stop() == 0
    verify_trail(server.data)
