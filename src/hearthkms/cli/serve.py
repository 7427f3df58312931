"""`hearthkms serve`: run the service."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from hearthkms.app.instance import Instance
from hearthkms.app.ready import Access
from hearthkms.app.supervisor import Supervisor
from hearthkms.cli.options import data_options
from hearthkms.settings import Settings, load

_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog="""\b
Examples:
  hearthkms serve --dev                       a service to try, on 127.0.0.1:7710
  hearthkms serve --port 0 --ready-file r.json   for a test suite: any free port, credentials in r.json
  hearthkms serve --host 0.0.0.0 --tls-cert c.pem --tls-key k.pem --workers 4
"""
)
@data_options
@click.option(
    "--dev", is_flag=True, default=None, help="Make a root access key once and print it at every start."
)
@click.option("--host", help="Address to listen on. Plain HTTP is for loopback alone.  [127.0.0.1]")
@click.option("--port", type=int, help="TCP port; 0 takes any free one.  [7710]")
@click.option("--workers", type=int, help="API worker processes; one per core is a good number.  [1]")
@click.option("--account-id", help="The 12-digit account id of a new deployment.  [generated once]")
@click.option(
    "--regions", help="Region names served, separated by commas.  [every Region of the aws partition]"
)
@click.option("--tls-cert", type=_EXISTING, help="PEM certificate chain; needs --tls-key.")
@click.option("--tls-key", type=_EXISTING, help="PEM private key of --tls-cert.")
@click.option(
    "--tls-dev",
    is_flag=True,
    default=None,
    help="TLS with a development certificate made in the data folder.",
)
@click.option(
    "--tls-terminated-by-proxy",
    is_flag=True,
    default=None,
    help="Serve plain HTTP beyond loopback, because a proxy in front ends TLS.",
)
@click.option(
    "--root-of-trust", type=click.Choice(["key-file", "passphrase"]), help="What seals the keys.  [key-file]"
)
@click.option(
    "--passphrase-file", type=_EXISTING, help="Unseal with the passphrase in this file instead of waiting."
)
@click.option(
    "--audit-durability",
    type=click.Choice(["strict", "relaxed"]),
    help="strict: every record is on disk before its answer leaves.  [strict]",
)
@click.option(
    "--ready-file", type=_NEW, help="Write endpoint and credentials here (JSON, mode 0600) once serving."
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[info]")
@click.option("--settings", "settings_file", type=_EXISTING, help="TOML file with any of the settings.")
def serve(settings_file: Path | None, **given: Any) -> None:
    """Run the service until Ctrl-C.

    Everything it keeps is in the data folder (or the database given); starting again finds every key.
    """
    settings = load(settings_file, given)
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with Instance.open(settings) as instance:
        supervisor = Supervisor(
            settings,
            instance,
            announce=lambda access: _announce(settings, access),
            sealed=lambda: _announce_sealed(settings),
        )
        code = supervisor.run()
    click.echo("HearthKMS stopped.")
    sys.exit(code)


def _announce(settings: Settings, access: Access) -> None:
    """Say where the service listens and, in development, what to paste to use it."""
    lines = [
        "",
        f"HearthKMS is listening on {access.endpoint_url} (account {access.account_id}, "
        f"{settings.workers} worker{'s' if settings.workers > 1 else ''}, data in {settings.data}).",
    ]
    if settings.root_of_trust == "key-file":
        lines.append(
            f"The root of trust is the key file {settings.key_file}: keep a copy of it, and keep it secret."
        )
    if settings.dev:
        lines += ["", "Paste this into another shell:", ""]
        lines += [f"  export {name}={value}" for name, value in exports(access).items()]
        lines += [
            "",
            "Then, for example:",
            "",
            "  aws kms create-alias --alias-name alias/first --target-key-id "
            "$(aws kms create-key --query KeyMetadata.KeyId --output text)",
            "  aws kms encrypt --key-id alias/first --plaintext fileb:///etc/hostname "
            "--query CiphertextBlob --output text | base64 -d > secret.bin",
            "  aws kms decrypt --ciphertext-blob fileb://secret.bin --query Plaintext --output text "
            "| base64 -d",
            "",
            "Ctrl-C stops the service; the next start finds every key.",
        ]
    click.echo("\n".join(lines))
    sys.stdout.flush()


def exports(access: Access) -> dict[str, str]:
    """The environment variables that point an AWS client at the service."""
    found = {
        "AWS_ENDPOINT_URL_KMS": access.endpoint_url,
        "AWS_REGION": access.region,
        "AWS_DEFAULT_REGION": access.region,
        "AWS_ACCESS_KEY_ID": access.access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key or "",
    }
    if access.ca_bundle:
        found["AWS_CA_BUNDLE"] = access.ca_bundle
    return found


def _announce_sealed(settings: Settings) -> None:
    click.echo(
        "HearthKMS is sealed: it refuses every request until `hearthkms unseal "
        f"--data {os.path.relpath(settings.data)}` gives it the passphrase."
    )
    sys.stdout.flush()
