"""Every malformed or unwanted request has one defined answer, and none of them harms the next connection."""

from __future__ import annotations

import json
import re

import pytest
from tests.http.serving import Running, chunked, post

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
START = b"POST / HTTP/1.1\r\nHost: kms.test\r\n"
END = b"\r\n\r\n"
MALFORMED = "MalformedHttpRequestException"

REFUSED = {
    # The request line
    "no such method": (b"FOO / HTTP/1.1\r\nHost: kms.test\r\n\r\n", 400),
    "lower-case method": (b"post / HTTP/1.1\r\nHost: kms.test\r\n\r\n", 400),
    "method of another protocol": (b"MKCOL / HTTP/1.1\r\nHost: kms.test\r\n\r\n", 501),
    "blank before the method": (b" " + post(), 400),
    "CONNECT": (b"CONNECT kms.test:443 HTTP/1.1\r\nHost: kms.test\r\n\r\n", 405),
    "absolute target": (b"POST http://kms.test/ HTTP/1.1\r\nHost: kms.test\r\n\r\n", 400),
    "asterisk target": (b"OPTIONS * HTTP/1.1\r\nHost: kms.test\r\n\r\n", 400),
    "target with a fragment": (post(target=b"/#top"), 400),
    "no target": (b"POST  HTTP/1.1\r\nHost: kms.test\r\n\r\n", 400),
    "blank in the target": (post(target=b"/a b"), 400),
    "NUL in the target": (post(target=b"/\0"), 400),
    "control character in the target": (post(target=b"/\x01"), 400),
    "byte above 127 in the target": (post(target=b"/\xc3\xa9"), 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/1.2": (b"POST / HTTP/1.2\r\nHost: kms.test\r\n\r\n", 505),
    "HTTP/2.0": (b"POST / HTTP/2.0\r\nHost: kms.test\r\n\r\n", 505),
    "HTTP/2.0 in disguise": (b"POST / HTTP/2.0\r\nHost: a\r\nProxy-Connection: keep-alive\r\n\r\n", 505),
    "HTTP/11.1": (b"POST / HTTP/11.1\r\nHost: kms.test\r\n\r\n", 400),
    "lower-case protocol": (b"POST / http/1.1\r\nHost: kms.test\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "TLS on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(508), 400),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", 400),
    # Header lines
    "no Host": (b"POST / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (START + b"Host: kms.test" + END, 400),
    "bare LF everywhere": (b"POST / HTTP/1.1\nHost: kms.test\n\n", 400),
    "bare LF after a header": (START + b"A: b\nC: d" + END, 400),
    "bare CR in a value": (START + b"A: b\rc" + END, 400),
    "NUL in a value": (START + b"A: b\0c" + END, 400),
    "control character in a value": (START + b"A: b\x0bc" + END, 400),
    "folded header": (START + b"A: b\r\n c" + END, 400),
    "folded first header": (b"POST / HTTP/1.1\r\n Host: kms.test\r\n\r\n", 400),
    "blank before the colon": (START + b"A : b" + END, 400),
    "no header name": (START + b": b" + END, 400),
    "header name that is no token": (START + b"A(b): c" + END, 400),
    "header without a colon": (START + b"A" + END, 400),
    "too many headers": (START + b"".join(b"A%d: b\r\n" % n for n in range(64)) + b"\r\n", 431),
    "too large a header": (START + b"A: " + b"b" * 16_384 + END, 431),
    "many large headers": (
        START + b"".join(b"A%d: %b\r\n" % (n, b"b" * 700) for n in range(30)) + b"\r\n",
        431,
    ),
    "too long a target": (post(target=b"/" + b"a" * 16_384), 431),
    "headers without end": (START + b"A: " + b"b" * 40_000, 431),
    "unknown expectation": (post(b"x", b"Expect: a-miracle"), 417),
    "upgrade": (post(b"", b"Connection: upgrade", b"Upgrade: websocket"), 400),
    "upgrade to HTTP/2": (post(b"{}", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"), 400),
    # Framing
    "two lengths": (START + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 400),
    "two different lengths": (START + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 400),
    "list of lengths": (START + b"Content-Length: 2, 2\r\n\r\nhi", 400),
    "length with a sign": (START + b"Content-Length: +2\r\n\r\nhi", 400),
    "negative length": (START + b"Content-Length: -2\r\n\r\nhi", 400),
    "hexadecimal length": (START + b"Content-Length: 0x2\r\n\r\nhi", 400),
    "empty length": (START + b"Content-Length:\r\n\r\nhi", 400),
    "length past 64 bits": (START + b"Content-Length: 99999999999999999999\r\n\r\nhi", 400),
    "length and coding": (START + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding and length": (START + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", 400),
    "unknown coding": (START + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "two codings": (START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "identity coding": (START + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "coding that ends in chunked": (START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunked twice": (START + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunk size that is no number": (chunked(end=b"zz\r\n"), 400),
    "chunk size past 64 bits": (chunked(end=b"f" * 17 + b"\r\n"), 400),
    "chunk longer than its size": (chunked(end=b"2\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk ended by bare LF": (chunked(end=b"2\nhi\n0\n\n"), 400),
    "trailer fields": (chunked(b"hi", end=b"0\r\nX-Trailer: a\r\n\r\n"), 400),
    "authorisation in a trailer": (chunked(b"hi", end=b"0\r\nAuthorization: a\r\nHost: b\r\n\r\n"), 400),
    "announced body too large": (START + b"Content-Length: 1048577\r\n\r\n", 413),
    "chunked body too large": (chunked(*[b"x" * 65_536] * 17), 413),
    "chunk extensions without end": (chunked(end=b"1;" + b"x" * 2_200_000), 413),
}
NAMES = {413: "RequestEntityTooLargeException"}


@pytest.mark.parametrize("what", REFUSED)
def test_has_its_defined_answer_and_the_connection_ends(echoing: Running, what: str) -> None:
    data, status = REFUSED[what]
    with echoing.client() as client:
        try:
            client.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # A large request may be refused while it is still being sent.
        answer = client.answer()
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert answer.headers["content-type"] == "application/x-amz-json-1.1"
        assert answer.headers["date"] == "Fri, 01 Jan 2027 00:00:00 GMT"
        assert UUID.fullmatch(answer.headers["x-amzn-requestid"])
        error = json.loads(answer.body)
        assert error["__type"] == NAMES.get(status, MALFORMED)
        assert error["message"].endswith(".")
        assert client.closed()
    with echoing.client() as client:
        assert client.ask(post(b"after")).status == 200


@pytest.mark.parametrize("what", REFUSED)
def test_has_the_same_answer_in_pieces_and_after_other_requests(echoing: Running, what: str) -> None:
    data, status = REFUSED[what]
    size = max(1, len(data) // 700)
    with echoing.client() as client:
        client.send(post(b"1") + post(b"2"))
        try:
            for start in range(0, len(data), size):
                client.send(data[start : start + size])
        except (BrokenPipeError, ConnectionResetError):
            pass  # It was refused before its end.
        assert [client.answer().status for _ in range(3)] == [200, 200, status]
        assert client.closed()


def test_nothing_after_a_refused_request_is_served(echoing: Running) -> None:
    with echoing.client() as client:
        client.send(START + b"Content-Length: 4\r\nContent-Length: 3\r\n\r\nabc" + post(b"smuggled"))
        assert client.answer().status == 400
        assert client.rest() == b""


def test_nothing_after_the_last_request_is_served(echoing: Running) -> None:
    with echoing.client() as client:
        client.send(post(b"1", b"Connection: close") + post(b"2"))
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert client.rest() == b""


def test_headers_at_the_limits_are_served(echoing: Running) -> None:
    fixed = len(START + b"A: " + END)
    with echoing.client() as client:
        assert client.ask(START + b"A: " + b"b" * (16_384 - fixed) + END).status == 200
        assert client.ask(START + b"".join(b"A%d: b\r\n" % n for n in range(63)) + b"\r\n").status == 200


def test_a_body_at_the_limit_is_served(echoing: Running) -> None:
    with echoing.client() as client:
        assert client.ask(post(b"x" * 1_048_576)).json()["size"] == 1_048_576
        assert client.ask(chunked(*[b"x" * 65_536] * 16)).json()["size"] == 1_048_576
