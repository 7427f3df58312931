"""Streams, keys and records that the tests of the audit trail share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from hearthkms.audit.chain import Position, extend, genesis
from hearthkms.audit.checkpoint import Checkpoint, Keys, Mark, Signer, key_id, sign_checkpoint
from hearthkms.audit.head import HeadFile, head_path
from hearthkms.audit.log import AuditLog, Durability
from hearthkms.audit.record import Event, EventEncoder, UserIdentity
from hearthkms.core.secret import Secret
from hearthkms.crypto import ed25519

HEAD_KEY = Secret(b"head key of the tests, 32 bytes!")
SEED = Secret(b"seed of the tests, of 32 bytes!!")
PUBLIC = ed25519.public_key(SEED)
SIGNER = Signer(key_id(PUBLIC), lambda message: ed25519.sign(SEED, message))
KEYS = Keys({key_id(PUBLIC): PUBLIC}, ed25519.verify, HEAD_KEY)
AUDITOR = Keys({key_id(PUBLIC): PUBLIC}, ed25519.verify)
"""What somebody outside the deployment has."""

NOW = 1_700_000_000.0
ACCOUNT = "123456789012"
KEY_ARN = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
ALICE = UserIdentity(
    type="IAMUser",
    principalId="AIDAEXAMPLEEXAMPLE000",
    arn=f"arn:aws:iam::{ACCOUNT}:user/alice",
    accountId=ACCOUNT,
    accessKeyId="AKIAIOSFODNN7EXAMPLE",
    userName="alice",
)

_ENCODER = EventEncoder()


def event(number: int, now: float = NOW) -> Event:
    """An Encrypt call whose event id carries `number`."""
    return Event(
        userIdentity=_ENCODER.identity(ALICE),
        eventTime=_ENCODER.time(now),
        eventName="Encrypt",
        awsRegion="eu-central-1",
        sourceIPAddress="127.0.0.1",
        userAgent="tests",
        requestParameters={"keyId": KEY_ARN, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
        requestID=f"00000000-0000-4000-9000-{number:012d}",
        eventID=event_id(number),
        readOnly=True,
        resources=_ENCODER.resources(KEY_ARN),
        recipientAccountId=ACCOUNT,
    )


def event_id(number: int) -> str:
    """The event id of `record(number)`."""
    return f"00000000-0000-4000-8000-{number:012d}"


def record(number: int, now: float = NOW) -> bytes:
    """The record of `event`."""
    return _ENCODER.encode(event(number, now))


def records(count: int) -> list[bytes]:
    """Records 1 to `count`."""
    return [record(number) for number in range(1, count + 1)]


def lines_of(stream: str, written: Sequence[bytes]) -> tuple[list[bytes], list[Position]]:
    """The stored lines (with line ends) of a stream, and the position after each one, from the start on."""
    positions = [Position(0, 0, genesis(stream))]
    lines = []
    for one in written:
        line, position = extend(stream.encode(), positions[-1], [one])
        lines.append(line)
        positions.append(position)
    return lines, positions


def put_stream(folder: Path, stream: str, lines: Sequence[bytes], head: Position) -> None:
    """Make a stream's file from `lines`, whatever they are, and an authentic head."""
    (folder / f"{stream}.jsonl").write_bytes(b"".join(lines))
    head_path(folder, stream).unlink(missing_ok=True)
    HeadFile(folder, stream, HEAD_KEY, head).close()


def checkpoint(stream: str, state: str, position: Position, previous: str = "") -> Checkpoint:
    """A signed checkpoint."""
    return sign_checkpoint(Mark(stream, state, position, previous), SIGNER, NOW)  # type: ignore[arg-type]


def open_log(
    folder: Path,
    durability: Durability,
    kept: list[Checkpoint],
    *,
    stream: str = "w1",
    on_checkpoint: Callable[[Checkpoint], None] | None = None,
    checkpoint_seconds: float = 3600.0,
    roll_bytes: int = 1 << 30,
) -> AuditLog:
    """A log in the running event loop, which keeps its checkpoints in `kept`."""
    return AuditLog(
        folder,
        stream,
        HEAD_KEY,
        durability,
        asyncio.get_running_loop(),
        signer=SIGNER,
        on_checkpoint=on_checkpoint or kept.append,
        clock=lambda: NOW,
        checkpoint_seconds=checkpoint_seconds,
        roll_bytes=roll_bytes,
    )


async def written(log: AuditLog, *batch: bytes) -> bool:
    """Append and commit `batch`; whether its answers may leave."""
    released: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    for one in batch:
        log.append(one)
    log.commit(released.set_result)
    return await released
