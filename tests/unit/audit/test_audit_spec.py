"""docs/spec/audit-chain.md is enough to verify its example and what the service writes, without our code."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from tests.unit.audit.material import HEAD_KEY, PUBLIC, open_log, records, written

from hearthkms.audit.checkpoint import Checkpoint, encode_checkpoint
from hearthkms.audit.findings import Kind

PAGE = (Path(__file__).parents[3] / "docs/spec/audit-chain.md").read_text()
KEY = bytes(range(32))


def example(name: str) -> str:
    match = re.search(rf"^{re.escape(name)} +(\S+)$", PAGE, re.MULTILINE)
    assert match is not None
    return match[1]


def be64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def named(text: bytes) -> bytes:
    return be64(len(text)) + text


def chain_of(stream: str, lines: list[bytes]) -> bytes:
    """The chain value after `lines`, each of which has to be the next of the stream."""
    chain = hashlib.sha256(b"HearthKMS audit seed 1\n" + named(stream.encode())).digest()
    for number, line in enumerate(lines, 1):
        cut = line.rindex(b',"stream":')
        body = line[:cut] + b"}"
        chain = hashlib.sha256(b"HearthKMS audit link 1\n" + chain + be64(number) + named(body)).digest()
        assert line[cut:] == f',"stream":"{stream}","seq":{number},"chain":"{chain.hex()}"}}'.encode()
    return chain


def check_slot(slot: bytes, key: bytes, stream: str) -> tuple[int, int, bytes]:
    over = b"HearthKMS audit head 1\n" + named(stream.encode()) + slot[:56]
    assert hmac.digest(key, over, "sha256") == slot[56:88]
    assert slot[:8] == b"HKHEAD1\n"
    return int.from_bytes(slot[8:16], "big"), int.from_bytes(slot[16:24], "big"), slot[24:56]


def check_signature(text: str | bytes, public: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(text)
    names = (named(said[member].encode()) for member in ("stream", "state", "previous"))
    message = b"HearthKMS audit sign 1\n" + b"".join(names) + be64(said["seq"]) + be64(said["offset"])
    message += bytes.fromhex(said["chain"]) + be64(said["time"])
    Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(said["signature"]), message)
    assert said["key_id"] == hashlib.sha256(public).digest()[:16].hex()
    return said


def test_the_example() -> None:
    lines = [example("line 1").encode(), example("line 2").encode()]
    chain = chain_of("w1", lines)
    assert chain_of("w1", []).hex() == example("chain(0)")
    size = sum(len(line) + 1 for line in lines)
    assert check_slot(bytes.fromhex(example("head slot")), KEY, "w1") == (2, size, chain)
    public = Ed25519PrivateKey.from_private_bytes(KEY).public_key().public_bytes_raw()
    assert public.hex() == example("public key")
    said = check_signature(example("checkpoint"), public)
    assert (said["seq"], said["offset"], said["chain"]) == (2, size, chain.hex())


def test_what_the_service_writes(tmp_path: Path) -> None:
    kept: list[Checkpoint] = []

    async def run() -> None:
        log = open_log(tmp_path, "strict", kept)
        for one in records(5):
            assert await written(log, one)
        await log.aclose()

    asyncio.run(run())
    data = (tmp_path / "w1.jsonl").read_bytes()
    lines = data.splitlines()
    chain = chain_of("w1", lines)
    head = (tmp_path / "w1.head").read_bytes()
    assert len(head) == 8192
    slots = [check_slot(head[at : at + 88], HEAD_KEY.reveal(), "w1") for at in (0, 4096)]
    assert max(slots) == (5, len(data), chain)
    assert min(slots)[0] == 4
    opened, closed = (check_signature(encode_checkpoint(one), PUBLIC) for one in kept)
    assert (opened["state"], opened["seq"], opened["chain"]) == ("opened", 0, chain_of("w1", []).hex())
    assert (closed["state"], closed["seq"], closed["chain"]) == ("closed", 5, chain.hex())
    assert closed["offset"] == len(data)


def test_every_kind_of_finding_is_on_the_page() -> None:
    table = PAGE[PAGE.index("| finding |") : PAGE.index("A finding names")]
    listed = {kind for row in table.splitlines()[2:] if row for kind in row.split("|")[1].strip().split(", ")}
    assert listed == {kind.value for kind in Kind}
