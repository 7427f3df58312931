"""What a client needs to use the service, as the ready file and the start message give it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Access:
    """Where the service listens and a credential for it. `ca_bundle` is None without a development CA."""

    endpoint_url: str
    region: str
    account_id: str
    access_key_id: str | None
    secret_access_key: str | None
    ca_bundle: str | None
    pid: int

    def __repr__(self) -> str:
        return f"Access({self.endpoint_url}, {self.account_id})"


def write_ready_file(path: Path, access: Access) -> None:
    """Write `access` to `path` as JSON, mode 0600, in one step: a reader sees all of it or no file."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(access), file, indent=2)
        file.write("\n")
    temporary.replace(path)
