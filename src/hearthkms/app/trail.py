"""The whole audit trail of a deployment, ledger and log streams together: read, followed, verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from hearthkms.app.folder import machine_name
from hearthkms.app.offline import Deployment
from hearthkms.app.streams import audit_folder, audit_keys, ledger_witness
from hearthkms.audit.checkpoint import Checkpoint
from hearthkms.audit.findings import Note, Report
from hearthkms.audit.stream import stream_path
from hearthkms.audit.tail import Entry, Follower, last_entries, merged, record_entry
from hearthkms.audit.verify import Progress, verify_folder, verify_ledger
from hearthkms.storage.ledger import STREAM, LedgerRow

_PAGE = 1000


def last_records(deployment: Deployment, count: int) -> list[bytes]:
    """The last `count` records by time."""
    head = deployment.database.read_now(lambda transaction: transaction.ledger_head())
    rows = deployment.database.read_now(
        lambda transaction: transaction.ledger_rows(max(0, head.seq - count), count)
    )
    entries = last_entries(audit_folder(deployment.settings), count, map(_entry, rows))
    return [entry.record for entry in entries]


class TrailFollower:
    """What is added to the trail from now on."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._streams = Follower(audit_folder(deployment.settings))
        self._seq = deployment.database.read_now(lambda transaction: transaction.ledger_head()).seq
        self._skipped: set[bytes] = set()

    def skip(self, shown: Iterable[bytes]) -> None:
        """Leave these records out, which were shown already but came after this follower began."""
        self._skipped = set(shown)

    def poll(self) -> list[bytes]:
        """The records since the last call, by time."""
        rows = list(_rows(self._deployment, self._seq))
        if rows:
            self._seq = rows[-1].seq
        together = merged([self._streams.poll(), map(_entry, rows)])
        # Every record has an id of its own, so no two are alike.
        return [entry.record for entry in together if entry.record not in self._skipped]


def follow(deployment: Deployment) -> TrailFollower:
    """Follow the trail from its present end."""
    return TrailFollower(deployment)


def verify_all(deployment: Deployment, progress: Progress | None = None) -> Iterator[Report]:
    """Verify the ledger, and every stream of this machine, against what vouches for them.

    Machines that share a database have each the files of their own workers; the ledger's report says how many
    streams are to be verified on which other machine.
    """
    keys = deployment.database.write_now(
        lambda transaction: audit_keys(transaction, deployment.keyring)
    ).verifying()
    streams = deployment.database.read_now(lambda transaction: transaction.streams())
    registry: dict[str, list[Checkpoint]] = {stream.stream_id: list(stream.checkpoints) for stream in streams}
    ledger = registry.pop(STREAM, [])
    witness = ledger_witness(deployment.settings)
    if witness is not None:
        ledger = sorted([*ledger, witness], key=lambda checkpoint: checkpoint.seq)
    notes = [
        Note(STREAM, f"{count} streams are with the machine {machine}: verify them there")
        for machine, count in sorted(_drop_elsewhere(deployment, registry).items())
    ]
    report = verify_ledger(STREAM, _rows(deployment, 0), ledger, keys, progress)
    yield replace(report, notes=(*report.notes, *notes))
    yield from verify_folder(audit_folder(deployment.settings), registry, keys, progress)


def _drop_elsewhere(deployment: Deployment, registry: dict[str, list[Checkpoint]]) -> Counter[str]:
    """Take the streams of other machines out of `registry`; how many there are, by machine.

    A stream's name begins with that of its machine, and is part of what its checkpoints sign.
    """
    elsewhere: Counter[str] = Counter()
    if deployment.database.several_machines:
        own = machine_name(deployment.settings.data)
        folder = audit_folder(deployment.settings)
        for stream in list(registry):
            machine = stream.partition("-")[0]
            if machine != own and not stream_path(folder, stream).exists():
                elsewhere[machine] += 1
                del registry[stream]
    return elsewhere


def _rows(deployment: Deployment, after: int) -> Iterator[LedgerRow]:
    while True:
        last = after
        page = deployment.database.read_now(
            lambda transaction, last=last: transaction.ledger_rows(last, _PAGE)  # type: ignore[misc]
        )
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].seq


def _entry(row: LedgerRow) -> Entry:
    return record_entry(STREAM, row.seq, row.event)
