"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hearthkms.app.roots import PASSPHRASE_VARIABLE, given_passphrase
from hearthkms.core.errors import SealedError
from hearthkms.core.secret import Secret
from hearthkms.settings import Settings, load

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(dir_okay=False, path_type=Path)

Command = Callable[..., Any]


def data_options(command: Command) -> Command:
    """Where the deployment's data is: `--data`, `--database`, `--settings`."""
    for option in (
        click.option(
            "--settings",
            "settings_file",
            type=EXISTING,
            help="TOML file with any of the settings; what the command line gives comes first.",
        ),
        click.option(
            "--database",
            metavar="URL",
            help="sqlite:////PATH or postgresql://USER:PASSWORD@HOST/NAME.  [SQLite in the data folder]",
        ),
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder of the database, the root key file and the audit log.  [hearthkms-data]",
        ),
    ):
        command = option(command)
    return command


def root_options(command: Command) -> Command:
    """Where the root of trust is: `--root-key-file`, `--passphrase-file`."""
    for option in (
        click.option(
            "--passphrase-file",
            type=EXISTING,
            help=f"The passphrase, where one seals the keys.  [{PASSPHRASE_VARIABLE}, or asked for]",
        ),
        click.option(
            "--root-key-file", type=NEW, help="The key file, where one seals the keys.  [DATA/root.key]"
        ),
    ):
        command = option(command)
    return command


def with_settings(command: Command) -> Command:
    """Give the command `settings`, made of the settings file and of every option named like a setting.

    Options of the command's own are declared with a name that no setting has.
    """

    @functools.wraps(command)
    def run(settings_file: Path | None, **given: Any) -> Any:
        names = Settings.__dataclass_fields__.keys()
        settings = load(settings_file, {name: given.pop(name) for name in list(given) if name in names})
        return command(settings, **given)

    return run


def ask_passphrase(prompt: str = "Passphrase", *, confirm: bool = False) -> Secret:
    """Ask the person at the terminal. Raises SealedError where there is no terminal to ask at."""
    if not sys.stdin.isatty():
        raise SealedError(
            f"{prompt}: there is no terminal to ask at; give it in a file, or in {PASSPHRASE_VARIABLE}."
        )
    text: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm)
    return Secret(text.encode())


def passphrase_of(settings: Settings) -> Secret:
    """The passphrase from `--passphrase-file`, the environment or the person at the terminal."""
    return given_passphrase(settings) or ask_passphrase()
