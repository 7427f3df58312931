"""The audit trail's keys and its registry of streams: what ties log files to the database."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hearthkms.app.usage import keep_uses, recorded_uses
from hearthkms.audit.chain import ChainFormatError, Position
from hearthkms.audit.checkpoint import (
    Checkpoint,
    Keys,
    Mark,
    Signer,
    decode_checkpoint,
    encode_checkpoint,
    key_id,
    sign_checkpoint,
)
from hearthkms.audit.recover import StreamInUseError, seal_dead, unfinished_tail
from hearthkms.core.clock import Clock
from hearthkms.core.errors import HearthError
from hearthkms.core.secret import Secret
from hearthkms.crypto import ed25519
from hearthkms.keystores.default.domainkey import SERVICE_DOMAIN
from hearthkms.keystores.default.keyring import AUDIT_KEY, Keyring
from hearthkms.settings import Settings
from hearthkms.storage.database import Database
from hearthkms.storage.ledger import STREAM
from hearthkms.storage.streams import Stream
from hearthkms.storage.transaction import Transaction

_LOG = logging.getLogger(__name__)
_META = "audit_keys"
_BYTES = 32


class AuditKeys(NamedTuple):
    """The deployment's audit keys: for the heads of streams, and the Ed25519 seed that signs checkpoints."""

    head_key: Secret
    seed: Secret

    def signer(self) -> Signer:
        """What signs checkpoints."""
        public = ed25519.public_key(self.seed)
        return Signer(key_id(public), lambda message: ed25519.sign(self.seed, message))

    def verifying(self) -> Keys:
        """What verifies streams, heads included."""
        public = ed25519.public_key(self.seed)
        return Keys({key_id(public): public}, ed25519.verify, self.head_key)


async def audit_keys(transaction: Transaction, keyring: Keyring) -> AuditKeys:
    """The audit keys, made at first use and kept sealed in the database."""
    stored = await transaction.meta(_META)
    if stored is None:
        secret = Secret(os.urandom(2 * _BYTES))
        sealed, version = await keyring.seal(transaction, SERVICE_DOMAIN, AUDIT_KEY, _META, secret)
        await transaction.put_meta(_META, json.dumps({"sealed": sealed.hex(), "domain_version": version}))
    else:
        record = json.loads(stored)
        secret = await keyring.open(
            transaction.domain_key,
            SERVICE_DOMAIN,
            AUDIT_KEY,
            _META,
            bytes.fromhex(record["sealed"]),
            record["domain_version"],
        )
    both = secret.reveal()
    return AuditKeys(Secret(both[:_BYTES]), Secret(both[_BYTES:]))


def audit_folder(settings: Settings) -> Path:
    """Where the log streams are."""
    return settings.data / "audit"


class Registry:
    """Keeps the checkpoints of one worker's streams in the database, in order, beside the worker's work."""

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker
        self._waiting: list[Checkpoint] = []
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, checkpoint: Checkpoint) -> None:
        """Have `checkpoint` kept soon. What cannot be kept now goes with the next one."""
        self._waiting.append(checkpoint)
        task = asyncio.get_running_loop().create_task(self._keep())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def flush(self) -> None:
        """Return once all that were put are kept. Raises StorageUnavailableError where they cannot be."""
        async with self._writing:
            batch = list(self._waiting)
            if not batch:
                return

            async def keep(transaction: Transaction) -> None:
                for checkpoint in batch:
                    await transaction.put_checkpoint(checkpoint, self._worker)

            await self._database.write(keep)
            del self._waiting[: len(batch)]

    async def _keep(self) -> None:
        try:
            await self.flush()
        except HearthError as error:
            _LOG.error("a checkpoint of the audit trail could not be kept: %s", error)


async def end_dead_streams(settings: Settings, database: Database, keyring: Keyring, clock: Clock) -> None:
    """End the streams of this machine's workers that died, so that a truncation from now on would show.

    The last uses of keys that such a worker had in memory are taken from its stream. A living worker holds a
    lock on its stream's file; the kernel lets go of it when the worker is gone.
    """

    async def find(transaction: Transaction) -> tuple[list[Stream], AuditKeys | None]:
        found = [stream for stream in await transaction.open_streams() if stream.stream_id != STREAM]
        return found, await audit_keys(transaction, keyring) if found else None

    found, keys = await database.read(find)
    if keys is None:
        return
    folder = audit_folder(settings)
    for stream in found:
        try:
            ended = seal_dead(folder, stream.stream_id, keys.head_key, keys.signer(), clock())
            if ended is None:
                continue
            kept = stream.checkpoints[-1].position if stream.checkpoints else None
            uses = recorded_uses(line.record for line in unfinished_tail(folder, stream.stream_id, kept))
        except StreamInUseError:
            continue
        except OSError as error:
            _LOG.error("the audit stream %s could not be ended: %s", stream.stream_id, error)
            continue
        await keep_uses(database, uses)
        await database.write(partial(_keep_end, ended, stream.worker))
        _LOG.info(
            "the audit stream %s of a worker that died was ended at record %d", stream.stream_id, ended.seq
        )


async def _keep_end(ended: Checkpoint, worker: str, transaction: Transaction) -> None:
    await transaction.put_checkpoint(ended, worker)


async def checkpoint_ledger(settings: Settings, database: Database, keyring: Keyring, clock: Clock) -> None:
    """Sign how far the ledger has come, if it has moved, in the registry and in a file beside the logs.

    The file is the witness against a database that was set back as a whole, registry and all. Where it cannot
    be written it is tried again at the next call.
    """

    async def keep(transaction: Transaction) -> Checkpoint | None:
        head = await transaction.ledger_head()
        kept = [stream for stream in await transaction.open_streams() if stream.stream_id == STREAM]
        last = kept[0].checkpoints[-1] if kept and kept[0].checkpoints else None
        if head.seq == 0 or (last is not None and last.seq == head.seq):
            return last
        keys = await audit_keys(transaction, keyring)
        mark = Mark(STREAM, "running", Position(head.seq, 0, head.chain))
        checkpoint = sign_checkpoint(mark, keys.signer(), clock())
        await transaction.put_checkpoint(checkpoint, "ledger")
        return checkpoint

    checkpoint = await database.write(keep)
    try:
        if checkpoint is not None and _is_newer(checkpoint, ledger_witness(settings)):
            _write_witness(_witness_path(settings), checkpoint)
    except (OSError, ChainFormatError) as error:
        _LOG.error("the ledger's last checkpoint could not be kept beside the audit logs: %s", error)


def ledger_witness(settings: Settings) -> Checkpoint | None:
    """The ledger's last checkpoint as the file has it; None where there is no such file.

    Raises ChainFormatError where the file is damaged.
    """
    try:
        return decode_checkpoint(_witness_path(settings).read_bytes())
    except FileNotFoundError:
        return None


def _is_newer(checkpoint: Checkpoint, witness: Checkpoint | None) -> bool:
    # A witness that is ahead of the database is evidence, and stays.
    return witness is None or checkpoint.seq > witness.seq


def _write_witness(path: Path, checkpoint: Checkpoint) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(encode_checkpoint(checkpoint))
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def _witness_path(settings: Settings) -> Path:
    return audit_folder(settings) / "ledger.checkpoint"
