"""`hearthkms serve` as a person runs it: in a folder, with what it prints on a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.server import START_SECONDS, hearthkms


class Console:
    """A service whose output is read. `text` is what it has printed so far, both streams together."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.text = ""

    def wait_for(self, words: str) -> str:
        """Wait until the service has printed `words` anew; everything it printed up to that line's end."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + START_SECONDS
        start = len(self.text)
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while words not in self.text[start:] or not self.text.endswith("\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise AssertionError(f"no {words!r} in {START_SECONDS} seconds:\n{self.text}")
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    raise AssertionError(f"it ended before it said {words!r}:\n{self.text}")
                self.text += data.decode()
        return self.text[start:]

    @property
    def url(self) -> str:
        """Where the service said that it listens."""
        found = re.search(r"listening on (https?://\S+)", self.text)
        assert found is not None, self.text
        return found[1]

    @property
    def exports(self) -> dict[str, str]:
        """The environment variables that it said to paste."""
        return dict(re.findall(r"^  export (\w+)=(\S+)$", self.text, re.MULTILINE))

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it with a signal, and read the rest of what it prints; its exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        self.text += rest.decode()
        return self.process.returncode


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, environment: dict[str, str]) -> Iterator[Console]:
    """`hearthkms serve` with these arguments in `folder`, without waiting for anything."""
    process = subprocess.Popen(
        [hearthkms(), "serve", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    console = Console(process)
    try:
        yield console
    finally:
        if process.poll() is None:
            console.stop()
        if process.stdout is not None:
            process.stdout.close()
