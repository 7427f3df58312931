"""`hearthkms access-key`: the access keys of the account's root user."""

from __future__ import annotations

from dataclasses import replace

import click

from hearthkms.app.credentials import make_root_key
from hearthkms.app.offline import opened, operator_event
from hearthkms.cli.options import ask_passphrase, data_options, root_options, with_settings
from hearthkms.cli.ordered import OrderedGroup
from hearthkms.core.clock import iso
from hearthkms.core.errors import SettingsError
from hearthkms.settings import Settings
from hearthkms.storage.transaction import Transaction


@click.group("access-key", cls=OrderedGroup)
def access_key() -> None:
    """Make, list, disable and delete access keys of the account's root user.

    Every request is signed with an access key. A change is in force at the next request on every worker of a
    running service, and is on the audit trail.
    """


@access_key.command(
    epilog="""\b
Example:
  eval "$(hearthkms access-key create)"    this shell now signs with the new key
"""
)
@data_options
@root_options
@with_settings
def create(settings: Settings) -> None:
    """Make an access key and print it, this once, as shell exports."""
    with opened(settings, ask=ask_passphrase) as deployment:

        async def make(transaction: Transaction) -> tuple[str, str]:
            made, secret = await make_root_key(
                transaction, deployment.keyring, deployment.account_id, deployment.clock()
            )
            details = {"accessKeyId": made.access_key_id}
            await transaction.record(operator_event(deployment, "CreateAccessKey", details))
            return made.access_key_id, secret.reveal().decode()

        access_key_id, secret = deployment.database.write_now(make)
    click.echo(f"export AWS_ACCESS_KEY_ID={access_key_id}")
    click.echo(f"export AWS_SECRET_ACCESS_KEY={secret}")


@access_key.command("list")
@data_options
@with_settings
def list_keys(settings: Settings) -> None:
    """List the access keys, without their secrets."""
    with opened(settings, keys=False) as deployment:
        keys = deployment.database.read_now(
            lambda transaction: transaction.list_access_keys(deployment.account_id)
        )
    if not keys:
        click.echo("There are no access keys; `hearthkms access-key create` makes one.", err=True)
    for key in keys:
        state = "active" if key.active else "inactive"
        click.echo(f"{key.access_key_id}  {state:8}  {iso(key.creation_date)}  {key.principal_arn}")


@access_key.command()
@click.argument("access_key_id")
@data_options
@with_settings
def disable(settings: Settings, access_key_id: str) -> None:
    """Make ACCESS_KEY_ID sign nothing any more."""
    _change(settings, access_key_id, active=False)
    click.echo(f"{access_key_id} is disabled: its requests are refused from now on.")


@access_key.command()
@click.argument("access_key_id")
@data_options
@with_settings
def enable(settings: Settings, access_key_id: str) -> None:
    """Let ACCESS_KEY_ID sign again."""
    _change(settings, access_key_id, active=True)
    click.echo(f"{access_key_id} is enabled.")


@access_key.command()
@click.argument("access_key_id")
@data_options
@with_settings
def delete(settings: Settings, access_key_id: str) -> None:
    """Delete ACCESS_KEY_ID for good."""
    _change(settings, access_key_id, active=None)
    click.echo(f"{access_key_id} is deleted.")


def _change(settings: Settings, access_key_id: str, *, active: bool | None) -> None:
    """Set whether a key is active; None deletes it."""
    with opened(settings, keys=False) as deployment:

        async def change(transaction: Transaction) -> None:
            key = await transaction.access_key(access_key_id)
            if key is None:
                raise SettingsError(
                    f"There is no access key {access_key_id}; `hearthkms access-key list` shows all."
                )
            details = {"accessKeyId": access_key_id}
            if active is None:
                await transaction.delete_access_key(access_key_id)
                event = operator_event(deployment, "DeleteAccessKey", details)
            else:
                await transaction.update_access_key(replace(key, active=active))
                details["status"] = "Active" if active else "Inactive"
                event = operator_event(deployment, "UpdateAccessKey", details)
            await transaction.record(event)

        deployment.database.write_now(change)
