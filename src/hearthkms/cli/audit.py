"""`hearthkms audit`: read the audit trail, and prove that it is whole."""

from __future__ import annotations

import json
import sys
import time

import click

from hearthkms.app.offline import opened
from hearthkms.app.trail import follow, last_records, verify_all
from hearthkms.audit.findings import Report
from hearthkms.cli.options import ask_passphrase, data_options, root_options, with_settings
from hearthkms.cli.ordered import OrderedGroup
from hearthkms.settings import Settings

_POLL_SECONDS = 0.25


@click.group(cls=OrderedGroup)
def audit() -> None:
    """Read the audit trail, and prove that it is whole.

    Changes are recorded in the database, in the transaction of the change (the ledger); everything else in
    append-only logs, one a worker, before the answer leaves. All are hash chains with signed checkpoints.
    """


@audit.command(
    epilog="""\b
Examples:
  hearthkms audit tail -f                     what is happening now
  hearthkms audit tail -n 1000 --json | jq 'select(.errorCode)'    what was refused
"""
)
@data_options
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many of the latest records to show.",
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with new records until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Whole records, one JSON object a line.")
@with_settings
def tail(settings: Settings, lines: int, follows: bool, as_json: bool) -> None:
    """Show the latest records, of all workers and of the ledger, by time.

    A line says when, in which Region, which operation, how it ended, who called, and on which resources.
    """
    with opened(settings, keys=False) as deployment:
        follower = follow(deployment) if follows else None
        shown = last_records(deployment, lines)
        _print(shown, as_json)
        if follower is None:
            return
        follower.skip(shown)
        try:
            while True:
                _print(follower.poll(), as_json)
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            return


@audit.command(
    epilog="""\b
Example:
  hearthkms audit verify || mail -s 'audit trail' security@example.com
"""
)
@data_options
@root_options
@with_settings
def verify(settings: Settings) -> None:
    """Check every record, chain, head and checkpoint; exit with 1 if anything was tampered with.

    A finding names the stream and the record: edited, missing, inserted, reordered, truncated and so on. A
    note is about what a crash leaves. It may run beside the service, and needs the root of trust: what
    vouches for the records is sealed under it.
    """
    reports = []
    with opened(settings, ask=ask_passphrase) as deployment:
        progress = _Progress() if sys.stderr.isatty() else None
        for report in verify_all(deployment, progress):
            if progress is not None:
                progress.next_stream(report)
            reports.append(report)
            _show(report)
    records = sum(report.records for report in reports)
    findings = sum(len(report.findings) + report.unlisted for report in reports)
    streams = f"{_count(records, 'record')} in {_count(len(reports), 'stream')}"
    if findings:
        click.echo(f"{_count(findings, 'finding')} in {streams}: the trail is NOT whole.")
        sys.exit(1)
    click.echo(f"{streams}: the trail is whole.")


class _Progress:
    """One line on the terminal that says how far a long verification has come."""

    def __init__(self) -> None:
        self._streams = self._records = 0

    def __call__(self, lines: int, size: int) -> None:
        """Show how far the present stream was read."""
        place = f", {size / 1024 / 1024:.1f} MiB into the present one" if size else ""
        records = _count(self._records + lines, "record")
        self._line(f"{records} read, {_count(self._streams, 'stream')} done{place}")

    def next_stream(self, report: Report) -> None:
        """The stream of `report` is done: make room for what it found."""
        self._records += report.records
        self._streams += 1
        self._line("")

    def _line(self, text: str) -> None:
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)


def _show(report: Report) -> None:
    for finding in report.findings:
        click.echo(finding.describe())
    if report.unlisted:
        click.echo(f"{report.stream}: {report.unlisted} further findings are not listed")
    for note in report.notes:
        place = "" if note.seq is None else f" (record {note.seq})"
        click.echo(f"{note.stream}: note: {note.detail}{place}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _print(records: list[bytes], as_json: bool) -> None:
    for record in records:
        click.echo(record.decode() if as_json else summary(record))


def summary(record: bytes) -> str:
    """One line for people: when, where, what, how it ended, who, and on which resources."""
    event = json.loads(record)
    identity = event["userIdentity"]
    who = identity.get("arn") or identity.get("invokedBy", "")
    resources = " ".join(entry["ARN"] for entry in event.get("resources", []))
    outcome = event.get("errorCode", "ok")
    return (
        f"{event['eventTime']} {event['awsRegion']} {event['eventName']} {outcome} {who} {resources}".rstrip()
    )
