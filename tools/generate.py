"""Write the generated documents anew: `python -m tools.generate`; `--check` only names those out of date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tools import commands, compatibility, settings_reference

ROOT = Path(__file__).parents[1]

DOCUMENTS: dict[str, Callable[[], str]] = {
    "docs/commands.md": commands.document,
    "docs/compatibility.md": compatibility.document,
    "docs/settings.md": settings_reference.document,
}
"""Each generated document, and what gives its text."""


def stale() -> list[str]:
    """The generated documents whose files do not hold what the code gives now."""
    return [
        name
        for name, document in DOCUMENTS.items()
        if not (ROOT / name).exists() or (ROOT / name).read_text("utf-8") != document()
    ]


def main() -> None:
    """Write what is out of date, or with `--check` only name it and exit with 1."""
    parser = argparse.ArgumentParser(description="Write the generated documents anew.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if any is stale")
    checking = parser.parse_args().check
    names = stale()
    for name in names:
        if not checking:
            (ROOT / name).write_text(DOCUMENTS[name](), "utf-8")
        print(f"{name}: {'out of date' if checking else 'written'}")
    sys.exit(1 if checking and names else 0)


if __name__ == "__main__":
    main()
