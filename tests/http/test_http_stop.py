"""Stopping: what has begun is answered and told that it is the last; what has not is closed."""

from __future__ import annotations

import asyncio
import queue
import socket
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from tests.http.serving import PATIENCE, Running, post, wait_for
from tests.http.test_http_barrier import Gate, Slow, repeat

from hearthkms.wire.http import Limits, bound_sockets


def stopping(running: Running, grace: float = PATIENCE) -> Future[None]:
    """Begin to stop, and come back once the server no longer listens."""
    done = running.begin(running.server.stop(grace))
    running.run(asyncio.sleep(0))
    return done


def test_an_idle_connection_is_closed_and_nothing_listens(serve: Callable[..., Running]) -> None:
    running = serve()
    with running.client() as client:
        assert client.ask(post(b"1")).status == 200
        stopping(running).result(PATIENCE)
        assert client.closed()
    with pytest.raises(ConnectionRefusedError):
        running.client()


def test_a_request_in_flight_is_answered_with_connection_close(serve: Callable[..., Running]) -> None:
    slow = Slow()
    running = serve(slow)
    with running.client() as client, running.client() as idle:
        assert idle.ask(post(b"1")).status == 200
        client.send(post(b"wait"))
        future = slow.began.get(timeout=PATIENCE)
        done = stopping(running)
        assert idle.closed()
        assert not done.done()
        running.call(lambda: future.set_result(b""))
        answer = client.answer()
        assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"wait", "close")
        assert client.closed()
        done.result(PATIENCE)


def test_replies_held_by_the_barrier_are_answered_and_the_last_says_close(
    serve: Callable[..., Running],
) -> None:
    gate = Gate()
    running = serve(repeat, barrier=gate)
    with running.client() as client:
        client.send(post(b"1") + post(b"2") + post(b"3"))
        release = gate.next()
        done = stopping(running)
        running.call(lambda: release(True))
        answers = [client.answer() for _ in range(3)]
        assert [answer.body for answer in answers] == [b"1", b"2", b"3"]
        assert [answer.headers.get("connection") for answer in answers] == [None, None, "close"]
        assert client.closed()
        done.result(PATIENCE)


def test_pipelined_requests_behind_one_that_waits_are_answered(serve: Callable[..., Running]) -> None:
    slow = Slow()
    running = serve(slow)
    with running.client() as client:
        client.send(post(b"wait") + post(b"2") + post(b"3"))
        future = slow.began.get(timeout=PATIENCE)
        done = stopping(running)
        running.call(lambda: future.set_result(b""))
        answers = [client.answer() for _ in range(3)]
        assert [answer.body for answer in answers] == [b"wait", b"2", b"3"]
        assert [answer.headers.get("connection") for answer in answers][-1] == "close"
        assert client.closed()
        done.result(PATIENCE)


def test_a_request_that_is_still_arriving_may_arrive(serve: Callable[..., Running]) -> None:
    running = serve()
    request = post(b"0123456789")
    with running.client() as client:
        client.send(request[:-5])
        assert client.silent()
        done = stopping(running)
        answer = client.ask(request[-5:])
        assert (answer.status, answer.json()["size"], answer.headers["connection"]) == (200, 10, "close")
        assert client.closed()
        done.result(PATIENCE)


def test_what_outlasts_the_grace_is_cancelled_and_answered_503(serve: Callable[..., Running]) -> None:
    slow = Slow()
    running = serve(slow)
    with running.client() as client:
        client.send(post(b"wait"))
        slow.began.get(timeout=PATIENCE)
        done = stopping(running, grace=0.1)
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert client.closed()
        done.result(PATIENCE)
    assert slow.cancelled == 1


def test_a_request_whose_client_left_is_finished_before_the_server_stops(
    serve: Callable[..., Running],
) -> None:
    slow = Slow()
    running = serve(slow)
    with running.client() as client:
        client.send(post(b"wait"))
        future = slow.began.get(timeout=PATIENCE)
        client.reset()
    wait_for(lambda: running.server.connections == 0)
    done = stopping(running)
    assert not done.done()
    running.call(lambda: future.set_result(b""))
    done.result(PATIENCE)
    assert not slow.cancelled


def test_a_client_that_never_finishes_does_not_keep_the_server(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(header_timeout=PATIENCE))
    with running.client() as client:
        client.send(post(b"x")[:20])
        assert client.silent()
        stopping(running, grace=0.1).result(PATIENCE)
        assert client.closed()


def test_stopping_twice_and_before_starting_is_harmless(serve: Callable[..., Running]) -> None:
    running = serve()
    running.run(running.server.stop(1))
    running.run(running.server.stop(1))
    assert running.server.connections == 0


def test_a_stopped_server_can_start_again(serve: Callable[..., Running]) -> None:
    running = serve()
    running.run(running.server.stop(1))
    running.run(running.server.start(host="127.0.0.1"))
    running.port = running.server.addresses[0][1]
    with running.client() as client:
        assert client.ask(post(b"1")).status == 200


# Listening


def test_two_servers_share_a_port_and_one_takes_over(serve: Callable[..., Running]) -> None:
    running = serve()
    shared = bound_sockets("127.0.0.1", 0, reuse_port=True)[0]
    port = shared.getsockname()[1]
    other = serve()
    running.run(running.server.start(sock=shared))
    other.run(other.server.start(host="127.0.0.1", port=port, reuse_port=True))
    assert ("127.0.0.1", port) in running.server.addresses
    running.stop()
    other.port = port
    for _ in range(10):
        with other.client() as client:
            assert client.ask(post(b"1")).status == 200


def test_a_port_in_use_is_an_error_and_leaves_nothing_open(serve: Callable[..., Running]) -> None:
    running = serve()
    with pytest.raises(OSError, match="in use"):
        running.run(running.server.start(host="127.0.0.1", port=running.port))
    assert len(running.server.addresses) == 1


def test_every_address_of_a_host_gets_the_same_port(serve: Callable[..., Running]) -> None:
    running = serve()
    running.run(running.server.start(host=None))
    addresses = running.server.addresses[1:]
    assert len({port for _, port in addresses}) == 1
    running.port = addresses[0][1]
    with running.client() as client:
        assert client.ask(post(b"1")).json()["peer"] == "127.0.0.1"
    if any(":" in host for host, _ in addresses):
        with socket.create_connection(("::1", running.port), PATIENCE) as six:
            six.sendall(post(b"1"))
            assert b'"peer": "::1"' in six.recv(65_536)


def test_plain_asyncio_serves_as_well(serve: Callable[..., Running]) -> None:
    slow = Slow()
    running = serve(slow, new_loop=asyncio.SelectorEventLoop, limits=Limits(header_timeout=0.3))
    with running.client() as client:
        client.send(post(b"1") + post(b"wait") + post(b"3"))
        assert client.answer().body == b"1"
        future = slow.began.get(timeout=PATIENCE)
        running.call(lambda: future.set_result(b""))
        assert [client.answer().body for _ in range(2)] == [b"wait", b"3"]
        client.send(b"POST / HTTP/1.1\r\n")
        assert client.answer().status == 408
        assert client.closed()
    with running.client() as client:
        client.send(post(b"1") * 3 + b"garbage")
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.answer().status for _ in range(4)] == [200, 200, 200, 400]
        assert client.closed()
    assert queue.Queue.empty(slow.began)
