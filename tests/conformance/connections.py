"""Connections that stay open, each to a known worker, and signed calls over exactly one of them."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.support.server import Server


class Connection:
    """One kept-alive connection. `worker` is the process id that serves it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self._connection.connect()
        # Whose it is can be told once the worker has accepted it, which an answered request proves.
        self.call("ListKeys", {"Limit": 1})
        self._port = self._connection.sock.getsockname()[1]
        self.worker = _owner(server, self._port)

    def call(
        self, operation: str, parameters: dict[str, Any], credentials: Credentials | None = None
    ) -> dict[str, Any]:
        """The answer's body, an error's too, which has `__type`; {} for a void operation."""
        access = self._server.access
        request = AWSRequest(
            "POST",
            self._server.url + "/",
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"TrentService.{operation}",
            },
            data=json.dumps(parameters),
        )
        own = Credentials(access["access_key_id"], access["secret_access_key"])
        SigV4Auth(credentials or own, "kms", access["region"]).add_auth(request)
        self._connection.request("POST", "/", request.data, dict(request.headers.items()))
        body = self._connection.getresponse().read()
        answer: dict[str, Any] = json.loads(body) if body else {}
        return answer

    def still_open(self) -> bool:
        """Whether every call so far went over the connection that was opened at first."""
        sock = self._connection.sock
        return sock is not None and sock.getsockname()[1] == self._port

    def close(self) -> None:
        self._connection.close()


def one_to_each(server: Server, workers: int, each: int) -> Iterator[Connection]:
    """`each` connections to every one of `workers` workers. The kernel chooses whom a new one goes to."""
    opened: dict[int, int] = {}
    while len(opened) < workers or min(opened.values()) < each:
        connection = Connection(server)
        if opened.get(connection.worker, 0) == each:
            connection.close()
            continue
        opened[connection.worker] = opened.get(connection.worker, 0) + 1
        yield connection


def _owner(server: Server, client_port: int) -> int:
    """The process that holds the server's end of a connection, as the kernel tells it."""
    inode = _inode(server.port, client_port)
    for pid in server.children():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(descriptor) == f"socket:[{inode}]":
                    return pid
            except FileNotFoundError:
                continue
    raise AssertionError("no worker holds the connection")


def _inode(local_port: int, remote_port: int) -> str:
    """The socket from `local_port` to `remote_port` in /proc/net/tcp (proc(5))."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
        if ports == [local_port, remote_port]:
            return fields[9]
    raise AssertionError("the connection is not there")
