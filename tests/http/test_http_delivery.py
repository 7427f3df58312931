"""How requests are cut into segments makes no difference; connections are kept or closed as was asked."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import socket
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http.serving import Running, chunked, post

from hearthkms.wire.http import HttpRequest, Limits, Reply


def many(count: int) -> bytes:
    return b"".join(
        chunked(b"body %d" % n, b"x" * n)
        if n % 3 == 2
        else post(b"body %d" % n * (n + 1), b"X-Number: %d" % n)
        for n in range(count)
    )


def answers(echoing: Running, pieces: list[bytes]) -> bytes:
    with echoing.client() as client:
        for piece in pieces:
            client.send(piece)
        client.socket.shutdown(socket.SHUT_WR)
        return client.rest()


@pytest.mark.parametrize("count", [1, 2, 10, 100])
def test_pipelined_requests_are_answered_in_order_however_they_arrive(echoing: Running, count: int) -> None:
    data = many(count)
    at_once = answers(echoing, [data])
    assert at_once.count(b"HTTP/1.1 200 OK\r\n") == count
    bodies = [b"body %d" % n + b"x" * n if n % 3 == 2 else b"body %d" % n * (n + 1) for n in range(count)]
    positions = [at_once.find(hashlib.sha256(body).hexdigest().encode()) for body in bodies]
    assert positions == sorted(positions)
    assert positions[0] >= 0
    byte_by_byte = [data[n : n + 1] for n in range(len(data))]
    assert answers(echoing, byte_by_byte) == at_once


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 1200), max_size=12), count=st.integers(1, 6))
def test_any_cuts_give_the_same_answers(echoing: Running, cuts: list[int], count: int) -> None:
    data = many(count)
    ends = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(ends) if start < end]
    assert answers(echoing, pieces) == answers(echoing, [data])


def test_a_thousand_requests_in_one_segment(echoing: Running) -> None:
    assert answers(echoing, [post() * 1000]).count(b"HTTP/1.1 200 OK\r\n") == 1000


def test_a_large_body_and_what_follows_it(echoing: Running) -> None:
    body = bytes(range(256)) * 4_000
    with echoing.client() as client:
        client.send(post(body) + post(b"next"))
        assert client.answer().json()["body"] == hashlib.sha256(body).hexdigest()
        assert client.answer().json()["size"] == 4


def test_what_the_application_is_given(echoing: Running) -> None:
    with echoing.client() as client:
        seen = client.ask(
            b"PUT /a/b?c=d%20e HTTP/1.1\r\nHost: kms.test\r\nX-Amz-Target: \t TrentService.Encrypt \t\r\n"
            b"X-TWICE: 1\r\nEmpty:\r\nx-twice: 2\r\nUser-Agent: caf\xe9\r\nContent-Length: 3\r\n\r\nabc"
        ).json()
    assert seen["method"] == "PUT"
    assert seen["target"] == "/a/b?c=d%20e"
    assert seen["headers"] == {
        "host": "kms.test",
        "x-amz-target": "TrentService.Encrypt",
        "x-twice": "1,2",
        "empty": "",
        "user-agent": "caf\xe9",
        "content-length": "3",
    }
    assert seen["body"] == hashlib.sha256(b"abc").hexdigest()
    assert seen["peer"] == "127.0.0.1"
    assert seen["tls"] is None


def test_headers_of_one_request_are_not_seen_by_the_next(echoing: Running) -> None:
    with echoing.client() as client:
        assert client.ask(post(b"a", b"Authorization: secret")).json()["headers"]["authorization"] == "secret"
        assert "authorization" not in client.ask(post(b"b")).json()["headers"]


def test_chunk_extensions_are_ignored(echoing: Running) -> None:
    with echoing.client() as client:
        seen = client.ask(chunked(end=b'2;name="value"\r\nhi\r\n0;last\r\n\r\n')).json()
    assert seen["body"] == hashlib.sha256(b"hi").hexdigest()


def test_empty_lines_before_a_request_are_skipped(echoing: Running) -> None:
    with echoing.client() as client:
        assert client.ask(b"\r\n\r\n" + post(b"a")).status == 200
        assert client.ask(b"\r\n" + post(b"b")).status == 200


def test_a_request_without_a_body_or_a_length(echoing: Running) -> None:
    with echoing.client() as client:
        assert client.ask(b"POST / HTTP/1.1\r\nHost: kms.test\r\n\r\n").json()["size"] == 0


def test_header_names_beyond_those_remembered(echoing: Running) -> None:
    with echoing.client() as client:
        for start in range(0, 600, 60):
            lines = [b"X-Name-%d: %d" % (n, n) for n in range(start, start + 60)]
            seen = client.ask(post(b"", *lines)).json()["headers"]
            assert all(seen[f"x-name-{n}"] == str(n) for n in range(start, start + 60))


# Which connections stay open


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", None, True),
        (b"1.1", b"keep-alive", True),
        (b"1.1", b"close", False),
        (b"1.1", b"Keep-Alive, Close", False),
        (b"1.0", None, False),
        (b"1.0", b"close", False),
        (b"1.0", b"Keep-Alive", True),
    ],
)
def test_a_connection_is_kept_as_asked(
    echoing: Running, version: bytes, connection: bytes | None, kept: bool
) -> None:
    line = b"" if connection is None else b"Connection: " + connection + b"\r\n"
    request = b"POST / HTTP/" + version + b"\r\nHost: kms.test\r\n" + line + b"Content-Length: 1\r\n\r\nx"
    said = {(b"1.1", True): None, (b"1.0", True): "keep-alive"}.get((version, kept), "close")
    with echoing.client() as client:
        for _ in range(3):
            answer = client.ask(request)
            assert answer.status == 200
            assert answer.headers.get("connection") == said
            if not kept:
                assert client.closed()
                break


def test_http_1_0_needs_no_host(echoing: Running) -> None:
    with echoing.client() as client:
        assert client.ask(b"GET / HTTP/1.0\r\n\r\n").json()["method"] == "GET"


def test_head_gets_the_headers_alone(echoing: Running) -> None:
    with echoing.client() as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: kms.test\r\n\r\n" + post(b"next"))
        head = client.answer(has_body=False)
        assert head.status == 200
        assert int(head.headers["content-length"]) > 0
        assert client.answer().json()["size"] == 4


def test_upgrade_without_connection_is_an_ordinary_header(echoing: Running) -> None:
    with echoing.client() as client:
        assert client.ask(post(b"hi", b"Upgrade: websocket")).json()["size"] == 2


# Expect: 100-continue


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_continue_is_sent_before_the_body(echoing: Running, framing: bytes) -> None:
    body = b"hello" if b"Length" in framing else b"5\r\nhello\r\n0\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: kms.test\r\nExpect: 100-Continue\r\n" + framing + b"\r\n\r\n"
    with echoing.client() as client:
        for _ in range(2):
            client.send(head)
            assert client.answer().status == 100
            assert client.ask(body).json()["body"] == hashlib.sha256(b"hello").hexdigest()


def test_continue_comes_after_earlier_answers(serve: Callable[..., Running]) -> None:
    async def soon(request: HttpRequest) -> Reply:
        await asyncio.sleep(0.05)
        return Reply(200, b"", request.body)

    head = b"POST / HTTP/1.1\r\nHost: kms.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with serve(soon).client() as client:
        client.send(post(b"first") + head)
        assert client.answer().body == b"first"
        assert client.answer().status == 100
        assert client.ask(b"hello").body == b"hello"


def test_no_continue_where_there_is_nothing_to_wait_for(echoing: Running) -> None:
    with echoing.client() as client:
        assert client.ask(post(b"hello", b"Expect: 100-continue")).status == 200
        assert client.ask(post(b"", b"Expect: 100-continue")).status == 200
        old = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        assert client.ask(old + b"x").status == 200


def test_a_body_that_is_too_large_is_refused_instead_of_continued(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(body_bytes=10))
    head = b"POST / HTTP/1.1\r\nHost: kms.test\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n"
    with running.client() as client:
        assert client.ask(head).status == 413
        assert client.closed()


def test_small_body_limits_hold_for_chunked_bodies_too(serve: Callable[..., Running]) -> None:
    running = serve(limits=Limits(body_bytes=10))
    with running.client() as client:
        assert client.ask(chunked(b"x" * 10)).status == 200
        assert client.ask(chunked(b"x" * 11)).status == 413
    with running.client() as client:
        assert client.ask(chunked(*[b"x"] * 11)).status == 413
