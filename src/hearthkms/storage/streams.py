"""The rows of the audit trail's registry: which streams there are, and how far each was checkpointed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite

from hearthkms.audit.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from hearthkms.storage.part import Part, Upsert, insert_unless_there
from hearthkms.storage.tables import checkpoints, streams

_ENDS = ("closed", "abandoned")
_c = streams.c
_LIST = (
    sa.select(_c.stream_id, _c.started, _c.worker, _c.ended, checkpoints.c.checkpoint)
    .select_from(streams.join(checkpoints))
    .order_by(_c.started, _c.stream_id, checkpoints.c.seq)
)
_LIST_OPEN = _LIST.where(_c.ended.is_(None))
_INSERT = insert_unless_there(streams)
_END = sa.update(streams).where(_c.stream_id == bindparam("at_id"))


def _put() -> Upsert:
    statements: dict[str, sa.Executable] = {}
    for dialect in (sqlite, postgresql):
        insert = dialect.insert(checkpoints)
        statements[dialect.__name__.rpartition(".")[2]] = insert.on_conflict_do_update(
            index_elements=[checkpoints.c.stream_id, checkpoints.c.state],
            set_={"seq": insert.excluded.seq, "checkpoint": insert.excluded.checkpoint},
            where=checkpoints.c.seq <= insert.excluded.seq,
        )
    return statements


_PUT = _put()


class Stream(NamedTuple):
    """A stream of the audit trail. `worker` says who writes it; dates are epoch seconds.

    `checkpoints` are in the order of their records. A stream that has not `ended` and has no living writer
    was cut off by a crash.
    """

    stream_id: str
    started: float
    worker: str
    ended: float | None
    checkpoints: Sequence[Checkpoint]


class StreamRows(Part):
    """The streams of the audit trail, inside one transaction. No worker holds any of it in memory."""

    async def put_checkpoint(self, checkpoint: Checkpoint, worker: str) -> None:
        """Keep a stream's signed checkpoint. The first one makes the stream known, as written by `worker`.

        One checkpoint of each state is kept, the one with the latest record: each vouches for all that is
        before it, so a stream's opening, its last progress and its end say everything.
        """
        stream_id, seconds = checkpoint.stream, checkpoint.time / 1000
        self._affect(_INSERT, {"stream_id": stream_id, "started": seconds, "worker": worker, "ended": None})
        kept = {
            "stream_id": stream_id,
            "state": checkpoint.state,
            "seq": checkpoint.seq,
            "checkpoint": encode_checkpoint(checkpoint),
        }
        self._affect(_PUT, kept)
        if checkpoint.state in _ENDS:
            self._affect(_END, {"at_id": stream_id, "ended": seconds})

    async def streams(self) -> Sequence[Stream]:
        """Every stream, in the order in which they were started."""
        return self._streams(_LIST)

    async def open_streams(self) -> Sequence[Stream]:
        """The streams that have not ended, in the order in which they were started."""
        return self._streams(_LIST_OPEN)

    def _streams(self, statement: sa.Executable) -> list[Stream]:
        found: dict[str, Stream] = {}
        kept: dict[str, list[Checkpoint]] = {}
        for stream_id, started, worker, ended, checkpoint in self._rows(statement):
            if stream_id not in found:
                kept[stream_id] = []
                found[stream_id] = Stream(stream_id, started, worker, ended, kept[stream_id])
            kept[stream_id].append(decode_checkpoint(checkpoint))
        return list(found.values())
