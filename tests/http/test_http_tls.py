"""TLS: what is agreed on, what the application learns of it, and the same manners as without."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.http.serving import PATIENCE, Running, echo, post, wait_for
from tests.http.test_http_barrier import Gate, Slow, repeat

from hearthkms.core.errors import SettingsError
from hearthkms.wire.http import HttpRequest, Limits, Reply
from hearthkms.wire.http.tls import development_certificate, server_context


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A server certificate, its key and the bundle to trust."""
    return development_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def context(files: tuple[Path, Path, Path]) -> ssl.SSLContext:
    return server_context(files[0], files[1])


@pytest.fixture
def trust(files: tuple[Path, Path, Path]) -> ssl.SSLContext:
    """A client's context that checks the certificate and the name."""
    return ssl.create_default_context(cafile=str(files[2]))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_application_learns_what_was_agreed(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trust.minimum_version = trust.maximum_version = version
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with serve(echo, tls=context).client(trust) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        cipher = client.socket.cipher()
        assert cipher is not None
        assert client.socket.selected_alpn_protocol() == "http/1.1"
        seen = client.ask(post(b"1")).json()
        assert seen["tls"] == [version.name.replace("_", "."), cipher[0]]
        assert seen["peer"] == "127.0.0.1"


def test_old_versions_are_refused(
    serve: Callable[..., Running], context: ssl.SSLContext, files: tuple[Path, Path, Path]
) -> None:
    running = serve(tls=context)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(files[2])
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        running.client(old)


def test_a_client_that_does_not_trust_us_harms_nobody(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    running = serve(tls=context)
    with pytest.raises(ssl.SSLCertVerificationError):
        running.client(ssl.create_default_context())
    with running.client(trust) as client:
        assert client.ask(post(b"1")).status == 200
    assert not running.errors


@pytest.mark.parametrize("noise", [post(b"plain"), b"\x16\x03\x01\xff\xff garbage", b"\0" * 100])
def test_what_is_not_tls_is_closed(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext, noise: bytes
) -> None:
    running = serve(tls=context, limits=Limits(header_timeout=0.5))
    with running.client() as client:
        client.send(noise)
        assert b"HTTP" not in client.rest()
    with running.client(trust) as client:
        assert client.ask(post(b"1")).status == 200
    assert not running.errors


def test_a_handshake_that_takes_too_long_is_ended(
    serve: Callable[..., Running], context: ssl.SSLContext
) -> None:
    running = serve(tls=context, limits=Limits(header_timeout=0.2))
    with running.client() as client:
        assert client.closed()
    assert not running.errors


def test_unfinished_handshakes_count_as_connections(
    serve: Callable[..., Running], context: ssl.SSLContext
) -> None:
    running = serve(tls=context, limits=Limits(max_connections=1))
    waiting = [running.client() for _ in range(65)]
    with running.client() as client:
        assert client.closed()
    for client in waiting:
        client.socket.close()


def test_pipelined_requests_and_large_bodies(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    with serve(echo, tls=context).client(trust) as client:
        client.send(post(b"x" * 500_000) + b"".join(post(b"y" * n) for n in range(100)))
        assert client.answer().json()["size"] == 500_000
        assert [client.answer().json()["size"] for _ in range(100)] == list(range(100))


def test_malformed_requests_are_answered_and_the_connection_ends(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    with serve(echo, tls=context).client(trust) as client:
        client.send(post(b"1") + b"garbage\r\n\r\n" + b"x" * 100_000)
        assert [client.answer().status for _ in range(2)] == [200, 400]
        client.socket.close()


def test_timeouts_and_closing_hold_under_tls(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    running = serve(
        echo, tls=context, limits=Limits(header_timeout=0.3, idle_timeout=0.3, linger_timeout=0.2)
    )
    with running.client(trust) as client:
        client.send(b"POST / HTTP/1.1\r\n")
        assert client.answer().status == 408
        assert client.closed()
    with running.client(trust) as client:
        assert client.closed()
    with running.client(trust) as client:
        answer = client.ask(post(b"1", b"Connection: close"))
        assert answer.headers["connection"] == "close"
        assert client.closed()
    wait_for(lambda: running.server.connections == 0)


def test_a_client_that_does_not_read_is_dropped(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    def big(request: HttpRequest) -> Reply:
        return Reply(200, b"", b"x" * 100_000)

    running = serve(big, tls=context, limits=Limits(write_timeout=0.4))
    with running.client(trust, SO_RCVBUF=4_096) as client:
        client.send(post() * 500)
        wait_for(lambda: running.server.connections == 0)


def test_barriers_coroutines_and_stopping(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    gate = Gate()
    running = serve(repeat, tls=context, barrier=gate)
    with running.client(trust) as client:
        client.send(post(b"1"))
        release = gate.next()
        assert client.silent()
        running.call(lambda: release(True))
        assert client.answer().body == b"1"
    slow = Slow()
    running = serve(slow, tls=context)
    with running.client(trust) as client, running.client(trust) as idle:
        client.send(post(b"wait"))
        future = slow.began.get(timeout=PATIENCE)
        done = running.begin(running.server.stop(PATIENCE))
        assert idle.closed()
        running.call(lambda: future.set_result(b""))
        answer = client.answer()
        assert (answer.body, answer.headers["connection"]) == (b"wait", "close")
        assert client.closed()
        client.socket.close()
        idle.socket.close()
        done.result(PATIENCE)


def test_a_client_that_says_goodbye_before_its_answers_harms_nobody(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    gate = Gate()
    running = serve(repeat, tls=context, barrier=gate)
    with running.client(trust) as client, running.client(trust) as other:
        client.send(post(b"1") * 20)
        first = gate.next()
        assert isinstance(client.socket, ssl.SSLSocket)
        client.socket.unwrap().close()
        other.send(post(b"2"))
        second = gate.next()
        running.call(lambda: (first(True), second(True)))
        assert other.answer().body == b"2"


def test_no_file_is_left_open(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    running = serve(tls=context)
    with running.client(trust) as client:
        assert client.ask(post(b"1")).status == 200
    wait_for(lambda: running.server.connections == 0)
    opened = len(os.listdir("/proc/self/fd"))
    for n in range(60):
        with running.client(trust if n % 2 else None) as client:
            client.send((b"", b"garbage garbage garbage", post(b"1"))[n % 3])
            if n % 4 == 3:
                client.reset()
    wait_for(lambda: len(os.listdir("/proc/self/fd")) == opened)
    assert running.server.connections == 0


def test_stopping_drops_unfinished_handshakes(serve: Callable[..., Running], context: ssl.SSLContext) -> None:
    running = serve(tls=context)
    with running.client() as client:
        assert client.silent()
        running.run(running.server.stop(1))
        assert client.closed()


def test_a_connection_that_breaks_off_harms_nobody(
    serve: Callable[..., Running], context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    running = serve(tls=context)
    for data in (b"", b"POST", post(b"1"), post(b"1") * 50):
        client = running.client(trust)
        client.send(data)
        client.reset()
    with socket.create_connection(("127.0.0.1", running.port)) as raw:
        raw.sendall(b"\x16\x03\x01")
    with running.client(trust) as client:
        assert client.ask(post(b"1")).status == 200
    assert not running.errors


# Certificates


def test_files_that_cannot_be_used_are_settings_errors(
    tmp_path: Path, files: tuple[Path, Path, Path]
) -> None:
    other = development_certificate(tmp_path / "other")
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    locked = tmp_path / "locked.pem"
    locked.write_bytes(ENCRYPTED_KEY)
    for certificate, key in (
        (tmp_path / "none.pem", files[1]),
        (files[0], empty),
        (empty, files[1]),
        (files[0], other[1]),
        (files[0], locked),
    ):
        with pytest.raises(SettingsError, match="TLS certificate"):
            server_context(certificate, key)


def test_development_files_are_private_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "tls"
    paths = development_certificate(folder, ["kms.example.org"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o600] * 3
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in paths)
    before = [path.read_bytes() for path in paths]
    assert development_certificate(folder, ["kms.example.org"]) == paths
    assert development_certificate(folder) == paths
    assert [path.read_bytes() for path in paths] == before


@pytest.mark.parametrize("host", ["", "a..b", "my_host", "*.example.org", "x" * 64 + ".example"])
def test_a_host_that_is_no_name_is_a_settings_error(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="No certificate can be made"):
        development_certificate(tmp_path, [host])


@pytest.mark.parametrize(
    "change", ["other host", "near its end", "expired", "key lost", "key of another", "cut off"]
)
def test_development_files_are_made_anew_when_they_no_longer_serve(tmp_path: Path, change: str) -> None:
    now, hosts = 1_900_000_000.0, ["kms.example.org"]
    paths = development_certificate(tmp_path, hosts, clock=lambda: now)
    before = paths[0].read_bytes()
    if change == "other host":
        hosts = ["kms.example.net", "192.0.2.7"]
    elif change == "near its end":
        now += 368 * 86_400
    elif change == "expired":
        now += 400 * 86_400
    elif change == "key lost":
        paths[1].unlink()
    elif change == "key of another":
        paths[1].write_bytes(development_certificate(tmp_path / "other")[1].read_bytes())
    else:
        paths[2].write_bytes(paths[2].read_bytes()[:100])
    assert development_certificate(tmp_path, hosts, clock=lambda: now) == paths
    assert paths[0].read_bytes() != before
    server_context(paths[0], paths[1])


def test_development_certificates_do_for_each_host(serve: Callable[..., Running], tmp_path: Path) -> None:
    certificate, key, bundle = development_certificate(tmp_path, ["kms.example.org", "b\xfccher.example"])
    running = serve(tls=server_context(certificate, key))
    trust = ssl.create_default_context(cafile=str(bundle))
    for host in ("localhost", "127.0.0.1", "::1", "kms.example.org", "xn--bcher-kva.example"):
        with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as raw:
            trust.wrap_socket(raw, server_hostname=host).close()
    with (
        socket.create_connection(("127.0.0.1", running.port), PATIENCE) as raw,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        trust.wrap_socket(raw, server_hostname="other.example.org")


# openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes128 -pass pass:secret
ENCRYPTED_KEY = b"""-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgbJGxe0l93KgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEHgUcdQ60/MY3haiAZLPQ2EEgZCG
kD/Fg6Tz4fV5OVIK8HWwRT4Z2b0Q2L9orlslQF0Eaj8LHUNY2fmktftFAFIR9uVm
gKJPFpw22pkd2TAa0BdvTFRkuOf3PHdq+vvdsvK/y8GttXHx0x3yK78bWzeZbfsj
UJ6hj6q9XiNKuTxyNsmJFJHvDX5FRb1m9w8taVgTEbYTr6OtrHkfZtaW/XkafDQ=
-----END ENCRYPTED PRIVATE KEY-----
"""
