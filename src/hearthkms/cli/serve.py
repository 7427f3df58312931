"""`hearthkms serve`: run the service."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys

import click

from hearthkms.app.instance import Instance
from hearthkms.app.ready import Access, claim_ready_file, drop_dead_ready_file
from hearthkms.app.regions import served_regions
from hearthkms.app.roots import PASSPHRASE_VARIABLE, describe_root
from hearthkms.app.supervisor import Supervisor
from hearthkms.app.tls import tls_files
from hearthkms.cli.options import EXISTING, NEW, data_options, with_settings
from hearthkms.settings import Settings
from hearthkms.telemetry.repeats import Repeats


@click.command(
    epilog="""\b
Examples:
  hearthkms serve --dev
      a service to try, on 127.0.0.1:7710; what it prints can be pasted
  hearthkms serve --port 0 --ready-file ready.json
      for a test suite: any free port; endpoint and credentials are in ready.json
  hearthkms serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --workers 4
      for other machines; `hearthkms access-key create` makes credentials
"""
)
@data_options
@click.option(
    "--dev", is_flag=True, default=None, help="Make a root access key once and print it at every start."
)
@click.option("--host", help="Address to listen on. Plain HTTP is for loopback alone.  [127.0.0.1]")
@click.option("--port", type=int, help="TCP port; 0 takes any free one.  [7710]")
@click.option("--workers", type=int, help="API worker processes; one per core is a good number.  [1]")
@click.option(
    "--account-id", metavar="DIGITS", help="The 12-digit account id of a new deployment.  [generated once]"
)
@click.option(
    "--regions",
    metavar="NAMES",
    help="Region names served, separated by commas.  [every Region of the aws partition]",
)
@click.option("--tls-cert", type=EXISTING, help="PEM certificate chain; needs --tls-key.")
@click.option("--tls-key", type=EXISTING, help="PEM private key of --tls-cert.")
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
    "--root-of-trust",
    type=click.Choice(["key-file", "passphrase"]),
    help="What seals the keys of a new deployment.  [key-file]",
)
@click.option("--root-key-file", type=NEW, help="Where the root key file is.  [DATA/root.key]")
@click.option(
    "--passphrase-file",
    type=EXISTING,
    help=f"Unseal with the passphrase in this file instead of waiting.  [{PASSPHRASE_VARIABLE}]",
)
@click.option(
    "--audit-durability",
    type=click.Choice(["strict", "relaxed"]),
    help="strict: every record is on disk before its answer leaves.  [strict]",
)
@click.option(
    "--ready-file", type=NEW, help="Write endpoint and credentials here (JSON, mode 0600) once serving."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="The least that is logged, on standard error.  [info]",
)
@with_settings
def serve(settings: Settings) -> None:
    """Run the service until Ctrl-C.

    Everything it keeps is in the data folder (or the database given); starting again finds every key.
    """
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Repeats())
    served_regions(settings)
    if settings.ready_file is not None:
        drop_dead_ready_file(settings.ready_file)
    with Instance.open(settings) as instance:
        # What cannot work is said before anything is started.
        tls_files(settings)
        if settings.ready_file is not None:
            claim_ready_file(settings.ready_file)
        supervisor = Supervisor(
            settings,
            instance,
            announce=lambda access: _announce(settings, instance, access),
            sealed=lambda: _announce_sealed(settings),
        )
        code = supervisor.run()
    click.echo("HearthKMS stopped.")
    sys.exit(code)


def _announce(settings: Settings, instance: Instance, access: Access) -> None:
    """Say where the service listens and, in development, what to paste to use it."""
    lines = [
        "",
        f"HearthKMS is listening on {access.endpoint_url} (account {access.account_id}, "
        f"{settings.workers} worker{'s' if settings.workers > 1 else ''}, data in {settings.data}).",
        describe_root(instance.keyring.root, settings),
    ]
    if settings.dev:
        lines += _lesson(access)
    else:
        lines.append(
            f"`hearthkms access-key create{_data_argument(settings)}` makes a credential for clients."
        )
    click.echo("\n".join(lines))
    sys.stdout.flush()


def _lesson(access: Access) -> list[str]:
    """What a newcomer pastes: the exports, and three commands that work, also when pasted again."""
    lines = ["", "Paste this into another shell:", ""]
    # What is left over there from another service would come before, or be sent along.
    stale = [name for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE") if name in os.environ]
    if stale:
        lines.append(f"  unset {' '.join(stale)}")
    lines += [f"  export {name}={shlex.quote(value)}" for name, value in exports(access).items()]
    lines += [
        "",
        "Then, for example:",
        "",
        "  key=$(aws kms create-key --query KeyMetadata.KeyId --output text)",
        "  aws kms encrypt --key-id $key --plaintext fileb:///etc/hostname "
        "--query CiphertextBlob --output text | base64 -d > secret.bin",
        "  aws kms decrypt --ciphertext-blob fileb://secret.bin --query Plaintext --output text | base64 -d",
        "",
    ]
    if shutil.which("aws") is None:
        lines += ["(There is no aws command here: `pip install awscli` or your package manager has it.)", ""]
    return [*lines, "Ctrl-C stops the service; the next start finds every key."]


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
        "HearthKMS is sealed: it refuses every request until "
        f"`hearthkms unseal{_data_argument(settings)}` gives it the passphrase."
    )
    sys.stdout.flush()


def _data_argument(settings: Settings) -> str:
    """What names this data folder on the command line of another shell; nothing for the default one."""
    if settings.data == Settings().data:
        return ""
    return f" --data {shlex.quote(str(settings.data.absolute()))}"
