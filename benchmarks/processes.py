"""The servers that are measured: started, pinned to a core, their CPU time and memory read from /proc."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER_CORE, CLIENT_CORE = "0", "1"
BIN = Path(sys.executable).parent


@dataclass
class Peer:
    """A running server. `access` is what a client needs; CPU and memory are of its whole process tree."""

    name: str
    process: subprocess.Popen[bytes]
    url: str
    access: dict[str, Any]

    def pids(self) -> list[int]:
        """The server's process and all below it."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                todo += [int(child) for child in task.read_text().split()]
        return found

    def cpu_seconds(self) -> float:
        """CPU time used so far, in seconds.

        The scheduler's count to the nanosecond for living threads; for a server whose threads come and go
        (moto_server) the process's own count, to 10 ms.
        """
        if self.name.startswith("moto"):
            ticks = 0
            for pid in self.pids():
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
            return ticks / os.sysconf("SC_CLK_TCK")
        return (
            sum(
                int(path.read_text().split()[0])
                for pid in self.pids()
                for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
            )
            / 1e9
        )

    def rss_mib(self) -> list[float]:
        """Resident memory of each process, in MiB, largest first."""
        sizes = []
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    sizes.append(int(line.split()[1]) / 1024)
        return sorted(sizes, reverse=True)

    def stop(self) -> None:
        """Stop the server."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def pinned(cores: str, command: Sequence[str | Path]) -> list[str]:
    """The command, held to these cores."""
    return ["taskset", "-c", cores, *map(str, command)]


def hearthkms(folder: Path, name: str, *arguments: str, cores: str = SERVER_CORE) -> Peer:
    """A HearthKMS service with these options."""
    ready = folder / f"{name}.json"
    command = [
        BIN / "hearthkms",
        "serve",
        "--dev",
        "--data",
        folder / name,
        "--port",
        "0",
        "--ready-file",
        ready,
    ]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(pinned(cores, [*command, *arguments]), stdout=log, stderr=log)
    _wait(ready.exists, process, name)
    access = json.loads(ready.read_text())
    return Peer(name, process, access["endpoint_url"], access)


def nginx(folder: Path) -> Peer:
    """nginx that answers 200 with a few fixed bytes: the price of HTTP alone."""
    port = free_port()
    settings = folder / "nginx.conf"
    settings.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
        events {{ worker_connections 2048; }}
        http {{ access_log off; keepalive_requests 1000000000;
          server {{ listen 127.0.0.1:{port} reuseport;
            location / {{ default_type application/x-amz-json-1.1; return 200 '{{"ok":true}}'; }} }} }}
        """
    )
    process = subprocess.Popen(pinned(SERVER_CORE, ["nginx", "-c", settings]), stderr=subprocess.DEVNULL)
    _wait(lambda: _listens(port), process, "nginx")
    return Peer("nginx static", process, f"http://127.0.0.1:{port}", {})


def moto(folder: Path) -> Peer:
    """moto_server from its own environment."""
    port = free_port()
    command = [Path(".venv-bench/bin/moto_server").absolute(), "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(pinned(SERVER_CORE, command), stdout=log, stderr=log)
    _wait(lambda: _listens(port), process, "moto_server")
    access = {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "secret_access_key": "not-checked",
        "ca_bundle": None,
    }
    return Peer("moto_server", process, access["endpoint_url"], access)


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(condition: Any, process: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{name} did not start; see its log")
        time.sleep(0.02)
