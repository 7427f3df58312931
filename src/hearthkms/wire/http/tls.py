"""TLS for the HTTP front: the server's context, and a certificate for development."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from hearthkms.core.clock import DAY, Clock, system_clock
from hearthkms.core.errors import SettingsError
from hearthkms.core.secret import Secret
from hearthkms.crypto.x509 import ServerChain, issue_server_chain, serves

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

_VALID_DAYS = 397
"""The longest that browsers accept from public authorities; ours need not last longer either."""

_RENEW_DAYS = 30
"""A certificate that ends sooner than this is replaced at the next start."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context that serves HTTP/1.1 over TLS 1.2 and 1.3 with this certificate chain and key, in PEM.

    Raises SettingsError where the files cannot be read, do not belong together or need a passphrase.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a callback OpenSSL would ask the terminal for the passphrase of an encrypted key.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The TLS certificate {certificate} with the key {key} cannot be used: {error}. Both must be PEM"
            " files that belong together, the key without a passphrase."
        ) from error
    return context


def development_certificate(
    folder: Path, hosts: Sequence[str] = (), *, clock: Clock = system_clock
) -> tuple[Path, Path, Path]:
    """The paths of a server certificate, its key and the bundle that clients must trust, in `folder`.

    They are for `hosts` and the names of this machine for itself; what is there is kept as long as it serves
    these hosts for a month to come, else all three are made anew. Every file has mode 0600. Raises
    SettingsError where one of `hosts` is neither a DNS name nor an IP address.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = folder / "server.pem", folder / "server.key", folder / "authority.pem"
    wanted = [*LOCAL_HOSTS, *(host for host in hosts if host not in LOCAL_HOSTS)]
    now = clock()
    kept = _read(*paths)
    if kept is None or not all(serves(kept, wanted, now=when) for when in (now, now + _RENEW_DAYS * DAY)):
        chain = _issue(wanted, now)
        for path, content in zip(
            paths, (chain.certificate, chain.key.reveal(), chain.authority), strict=True
        ):
            _replace(path, content)
    return paths


def _issue(hosts: list[str], now: float) -> ServerChain:
    try:
        chain = issue_server_chain(hosts, now=now, days=_VALID_DAYS)
    except ValueError as error:
        raise SettingsError(f"No certificate can be made for the hosts {hosts}: {error}.") from error
    if not serves(chain, hosts, now=now):
        raise SettingsError(f"No certificate can be made for the hosts {hosts}: one is no valid DNS name.")
    return chain


def _read(certificate: Path, key: Path, authority: Path) -> ServerChain | None:
    try:
        return ServerChain(authority.read_bytes(), certificate.read_bytes(), Secret(key.read_bytes()))
    except FileNotFoundError:
        return None


def _replace(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read; who reads meanwhile sees the old or the new one whole."""
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
