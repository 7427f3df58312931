"""The certificate that the service shows: the operator's, or one for development."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hearthkms.settings import Settings
from hearthkms.wire.http.tls import development_certificate, server_context


class TlsFiles(NamedTuple):
    """PEM files. `ca_bundle` is what clients must trust; None where the operator sees to that."""

    certificate: Path
    private_key: Path
    ca_bundle: Path | None


def tls_files(settings: Settings) -> TlsFiles | None:
    """The files to serve TLS with, making the development certificate if it is asked for; None for HTTP.

    Raises SettingsError where they cannot be used.
    """
    if settings.tls_cert is not None and settings.tls_key is not None:
        # The workers do this as well; but an operator should hear of it before anything else is done.
        server_context(settings.tls_cert, settings.tls_key)
        return TlsFiles(settings.tls_cert, settings.tls_key, None)
    if settings.tls_dev:
        names = development_certificate(settings.data / "tls", [settings.host])
        return TlsFiles(*(Path(name).absolute() for name in names))
    return None
