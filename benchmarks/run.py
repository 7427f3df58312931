"""`make bench`: the hot path beside moto_server and nginx's static 200, interleaved, in one run.

Compare figures inside one run only: the machine is noisy, and every server suffers the same noise. CPU time
a request is what survives it best.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import load, processes
from benchmarks.load import Burst
from benchmarks.processes import Peer

OUT = Path("benchmarks/out")
RELAXED = ("--audit-durability", "relaxed")
BOTH = "0,1"


@dataclass(frozen=True)
class Row:
    """One line of the table: a server, what it was asked, and how many connections asked."""

    server: str
    operation: str
    size: int
    connections: int

    def __str__(self) -> str:
        return f"{self.server:24} {self.operation:16} {self.size:5} B {self.connections:4} conn"


def rows() -> Iterator[Row]:
    """What is measured."""
    for connections in (1, 32, 256):
        for server in ("nginx static", "relaxed", "strict", "relaxed TLS", "strict TLS", "relaxed 2 workers"):
            yield Row(server, "Encrypt", 32, connections)
    for operation in ("Decrypt", "GenerateDataKey"):
        yield Row("relaxed", operation, 32, 32)
    for operation in ("Encrypt", "Decrypt"):
        yield Row("relaxed", operation, 4096, 32)
    yield Row("relaxed 10,000 keys", "Encrypt", 32, 32)
    yield Row("moto_server", "Encrypt", 32, 32)


def start(folder: Path) -> dict[str, Peer]:
    """Every server, all up at once."""
    makers: dict[str, Callable[[], Peer]] = {
        "nginx static": lambda: processes.nginx(folder),
        "moto_server": lambda: processes.moto(folder),
        "relaxed": lambda: processes.hearthkms(folder, "relaxed", *RELAXED),
        "strict": lambda: processes.hearthkms(folder, "strict"),
        "relaxed TLS": lambda: processes.hearthkms(folder, "relaxed TLS", *RELAXED, "--tls-dev"),
        "strict TLS": lambda: processes.hearthkms(folder, "strict TLS", "--tls-dev"),
        "relaxed 2 workers": lambda: processes.hearthkms(
            folder, "relaxed 2 workers", *RELAXED, "--workers", "2", cores=BOTH
        ),
        "relaxed 10,000 keys": lambda: processes.hearthkms(folder, "relaxed 10,000 keys", *RELAXED),
    }
    peers: dict[str, Peer] = {}
    try:
        for name, make in makers.items():
            peers[name] = make()
    except BaseException:
        stop(peers)
        raise
    return peers


def stop(peers: dict[str, Peer]) -> None:
    """Stop every server."""
    for peer in peers.values():
        peer.stop()


def prepare(peers: dict[str, Peer]) -> dict[Row, list[bytes]]:
    """Keys in every server, and the bodies for every row."""
    keys: dict[str, list[str]] = {}
    for name, peer in peers.items():
        if not peer.access:
            continue
        kms = load.client(peer)
        count = 10_000 if "10,000" in name else 50
        keys[name] = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(count)]
        if "10,000" in name:
            for number in range(100):
                kms.create_alias(AliasName=f"alias/bench-{number}", TargetKeyId=keys[name][number * 2])
            random.shuffle(keys[name])
        say(f"{name}: {count} keys")
    bodies: dict[Row, list[bytes]] = {}
    for row in rows():
        source = row.server if peers[row.server].access else "relaxed"
        kms = load.client(peers[source])
        bodies[row] = load.bodies(kms, row.operation, row.size, keys[source])
    return bodies


def measure(
    peers: dict[str, Peer], bodies: dict[Row, list[bytes]], folder: Path, rounds: int, seconds: float
) -> dict[Row, list[Burst]]:
    """Rounds of short bursts in random order."""
    found: dict[Row, list[Burst]] = {row: [] for row in bodies}
    for number in range(rounds):
        order = list(bodies)
        random.shuffle(order)
        for index, row in enumerate(order):
            peer = peers[row.server]
            # Signed for this burst: a signature is good for five minutes.
            script = load.script(folder / "load.lua", peer, row.operation, bodies[row])
            cores = BOTH if "2 workers" in row.server else processes.CLIENT_CORE
            found[row].append(load.burst(peer, script, row.connections, seconds, cores))
            say(f"round {number + 1} of {rounds}: {index + 1} of {len(order)}", end="\r")
    say("")
    return found


def report(found: dict[Row, list[Burst]], peers: dict[str, Peer]) -> dict[str, Any]:
    """Print the table, and give it as data. The ratio is the median of the paired ratios of each round."""
    lines = []
    for row, bursts in found.items():
        base = found[Row("nginx static", "Encrypt", 32, row.connections)]
        ratios = [burst.cpu_us / other.cpu_us for burst, other in zip(bursts, base, strict=True)]
        line = {
            **asdict(row),
            "cpu_us": statistics.median(burst.cpu_us for burst in bursts),
            "cpu_us_best": min(burst.cpu_us for burst in bursts),
            "ratio_to_nginx": statistics.median(ratios),
            "requests_per_second": statistics.median(burst.requests / burst.seconds for burst in bursts),
            "p50_us": statistics.median(burst.p50 for burst in bursts),
            "p99_us": statistics.median(burst.p99 for burst in bursts),
            "bad": sum(burst.bad for burst in bursts),
        }
        lines.append(line)
        say(
            f"{row!s}  {line['cpu_us']:7.1f} us CPU (best {line['cpu_us_best']:6.1f})  "
            f"{line['ratio_to_nginx']:6.2f} x nginx  {line['requests_per_second']:8.0f}/s  "
            f"p50 {line['p50_us']:7.0f}  p99 {line['p99_us']:7.0f} us  {line['bad']} bad"
        )
    rate = {line["server"]: line["requests_per_second"] for line in lines if line["connections"] == 32}
    say(f"\nrelaxed against moto_server: {rate['relaxed'] / rate['moto_server']:.0f} times its requests/s")
    memory = {name: [round(size, 1) for size in peer.rss_mib()] for name, peer in peers.items()}
    for name, sizes in memory.items():
        say(f"{name:24} resident MiB by process: {sizes}")
    return {"machine": machine(), "rows": lines, "resident_mib": memory}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "python": platform.python_version(),
        "optimised_python": "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
        "machine": platform.machine(),
        "kernel": platform.release(),
    }


def say(text: str, end: str = "\n") -> None:
    """Print, at once."""
    print(text, end=end, flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="bursts a row [6]")
    parser.add_argument("--seconds", type=float, default=1, help="length of a burst [1]")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers = start(folder)
        try:
            found = measure(peers, prepare(peers), folder, arguments.rounds, arguments.seconds)
            data = report(found, peers)
        finally:
            stop(peers)
    (OUT / "results.json").write_text(json.dumps(data, indent=2))
    plot = [".venv-bench/bin/python", "-m", "benchmarks.plot", OUT / "results.json", OUT / "hot-path.png"]
    subprocess.run(plot, check=True)
    say(f"\nwritten: {OUT / 'results.json'}, {OUT / 'hot-path.png'}")


if __name__ == "__main__":
    sys.exit(main())
