"""Pooled nonces: never the same twice, neither in threads nor in forked processes."""

from __future__ import annotations

import subprocess
import sys
import threading

from hearthkms.crypto.randomness import NoncePool

FORKING = """
import os
from hearthkms.crypto.randomness import NoncePool

pool = NoncePool(28)
first = pool.take()
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.write(writer, b"".join(pool.take() for _ in range(300)))
    os._exit(0)
os.close(writer)
os.waitpid(child, 0)
with os.fdopen(reader, "rb") as pipe:
    theirs = pipe.read()
for nonces in (first + b"".join(pool.take() for _ in range(300)), theirs):
    print(nonces.hex())
"""


def test_a_forked_child_starts_anew() -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True)
    ours, theirs = (
        {line[start : start + 56] for start in range(0, len(line), 56)} for line in done.stdout.split()
    )
    assert (len(ours), len(theirs)) == (301, 300)
    assert not ours & theirs


def test_threads_never_get_the_same() -> None:
    pool = NoncePool(28)
    taken: list[list[bytes]] = [[] for _ in range(6)]

    def take(into: list[bytes]) -> None:
        into.extend(pool.take() for _ in range(4000))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=take, args=(into,)) for into in taken]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    nonces = [nonce for into in taken for nonce in into]
    assert len(set(nonces)) == len(nonces) == 24_000


def test_uses_every_byte_of_its_source_once() -> None:
    drawn: list[bytes] = []

    def source(size: int) -> bytes:
        drawn.append(bytes((len(drawn) * size + i) % 251 for i in range(size)))
        return drawn[-1]

    pool = NoncePool(4, source)
    taken = [pool.take() for _ in range(256)]
    whole = b"".join(drawn)
    assert sorted(taken) == sorted(whole[start : start + 4] for start in range(0, len(whole), 4))
