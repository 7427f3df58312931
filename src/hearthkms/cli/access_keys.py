"""`hearthkms access-key`: the access keys of the account's root user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from hearthkms.app.credentials import make_root_key
from hearthkms.app.offline import opened
from hearthkms.cli.options import data_options, load_settings
from hearthkms.core.clock import iso
from hearthkms.core.errors import SettingsError
from hearthkms.storage.transaction import Transaction


@click.group("access-key")
def access_key() -> None:
    """Make, list, disable and delete access keys of the account's root user.

    A change is in force at the next request on every worker of a running service.
    """


@access_key.command()
@data_options
def create(data: Path | None, database: str | None) -> None:
    """Make an access key and print it, this once, as shell exports."""
    with opened(load_settings(data, database)) as deployment:

        async def make(transaction: Transaction) -> tuple[str, str]:
            made, secret = await make_root_key(
                transaction, deployment.keyring, deployment.account_id, deployment.clock()
            )
            return made.access_key_id, secret.reveal().decode()

        access_key_id, secret = deployment.database.write_now(make)
    click.echo(f"export AWS_ACCESS_KEY_ID={access_key_id}")
    click.echo(f"export AWS_SECRET_ACCESS_KEY={secret}")


@access_key.command("list")
@data_options
def list_keys(data: Path | None, database: str | None) -> None:
    """List the access keys, without their secrets."""
    with opened(load_settings(data, database)) as deployment:
        keys = deployment.database.read_now(
            lambda transaction: transaction.list_access_keys(deployment.account_id)
        )
    for key in keys:
        state = "active" if key.active else "inactive"
        click.echo(f"{key.access_key_id}  {state:8}  {iso(key.creation_date)}  {key.principal_arn}")


@access_key.command()
@click.argument("access_key_id")
@data_options
def disable(access_key_id: str, data: Path | None, database: str | None) -> None:
    """Make ACCESS_KEY_ID sign nothing any more."""
    _change(access_key_id, data, database, active=False)


@access_key.command()
@click.argument("access_key_id")
@data_options
def enable(access_key_id: str, data: Path | None, database: str | None) -> None:
    """Let ACCESS_KEY_ID sign again."""
    _change(access_key_id, data, database, active=True)


@access_key.command()
@click.argument("access_key_id")
@data_options
def delete(access_key_id: str, data: Path | None, database: str | None) -> None:
    """Delete ACCESS_KEY_ID for good."""
    _change(access_key_id, data, database, active=None)


def _change(access_key_id: str, data: Path | None, database: str | None, *, active: bool | None) -> None:
    """Set whether a key is active; None deletes it."""
    with opened(load_settings(data, database)) as deployment:

        async def change(transaction: Transaction) -> None:
            key = await transaction.access_key(access_key_id)
            if key is None:
                raise SettingsError(
                    f"There is no access key {access_key_id}; `hearthkms access-key list` shows all."
                )
            if active is None:
                await transaction.delete_access_key(access_key_id)
            else:
                await transaction.update_access_key(replace(key, active=active))

        deployment.database.write_now(change)
