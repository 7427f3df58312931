"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hearthkms.settings import Settings, load


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the deployment's data is: `--data` and `--database`."""
    command = click.option(
        "--database",
        help="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME.  [SQLite in the data folder]",
    )(command)
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the database, the root key file and the audit log.  [hearthkms-data]",
    )(command)


def load_settings(data: Path | None, database: str | None, **given: Any) -> Settings:
    """The settings of a command that works on a deployment's data."""
    return load(None, {"data": data, "database": database, **given})
