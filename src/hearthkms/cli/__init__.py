"""The `hearthkms` command: one file per group of commands."""

from __future__ import annotations

import sys

import click

from hearthkms import __version__
from hearthkms.cli.access_keys import access_key
from hearthkms.cli.audit import audit
from hearthkms.cli.ordered import OrderedGroup
from hearthkms.cli.root import root, unseal
from hearthkms.cli.serve import serve
from hearthkms.core.errors import HearthError

EPILOG = """\b
Start with:
  hearthkms serve --dev      it prints what to paste next
  hearthkms COMMAND --help   every command explains itself, with examples

Exit codes: 0 done, 1 refused or failed (the reason is on standard error), 2 not understood.
"""


@click.group(
    cls=OrderedGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="hearthkms")
def hearthkms() -> None:
    """HearthKMS: the AWS KMS API on hardware that you own.

    An unmodified AWS SDK, the AWS CLI or Terraform talks to it as to AWS KMS: every request is signed and
    verified, and every use of a key is on the audit trail.
    """


for command in (serve, access_key, audit, root, unseal):
    hearthkms.add_command(command)


def main() -> None:
    """Run the command line; a known error is one line on standard error and exit code 1."""
    try:
        hearthkms(standalone_mode=True)
    except HearthError as error:
        click.echo(f"hearthkms: {error}", err=True)
        sys.exit(1)


__all__ = ["hearthkms", "main"]
