"""A live HearthKMS for tests: the real command, a real port, real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

START_SECONDS = 60.0


@dataclass
class Server:
    """A running service. `access` is the content of its ready file."""

    process: subprocess.Popen[bytes]
    access: dict[str, Any]
    data: Path
    log: Path
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The endpoint's URL."""
        return str(self.access["endpoint_url"])

    @property
    def port(self) -> int:
        """The endpoint's TCP port."""
        return int(self.url.rsplit(":", 1)[1])

    @property
    def account_id(self) -> str:
        """The deployment's account id."""
        return str(self.access["account_id"])

    def client(self, service: str = "kms", region: str | None = None, **options: Any) -> Any:
        """A boto3 client of this service; one attempt unless `retries` says otherwise."""
        config = {"retries": {"total_max_attempts": 1}, "read_timeout": 30} | options.pop("config", {})
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region or self.access["region"],
            aws_access_key_id=options.pop("access_key_id", self.access["access_key_id"]),
            aws_secret_access_key=options.pop("secret_access_key", self.access["secret_access_key"]),
            verify=self.access["ca_bundle"] or None,
            config=Config(**config),
            **options,
        )

    def exports(self) -> dict[str, str]:
        """Environment variables that point an AWS client of another kind at the service."""
        found = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.access["region"],
            "AWS_DEFAULT_REGION": self.access["region"],
            "AWS_ACCESS_KEY_ID": self.access["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.access["secret_access_key"],
        }
        if self.access["ca_bundle"]:
            found["AWS_CA_BUNDLE"] = self.access["ca_bundle"]
        return found

    def children(self) -> list[int]:
        """The process ids of the workers and of the jobs process."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def kill(self) -> None:
        """Kill the supervisor and everything under it, as a power switch would."""
        children = self.children()
        self.process.kill()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Stop the service as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


def start(data: Path, *arguments: str, environment: dict[str, str] | None = None) -> Server:
    """Start a service on any free port and wait until it can answer."""
    data.parent.mkdir(parents=True, exist_ok=True)
    ready = data.parent / f"{data.name}.ready.json"
    ready.unlink(missing_ok=True)
    log = data.parent / f"{data.name}.log"
    command = [hearthkms(), "serve", "--dev", "--data", str(data), "--port", "0", "--ready-file", str(ready)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | (environment or {}),
        )
    deadline = time.monotonic() + START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"the service did not start:\n{log.read_text()}")
        time.sleep(0.01)
    return Server(process, json.loads(ready.read_text()), data, log, arguments, environment or {})


@contextlib.contextmanager
def running(data: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """A service for the time of a `with` block; it must stop cleanly afterwards."""
    server = start(data, *arguments, environment=environment)
    try:
        yield server
    finally:
        code = server.stop()
    assert code == 0, f"exit code {code}:\n{server.log.read_text()}"


def hearthkms() -> str:
    """The path of the installed command."""
    return str(Path(sys.executable).parent / "hearthkms")
