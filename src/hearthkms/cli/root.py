"""`hearthkms root` and `hearthkms unseal`: what seals the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hearthkms.app.control import ask
from hearthkms.app.folder import control_path, locked
from hearthkms.app.offline import check_data, opened
from hearthkms.app.rewrap import Rewrapped, rewrap_root
from hearthkms.app.roots import sealing_of
from hearthkms.cli.options import (
    EXISTING,
    NEW,
    ask_passphrase,
    data_options,
    passphrase_of,
    root_options,
    with_settings,
)
from hearthkms.cli.ordered import OrderedGroup
from hearthkms.core.errors import SealedError, SettingsError
from hearthkms.core.secret import Secret
from hearthkms.settings import Settings
from hearthkms.storage.transaction import Transaction


@click.command(
    epilog="""\b
Example:
  hearthkms serve --root-of-trust passphrase &   a deployment with a passphrase starts sealed
  hearthkms unseal                               asks for the passphrase; then requests are answered
"""
)
@data_options
@click.option(
    "--passphrase-file",
    type=EXISTING,
    help="Read the passphrase from this file.  [HEARTHKMS_PASSPHRASE, or asked for]",
)
@with_settings
def unseal(settings: Settings) -> None:
    """Give a service that was started sealed its passphrase."""
    if _status(settings) is None:
        raise SettingsError(
            f"No service is running with the data folder {settings.data}; start it with `hearthkms serve`, "
            "or name the folder of the one that runs with --data."
        )
    passphrase = passphrase_of(settings).reveal().decode("utf-8", "surrogateescape")
    answer = _tell(settings, {"command": "unseal", "passphrase": passphrase}) or {}
    if "unsealed" not in answer:
        raise SealedError(answer.get("error", "The service stopped before it answered; see its log."))
    click.echo("Unsealed: the service is starting its workers.")


@click.group(cls=OrderedGroup)
def root() -> None:
    """The root of trust: what seals the domain keys, which seal every other key.

    `key-file` (the default) keeps it in a file beside the database. `passphrase` derives it with Argon2id
    from what an operator types, so that nothing on disk opens the keys; the service then starts sealed and
    waits for `hearthkms unseal`.
    """


@root.command()
@data_options
@with_settings
def status(settings: Settings) -> None:
    """Show which root of trust seals the domain keys, and whether a running service is sealed."""
    with opened(settings, keys=False) as deployment:

        async def count(transaction: Transaction) -> dict[str, int]:
            found: dict[str, int] = {}
            for row in await transaction.list_domain_keys():
                found[row.root_id] = found.get(row.root_id, 0) + 1
            return found

        roots = deployment.database.read_now(count)
        kind = sealing_of(deployment.database).kind(settings)
    click.echo(f"root of trust: {kind}")
    for root_id, number in roots.items():
        click.echo(f"{root_id} seals {_domain_keys(number)}")
    answer = _status(settings)
    if answer is None:
        click.echo("no service is running")
    else:
        click.echo(f"the service (pid {answer['pid']}) is {'sealed' if answer['sealed'] else 'unsealed'}")


@root.command(
    epilog="""\b
Examples:
  hearthkms root rewrap --to passphrase    asks for the new passphrase
  hearthkms root rewrap --to key-file      asks for the present passphrase if there is one
"""
)
@data_options
@click.option(
    "--to", "kind", type=click.Choice(["key-file", "passphrase"]), required=True, help="The new root."
)
@root_options
@click.option("--new-passphrase-file", type=EXISTING, help="The new passphrase.  [asked for]")
@click.option(
    "--new-root-key-file",
    type=NEW,
    help="Where the new key file goes.  [in the present one's place, DATA/root.key]",
)
@with_settings
def rewrap(
    settings: Settings, kind: str, new_passphrase_file: Path | None, new_root_key_file: Path | None
) -> None:
    """Seal every domain key under a new root of trust; the service must be stopped.

    Each key is opened again before the change counts, and it counts for all of them or for none: after a
    crash, or where this fails, the old root still opens everything. Database backups that are older keep
    needing the old root. Key files are never overwritten: one whose place is taken is kept as
    `root.key.XXXXXXXX.old`.
    """
    if kind == "passphrase" and new_root_key_file is not None:
        raise click.UsageError("--new-root-key-file goes with --to key-file.")
    if kind == "key-file" and new_passphrase_file is not None:
        raise click.UsageError("--new-passphrase-file goes with --to passphrase.")
    check_data(settings)
    with locked(settings.data, wait_seconds=0), opened(settings, ask=ask_passphrase) as deployment:
        new: Secret | Path
        if kind == "key-file":
            new = new_root_key_file or settings.key_file
        elif new_passphrase_file is not None:
            new = Secret(new_passphrase_file.read_bytes().rstrip(b"\r\n"))
        else:
            new = ask_passphrase("New passphrase", confirm=True)
        done = rewrap_root(deployment, new)
    click.echo(f"{_domain_keys(done.domain_keys)} now sealed under {done.root_id}.")
    _say_what_next(settings, new, done)


def _say_what_next(settings: Settings, new: Secret | Path, done: Rewrapped) -> None:
    if isinstance(new, Secret):
        click.echo(
            "From now on `hearthkms serve` starts sealed, and `hearthkms unseal` gives it the passphrase. "
            "Nobody can open the keys without it."
        )
    elif new.absolute() == settings.key_file.absolute():
        click.echo(f"The new key file is {new}: keep a copy of it, and keep it secret.")
    else:
        click.echo(f"The new key file is {new}: start the service with --root-key-file {new}.")
    if done.old_file is not None:
        click.echo(
            f"The old key file is {done.old_file}: destroy it and its copies once you need no older backup "
            "of the database."
        )


def _domain_keys(number: int) -> str:
    return f"{number} domain key{'' if number == 1 else 's'}"


def _status(settings: Settings) -> dict[str, Any] | None:
    return _tell(settings, {"command": "status"})


def _tell(settings: Settings, command: dict[str, Any]) -> dict[str, Any] | None:
    """The running service's answer to a command; None where none runs with this data folder."""
    check_data(settings)
    return ask(control_path(settings.data), command)
