"""No bytes whatever end the HTTP front: each connection gets valid answers or an end, and the next one works.

The server runs in a process of its own; `tests.fuzz.http_worker` is its program.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http.serving import chunked, post

long_run = pytest.mark.skipif(os.environ.get("HEARTHKMS_SOAK") != "1", reason="runs under HEARTHKMS_SOAK=1")
ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
ANSWER = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [A-Z][A-Za-z -]*\r\n((?:[A-Za-z-]+: [\x20-\x7e]+\r\n)*)\r\n")

SEEDS = [
    post(
        b'{"KeyId":"alias/a"}',
        b"X-Amz-Target: TrentService.DescribeKey",
        b"Authorization: AWS4-HMAC-SHA256 a=b",
    ),
    post(b"1") + post(b"later") + post(b"3", b"Connection: close"),
    chunked(b"hello", b"x" * 300),
    chunked(end=b'5;a="b"\r\nhello\r\n0\r\nTrailer: x\r\n\r\n'),
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /a?b=c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 3,
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + post(b"fail"),
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]
TOKENS = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1",
    b"HTTP/2.0", b"Host: a\r\n", b"Content-Length: 5\r\n", b"Content-Length: 99999999999\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n", b"\xff" * 9,
    b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"POST / HTTP/1.1\r\n", b"later", b"fail", b"nonsense",
    b"A" * 20_000, b"a: b\r\n" * 100, b"ffffffffffffffff\r\n", b"1\r\nx\r\n" * 50,
]  # fmt: skip


@contextlib.contextmanager
def broken_off() -> Iterator[None]:
    """Bears that the server ends the connection at any moment, but not that it never does."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError:
        pass


class Worker:
    """The server process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.http_worker"], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.tls_port = int(self.process.stdout.readline())
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def connect_tls(self) -> ssl.SSLSocket:
        return self.tls.wrap_socket(socket.create_connection(("127.0.0.1", self.tls_port), PATIENCE))

    def hello(self) -> bytes:
        """A TLS client's first flight."""
        outgoing = ssl.MemoryBIO()
        client = self.tls.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        return outgoing.read()

    def check_tls(self) -> None:
        """Fail unless a request over TLS is served."""
        with self.connect_tls() as client:
            client.sendall(post(b"after", b"Connection: close"))
            received = b""
            while chunk := client.recv(65_536):
                received += chunk
        assert received.endswith(b"\r\n\r\nafter"), received
        assert self.process.poll() is None

    def feed(self, pieces: list[bytes], *, half_close: bool = True) -> bytes:
        """What the server answers to `pieces` until it ends the connection."""
        received = b""
        with self.connect() as client, broken_off():
            for piece in pieces:
                client.sendall(piece)
                while select.select([client], [], [], 0)[0]:
                    chunk = client.recv(65_536)
                    received += chunk
                    if not chunk:
                        return received
            if half_close:
                client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(65_536):
                received += chunk
        return received

    def check(self, pieces: list[bytes], *, half_close: bool = True) -> None:
        """Fail unless the answers are whole and valid, and the next request is served."""
        assert_valid(self.feed(pieces, half_close=half_close), b"HEAD" in b"".join(pieces))
        after = self.feed([post(b"after", b"Connection: close")])
        assert after.startswith(b"HTTP/1.1 200 OK\r\n"), after
        assert after.endswith(b"\r\n\r\nafter"), after
        assert self.process.poll() is None


def assert_valid(received: bytes, maybe_head: bool) -> None:
    position = 0
    while position < len(received):
        match = ANSWER.match(received, position)
        assert match, received[position : position + 300]
        position = match.end()
        if match[1] == b"100":
            continue
        assert b"x-amzn-RequestId: " in match[2]
        length = re.search(rb"Content-Length: ([0-9]+)\r\n", match[2])
        assert length, match[2]
        body = received[position : position + int(length[1])]
        if maybe_head and (not body or received.startswith(b"HTTP/1.1", position)):
            continue
        assert len(body) == int(length[1]), received
        position += len(body)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    running = Worker()
    yield running
    running.process.terminate()
    assert running.process.wait(PATIENCE) == 0, "the server did not stop in order"
    assert running.process.stdout is not None
    complaints = running.process.stdout.read()
    running.process.stdout.close()
    assert complaints == b"", complaints.decode()


