"""`hearthkms root` and `hearthkms unseal`: what seals the keys."""

from __future__ import annotations

from pathlib import Path

import click

from hearthkms.app.control import ask
from hearthkms.app.instance import locked
from hearthkms.app.offline import opened
from hearthkms.app.roots import rewrap_root
from hearthkms.cli.options import data_options, load_settings
from hearthkms.core.errors import SealedError, SettingsError
from hearthkms.core.secret import Secret
from hearthkms.storage.transaction import Transaction

_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@data_options
@click.option(
    "--passphrase-file", type=_EXISTING, help="Read the passphrase from this file instead of asking."
)
def unseal(data: Path | None, database: str | None, passphrase_file: Path | None) -> None:
    """Give a service that was started sealed its passphrase."""
    settings = load_settings(data, database)
    passphrase = _passphrase(passphrase_file, confirm=False)
    answer = ask(
        settings.data / "control.sock",
        {"command": "unseal", "passphrase": passphrase.reveal().decode("utf-8", "surrogateescape")},
    )
    if answer is None:
        raise SettingsError(f"No service is running with the data folder {settings.data}.")
    if "error" in answer:
        raise SealedError(answer["error"])
    click.echo("Unsealed: the service is starting its workers.")


@click.group()
def root() -> None:
    """The root of trust: what seals the domain keys, which seal every other key.

    `key-file` (the default) keeps it in a file beside the database; `passphrase` derives it with Argon2id
    from what an operator types, so that nothing on disk opens the keys.
    """


@root.command()
@data_options
def status(data: Path | None, database: str | None) -> None:
    """Show which root of trust seals the domain keys, and whether a running service is sealed."""
    settings = load_settings(data, database)
    with opened(settings, keys=False) as deployment:

        async def count(transaction: Transaction) -> dict[str, int]:
            found: dict[str, int] = {}
            for row in await transaction.list_domain_keys():
                found[row.root_id] = found.get(row.root_id, 0) + 1
            return found

        for root_id, number in deployment.database.read_now(count).items():
            click.echo(f"{root_id} seals {number} domain key{'s' if number > 1 else ''}")
    answer = ask(settings.data / "control.sock", {"command": "status"})
    if answer is None:
        click.echo("no service is running")
    else:
        click.echo(f"the service (pid {answer['pid']}) is {'sealed' if answer['sealed'] else 'unsealed'}")


@root.command()
@data_options
@click.option("--to", "kind", type=click.Choice(["key-file", "passphrase"]), required=True)
@click.option(
    "--passphrase-file", type=_EXISTING, help="The present passphrase, where that is the root of trust."
)
@click.option("--new-passphrase-file", type=_EXISTING, help="The new passphrase; asked for by default.")
@click.option(
    "--root-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new key file.  [DATA/root.key]",
)
def rewrap(
    data: Path | None,
    database: str | None,
    kind: str,
    passphrase_file: Path | None,
    new_passphrase_file: Path | None,
    root_key_file: Path | None,
) -> None:
    """Seal every domain key under a new root of trust; the service must be stopped.

    Each key is opened again before the change counts; it counts for all or for none. To a key file: a fresh
    one is made, and an old one in its place is kept as `root.key.old`.
    """
    settings = load_settings(data, database, root_key_file=root_key_file)
    with locked(settings.data, wait_seconds=0):
        present = None if passphrase_file is None else _passphrase(passphrase_file, confirm=False)
        with opened(settings, present) as deployment:
            new = _passphrase(new_passphrase_file, confirm=True) if kind == "passphrase" else None
            count, root_id = rewrap_root(deployment.database, deployment.keyring, settings, new)
    click.echo(f"{count} domain keys are now sealed under {root_id}.")
    if kind == "passphrase":
        click.echo(
            "Start the service with --root-of-trust passphrase, and destroy the old key file and its copies."
        )


def _passphrase(path: Path | None, *, confirm: bool) -> Secret:
    if path is not None:
        return Secret(path.read_bytes().rstrip(b"\r\n"))
    text: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
    return Secret(text.encode())
