"""Slow, silent, deaf, half-open and too many clients: each is borne for a while, then ended as defined."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from tests.http.serving import PATIENCE, Client, Running, echo, post, wait_for

from hearthkms.core.errors import SettingsError
from hearthkms.wire.http import HttpRequest, Limits, Reply

START = b"POST / HTTP/1.1\r\nHost: kms.test\r\n"


def test_slow_headers_are_answered_408(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(header_timeout=0.3))
    with running.client() as client:
        client.send(START)
        answer = client.answer()
        assert (answer.status, answer.json()["__type"]) == (408, "RequestTimeoutException")
        assert answer.headers["connection"] == "close"
        assert client.closed()


def test_dripping_headers_do_not_put_the_end_off(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(header_timeout=0.3))
    with running.client() as client:
        client.send(START)
        begun = time.monotonic()
        while client.silent():
            client.send(b"A: b\r\n")
            assert time.monotonic() < begun + PATIENCE
        assert client.answer().status == 408


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 10\r\n\r\n12345", b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"]
)
def test_a_slow_body_is_answered_408(serve: Callable[..., Running], framing: bytes) -> None:
    running = serve(limits=Limits(body_timeout=0.3))
    with running.client() as client:
        client.send(START + framing)
        assert client.answer().status == 408
        assert client.closed()


def test_a_slow_request_after_others_is_answered_408(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(header_timeout=0.3))
    with running.client() as client:
        client.send(post(b"1") + START)
        assert [client.answer().status for _ in range(2)] == [200, 408]
        assert client.closed()


def test_a_deadline_is_not_early(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(header_timeout=0.5))
    for _ in range(3):
        with running.client() as client:
            begun = time.monotonic()
            client.send(START)
            assert client.answer().status == 408
            assert time.monotonic() - begun >= 0.5


@pytest.mark.parametrize("first", [b"", b"\r\n", post(b"1")])
def test_an_idle_connection_is_closed_without_a_word(serve: Callable[..., Running], first: bytes) -> None:
    running = serve(limits=Limits(idle_timeout=0.2))
    with running.client() as client:
        client.send(first)
        if first == post(b"1"):
            assert client.answer().status == 200
        assert client.closed()


def test_requests_keep_a_connection_from_being_idle(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(idle_timeout=0.3))
    with running.client() as client:
        begun = time.monotonic()
        while time.monotonic() < begun + 1.0:
            assert client.ask(post(b"1")).status == 200
            client.silent()


def test_many_slow_clients_do_not_hold_up_a_quick_one(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(header_timeout=0.5))
    slow = [running.client() for _ in range(200)]
    for client in slow:
        client.send(START)
    with running.client() as quick:
        assert quick.ask(post(b"1")).status == 200
    for client in slow:
        assert client.answer().status == 408
        client.socket.close()


# Half-open connections


def test_a_client_that_shut_its_write_side_gets_its_answers(echoing: Running) -> None:
    with echoing.client() as client:
        client.send(post(b"1") + post(b"2"))
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.answer().status for _ in range(2)] == [200, 200]
        assert client.closed()


def test_a_half_open_client_gets_an_answer_that_takes_a_while(serve: Callable[..., Running]) -> None:
    async def soon(request: HttpRequest) -> Reply:
        await asyncio.sleep(0.1)
        return Reply(200, b"", request.body)

    with serve(soon).client() as client:
        client.send(post(b"1") + post(b"2"))
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.answer().body for _ in range(2)] == [b"1", b"2"]
        assert client.closed()


@pytest.mark.parametrize("part", [b"PO", START, START + b"Content-Length: 5\r\n\r\n123"])
def test_a_request_cut_off_is_answered_400(echoing: Running, part: bytes) -> None:
    with echoing.client() as client:
        client.send(part)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer().status == 400
        assert client.closed()


def test_a_client_that_says_nothing_and_leaves_is_let_go(echoing: Running) -> None:
    with echoing.client() as client:
        client.socket.shutdown(socket.SHUT_WR)
        assert client.closed()


def test_a_connection_broken_off_harms_nobody(echoing: Running) -> None:
    for part in (b"", START, post(b"1"), post(b"1") * 100):
        client = echoing.client()
        client.send(part)
        client.reset()
    with echoing.client() as client:
        assert client.ask(post(b"2")).status == 200


# Clients that do not read


def big(request: HttpRequest) -> Reply:
    """Far more than sockets hold."""
    return Reply(200, b"", b"x" * 100_000)


def test_a_client_that_does_not_read_is_held_back_and_then_dropped(serve: Callable[..., Running]) -> None:
    running = serve(big, limits=Limits(write_timeout=0.5))
    with running.client(SO_RCVBUF=4_096, SO_SNDBUF=65_536) as client:
        data = post() * 200_000
        sent = 0
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                sent += client.socket.send(data[sent : sent + 65_536])
        assert sent < len(data)


def test_a_client_that_reads_late_gets_every_answer(serve: Callable[..., Running]) -> None:
    running = serve(big, limits=Limits(max_pipelined=4))
    with running.client(SO_RCVBUF=4_096) as client:
        client.send(post() * 300)
        for _ in range(300):
            assert len(client.answer().body) == 100_000
        assert client.ask(post()).status == 200


def test_answers_never_fetched_do_not_keep_a_connection(serve: Callable[..., Running]) -> None:
    # Fewer bytes than the high-water mark: the connection is idle, yet cannot be closed in order.
    limits = Limits(idle_timeout=0.2, write_timeout=0.3, write_high_water=100_000_000)
    running = serve(big, limits=limits)
    with running.client(SO_RCVBUF=4_096) as client:
        client.send(post() * 100)
        wait_for(lambda: running.server.connections == 0)


# Too many


def test_a_connection_too_many_is_answered_503(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(max_connections=2))
    first, second = running.client(), running.client()
    assert first.ask(post(b"1")).status == 200
    assert second.ask(post(b"1")).status == 200
    with running.client() as third:
        answer = third.ask(post(b"1"))
        assert (answer.status, answer.json()["__type"]) == (503, "ServiceUnavailable")
        assert third.closed()
    assert first.ask(post(b"2")).status == 200
    first.socket.close()
    wait_for(lambda: running.server.connections == 1)
    with running.client() as fourth:
        assert fourth.ask(post(b"1")).status == 200
    second.socket.close()


def test_far_too_many_connections_are_closed_at_once(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(max_connections=1, linger_timeout=PATIENCE))
    clients: list[Client] = []
    outcomes: list[int | None] = []
    for _ in range(100):
        # One after the other: one that is being set up counts twice for a moment.
        clients.append(running.client())
        outcomes.append(outcome(clients[-1]))
    for client in clients:
        client.socket.close()
    assert outcomes[0] == 200
    assert outcomes.count(503) == 64
    assert outcomes.count(None) == 35


def outcome(client: Client) -> int | None:
    try:
        client.send(post(b"1"))
        return client.answer().status
    except (AssertionError, ConnectionResetError, BrokenPipeError):
        return None


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Sets how many files this process may open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_running_out_of_files_does_not_end_listening(
    serve: Callable[..., Running], file_limit: Callable[[int], None]
) -> None:
    running = serve()
    clients = [socket.socket() for _ in range(60)]
    with running.client() as before:
        assert before.ask(post(b"1")).status == 200
        file_limit(max(client.fileno() for client in clients) + 8)
        for client in clients:
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", running.port))
        wait_for(lambda: bool(running.errors))
        assert before.ask(post(b"1")).status == 200
        for client in clients:
            client.close()
        with running.client() as after:
            assert after.ask(post(b"2")).status == 200
    assert all(isinstance(error, OSError) for _, error in running.errors)


def test_no_file_is_left_open(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(max_connections=8))
    with running.client() as client:
        # The first connection makes the loop keep a file in reserve.
        assert client.ask(post(b"1")).status == 200
    wait_for(lambda: running.server.connections == 0)
    opened = len(os.listdir("/proc/self/fd"))
    for n in range(300):
        with running.client() as client:
            client.send((b"", START, post(b"1"), b"garbage")[n % 4])
            if n % 3:
                client.reset()
    wait_for(lambda: len(os.listdir("/proc/self/fd")) == opened)
    assert running.server.connections == 0


def test_limits_must_be_more_than_zero() -> None:
    with pytest.raises(SettingsError, match="idle_timeout"):
        Limits(idle_timeout=0)


def test_a_stalled_process_does_not_blame_its_clients(serve: Callable[..., Running]) -> None:
    stall = [True]

    def standing_still(request: HttpRequest) -> Reply:
        if request.body == b"stall" and stall.pop():
            time.sleep(2.5)
        return echo(request)

    running = serve(standing_still, limits=Limits(header_timeout=0.5, idle_timeout=30))
    with running.client() as slow, running.client() as stalling:
        slow.send(START)
        assert slow.silent()
        stalling.send(post(b"stall"))
        slow.send(b"Content-Length: 1\r\n\r\nx")
        assert stalling.answer().status == 200
        assert slow.answer().status == 200