def cut(data: bytes, source: random.Random) -> list[bytes]:
    if source.random() < 0.5 or not data:
        return [data]
    ends = sorted(source.randrange(len(data) + 1) for _ in range(source.randrange(1, 8)))
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def mutate(data: bytes, source: random.Random) -> bytes:
    """One small change, of the kinds that have broken HTTP parsers."""
    at = source.randrange(len(data) + 1)
    upto = min(len(data), at + source.randrange(1, 30))
    kind = source.randrange(6)
    if kind == 0:
        return data[:at] + bytes([source.randrange(256)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + source.choice(TOKENS) + data[at:]
    if kind == 2:
        return data[:at] + data[upto:]
    if kind == 3:
        return data[:at] + data[at:upto] * source.randrange(2, 20) + data[upto:]
    if kind == 4:
        return data[:at] + source.choice(SEEDS)
    return (
        data[:at] + bytes([data[at] ^ (1 << source.randrange(8))]) + data[at + 1 :]
        if at < len(data)
        else data
    )


def attack(worker: Worker, seconds: float, seed: int) -> None:
    source = random.Random(seed)
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        data = source.choice(SEEDS)
        for _ in range(source.randrange(1, 6)):
            data = mutate(data, source)
        pieces = cut(data, source)
        try:
            worker.check(pieces, half_close=source.random() < 0.95)
        except BaseException:
            print(f"seed {seed}, round {rounds}: {pieces!r}")
            raise
        rounds += 1
    assert rounds > 20


@pytest.mark.parametrize("seed", range(2))
def test_mutated_requests(worker: Worker, seed: int) -> None:
    attack(worker, 4.0, seed)


@pytest.mark.soak
@long_run
@pytest.mark.timeout(3_600)
def test_mutated_requests_for_long(worker: Worker) -> None:
    attack(worker, 1_200.0, random.SystemRandom().randrange(2**32))


NAMES = st.sampled_from(
    ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "A", "Upgrade"]
)
VALUES = st.one_of(
    st.sampled_from(["a", "0", "5", "chunked", "close", "keep-alive", "100-continue", "upgrade", "h2c", ""]),
    st.text(max_size=20),
)


@st.composite
def near_requests(draw: st.DrawFn) -> bytes:
    """Bytes shaped like a request, each part of it right or wrong."""
    method = draw(st.sampled_from(["POST", "GET", "HEAD", "CONNECT", "PRI", "M-SEARCH", "post", ""]))
    target = draw(st.one_of(st.just("/"), st.text(max_size=20)))
    version = draw(st.sampled_from(["1.1", "1.0", "2.0", "0.9", "1.1 ", ""]))
    lines = [f"{method} {target} HTTP/{version}"]
    lines += [f"{name}: {value}" for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=8))]
    head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass")
    return head + draw(
        st.one_of(st.sampled_from([b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n"]), st.binary(max_size=40))
    )


garbage = st.lists(st.one_of(near_requests(), st.binary(max_size=2_000)), min_size=1, max_size=4)


@settings(max_examples=250, deadline=None)
@given(garbage)
def test_generated_requests(worker: Worker, pieces: list[bytes]) -> None:
    worker.check(pieces)


@pytest.mark.soak
@long_run
@pytest.mark.timeout(3_600)
@settings(max_examples=20_000, deadline=None)
@given(garbage)
def test_generated_requests_for_long(worker: Worker, pieces: list[bytes]) -> None:
    worker.check(pieces)


def test_mutated_handshakes(worker: Worker) -> None:
    source = random.Random(3)
    for _ in range(150):
        data = worker.hello()
        for _ in range(source.randrange(1, 4)):
            data = mutate(data, source)
        with socket.create_connection(("127.0.0.1", worker.tls_port), PATIENCE) as client, broken_off():
            for piece in cut(data, source):
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65_536):
                pass
        worker.check_tls()


def attack_tls(worker: Worker, rounds: int, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(rounds):
        data = source.choice(SEEDS)
        for _ in range(source.randrange(1, 6)):
            data = mutate(data, source)
        # Each ends with what is malformed for certain, since TLS cannot be closed on one side alone.
        received = b""
        with worker.connect_tls() as client, broken_off():
            for piece in cut(data + b"\r\n\r\n\0\r\n\r\n", source):
                client.sendall(piece)
            while chunk := client.recv(65_536):
                received += chunk
        assert_valid(received, b"HEAD" in data)
        worker.check_tls()


def test_mutated_requests_over_tls(worker: Worker) -> None:
    attack_tls(worker, 15, 5)


@pytest.mark.soak
@long_run
@pytest.mark.timeout(3_600)
def test_mutated_requests_over_tls_for_long(worker: Worker) -> None:
    attack_tls(worker, 2_000, 6)


def test_many_connections_of_garbage_at_once(worker: Worker) -> None:
    source = random.Random(7)
    clients = [worker.connect() for _ in range(100)]
    for client in clients:
        data = mutate(source.choice(SEEDS), source)
        client.sendall(data)
        if source.random() < 0.3:
            client.close()
    worker.check([post(b"1")])
    for client in clients:
        client.close()
    worker.check([post(b"1")])
