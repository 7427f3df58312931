"""Draw the picture: plot.py RESULTS.json PICTURE.png (run in .venv-bench, which has matplotlib)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt


def main(results: Path, picture: Path) -> None:
    """CPU time a request against nginx, and latency, by number of connections."""
    rows = json.loads(results.read_text())["rows"]
    encrypts = [row for row in rows if row["operation"] == "Encrypt" and row["size"] == 32]
    servers = [name for name in dict.fromkeys(row["server"] for row in encrypts) if "10,000" not in name]
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5))
    for server in servers:
        mine = sorted(
            (row for row in encrypts if row["server"] == server), key=lambda row: row["connections"]
        )
        counts = [row["connections"] for row in mine]
        marker = "s" if len(mine) == 1 else "o"
        left.plot(counts, [row["cpu_us"] for row in mine], marker=marker, label=server)
        right.plot(counts, [row["p50_us"] for row in mine], marker=marker, label=f"{server} p50")
    for axes, title, unit in (
        (left, "CPU a request", "microseconds"),
        (right, "Latency, p50", "microseconds"),
    ):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel("connections")
        axes.set_ylabel(unit)
        axes.set_title(f"Encrypt of 32 B: {title}")
        axes.grid(True, which="both", alpha=0.3)
    left.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
