"""The load: real signed requests, made by botocore and replayed by wrk."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from benchmarks.processes import CLIENT_CORE, Peer, pinned

REQUESTS = 100
CONTEXT = {"tenant": "alpha", "purpose": "benchmark"}
_LUA = """
local requests = {%s}
local next = 0
request = function()
  next = next %% #requests + 1
  return requests[next]
end
done = function(summary, latency, _)
  io.write(string.format('{"requests":%%d,"micros":%%d,"bad":%%d,"p50":%%d,"p99":%%d}\\n', summary.requests,
    summary.duration, summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Burst:
    """One run of wrk: how many requests in how long, how many failed, and latencies in microseconds."""

    requests: int
    seconds: float
    bad: int
    p50: int
    p99: int
    cpu_us: float


def client(peer: Peer) -> Any:
    """A boto3 client of the peer."""
    return boto3.client(
        "kms",
        endpoint_url=peer.url,
        region_name=peer.access["region"],
        aws_access_key_id=peer.access["access_key_id"],
        aws_secret_access_key=peer.access["secret_access_key"],
        verify=peer.access["ca_bundle"] or None,
        config=Config(retries={"total_max_attempts": 1}),
    )


def bodies(kms: Any, operation: str, size: int, key_ids: list[str]) -> list[bytes]:
    """Request bodies for an operation, over these keys in turn."""
    found = []
    for number in range(REQUESTS):
        key_id = key_ids[number % len(key_ids)]
        plaintext = os.urandom(size)
        if operation == "Encrypt":
            request = {"KeyId": key_id, "Plaintext": _b64(plaintext), "EncryptionContext": CONTEXT}
        elif operation == "Decrypt":
            sealed = kms.encrypt(KeyId=key_id, Plaintext=plaintext, EncryptionContext=CONTEXT)
            request = {"CiphertextBlob": _b64(sealed["CiphertextBlob"]), "EncryptionContext": CONTEXT}
        else:
            request = {"KeyId": key_id, "NumberOfBytes": min(size, 1024), "EncryptionContext": CONTEXT}
        found.append(json.dumps(request).encode())
    return found


def script(path: Path, peer: Peer, operation: str, payloads: list[bytes]) -> Path:
    """A wrk script that sends these bodies, signed now: good for five minutes."""
    access = peer.access or {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "x", "region": "us-east-1"}
    signer = SigV4Auth(
        Credentials(access["access_key_id"], access["secret_access_key"]), "kms", access["region"]
    )
    requests = []
    for payload in payloads:
        request = AWSRequest(
            "POST",
            peer.url + "/",
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"TrentService.{operation}",
                "User-Agent": "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux lang/python#3.11",
                "Accept-Encoding": "identity",
            },
            data=payload,
        )
        signer.add_auth(request)
        host = re.sub(r"^https?://", "", peer.url)
        lines = [f"{name}: {value}" for name, value in request.headers.items()]
        head = "\r\n".join(["POST / HTTP/1.1", f"Host: {host}", *lines, f"Content-Length: {len(payload)}"])
        requests.append(json.dumps(f"{head}\r\n\r\n{payload.decode()}"))
    path.write_text(_LUA % ",".join(requests))
    return path


def burst(peer: Peer, path: Path, connections: int, seconds: float, cores: str = CLIENT_CORE) -> Burst:
    """Drive a peer with wrk and take its CPU time meanwhile."""
    before = peer.cpu_seconds()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", path, peer.url]
    done = subprocess.run(pinned(cores, command), capture_output=True, text=True, check=True)
    used = peer.cpu_seconds() - before
    found = json.loads(done.stdout.strip().splitlines()[-1])
    requests = max(found["requests"], 1)
    return Burst(
        found["requests"],
        found["micros"] / 1e6,
        found["bad"],
        found["p50"],
        found["p99"],
        used / requests * 1e6,
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
