"""`hearthkms audit`: read the audit trail, and prove that it is whole."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from hearthkms.app.offline import opened
from hearthkms.app.trail import follow, last_records, verify_all
from hearthkms.audit.findings import Report
from hearthkms.cli.options import data_options, load_settings
from hearthkms.core.secret import Secret

_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
_POLL_SECONDS = 0.25


@click.group()
def audit() -> None:
    """Read the audit trail, and prove that it is whole.

    Changes are recorded in the database, in the transaction of the change; everything else in append-only
    logs, one a worker, before the answer leaves. Both are hash chains with signed checkpoints.
    """


@audit.command()
@data_options
@click.option("-n", "--lines", default=20, show_default=True, help="How many of the latest records to show.")
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with new records until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Whole records, one JSON object a line.")
def tail(data: Path | None, database: str | None, lines: int, follows: bool, as_json: bool) -> None:
    """Show the latest records, of all workers and of the ledger, by time."""
    with opened(load_settings(data, database), keys=False) as deployment:
        follower = follow(deployment) if follows else None
        for record in last_records(deployment, lines):
            click.echo(record.decode() if as_json else summary(record))
        while follower is not None:
            for record in follower.poll():
                click.echo(record.decode() if as_json else summary(record))
            sys.stdout.flush()
            time.sleep(_POLL_SECONDS)


@audit.command()
@data_options
@click.option("--passphrase-file", type=_EXISTING, help="The passphrase, where it is the root of trust.")
def verify(data: Path | None, database: str | None, passphrase_file: Path | None) -> None:
    """Check every record, chain, head and checkpoint; exit with 1 if anything was tampered with.

    A finding names the stream and the record: edited, missing, inserted, reordered, truncated and so on.
    """
    passphrase = None if passphrase_file is None else Secret(passphrase_file.read_bytes().rstrip(b"\r\n"))
    with opened(load_settings(data, database), passphrase) as deployment:
        reports = []
        for report in verify_all(deployment, _progress if sys.stderr.isatty() else None):
            reports.append(report)
            _show(report)
    records = sum(report.records for report in reports)
    findings = sum(len(report.findings) + report.unlisted for report in reports)
    streams = f"{records} records in {len(reports)} streams"
    if findings:
        click.echo(f"{findings} finding{'s' if findings > 1 else ''} in {streams}: the trail is NOT whole.")
        sys.exit(1)
    click.echo(f"{streams}: the trail is whole.")


def _show(report: Report) -> None:
    for finding in report.findings:
        click.echo(finding.describe())
    if report.unlisted:
        click.echo(f"{report.stream}: {report.unlisted} further findings are not listed")
    for note in report.notes:
        place = "" if note.seq is None else f" (record {note.seq})"
        click.echo(f"{note.stream}: note: {note.detail}{place}")


def _progress(lines: int, size: int) -> None:
    click.echo(f"\r{lines} records, {size // 1024} KiB", err=True, nl=False)


def summary(record: bytes) -> str:
    """One line for people: when, who, what, on which resources, and how it ended."""
    event = json.loads(record)
    identity = event["userIdentity"]
    who = identity.get("arn") or identity.get("invokedBy", "")
    resources = " ".join(entry["ARN"] for entry in event.get("resources", []))
    outcome = event.get("errorCode", "ok")
    return (
        f"{event['eventTime']} {event['awsRegion']} {event['eventName']} {outcome} {who} {resources}".rstrip()
    )
