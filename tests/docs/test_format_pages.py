"""The pages on small formats (docs/spec) hold for a running service."""

from __future__ import annotations

import base64
import json
import re
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.docs.documents import ROOT, blocks
from tests.support.server import Server

from hearthkms.core import paging
from hearthkms.core.errors import ServiceError

SPEC = ROOT / "docs" / "spec"


def _table_column(page: str, column: int) -> list[str]:
    """The cells of one column of a page's tables, the heading left out."""
    rows = [line.split("|")[1:-1] for line in (SPEC / page).read_text().splitlines() if line.startswith("|")]
    return [row[column].strip() for row in rows if not set(row[column].strip()) <= set("-:")]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_example_of_a_marker() -> None:
    example = [block.text.strip() for block in blocks(SPEC / "paging-marker.md")][1]
    scope, last = base64.urlsafe_b64decode(example).decode().split("\n")
    assert (scope, last) == ("keys:eu-central-1:111122223333:SELF", "1234abcd-12ab-34cd-56ef-1234567890ab")
    assert paging.marker(scope, last) == example
    assert paging.after(scope, example) == last
    with pytest.raises(ServiceError, match="InvalidMarkerException"):
        paging.after(scope, example.rstrip("=") + "====")


def test_markers_have_the_scopes_of_the_page(kms: Any, server: Server) -> None:
    key = kms.create_key(Tags=[{"TagKey": f"k{n}", "TagValue": "v"} for n in range(2)])["KeyMetadata"]
    kms.create_key()
    for number in range(2):
        kms.create_alias(AliasName=f"alias/marker-{key['KeyId']}-{number}", TargetKeyId=key["KeyId"])
        kms.rotate_key_on_demand(KeyId=key["KeyId"])
    region, account = server.access["region"], server.account_id
    pages = {
        f"keys:{region}:{account}:SELF": kms.list_keys(Limit=1),
        f"aliases:{region}:{account}:": kms.list_aliases(Limit=1),
        f"tags:{key['Arn']}": kms.list_resource_tags(KeyId=key["KeyId"], Limit=1),
        f"rotations:{key['Arn']}:0": kms.list_key_rotations(KeyId=key["KeyId"], Limit=1),
        f"rotations:{key['Arn']}:1": kms.list_key_rotations(
            KeyId=key["KeyId"], Limit=1, IncludeKeyMaterial="ALL_KEY_MATERIAL"
        ),
    }
    for scope, page in pages.items():
        assert base64.urlsafe_b64decode(page["NextMarker"]).decode().partition("\n")[0] == scope
    described = {scope.split(":")[0] for scope in pages} | {"policies"}
    assert {cell.split(":")[0].strip("`") for cell in _table_column("paging-marker.md", 1)[1:]} == described


def test_the_ready_file_has_the_members_of_the_page(server: Server) -> None:
    members = [cell.strip("`") for cell in _table_column("ready-file.md", 0)[1:]]
    assert list(server.access) == members
    (example,) = blocks(SPEC / "ready-file.md")
    assert list(json.loads(example.text)) == members
    assert _mode(server.data.parent / f"{server.data.name}.ready.json") == 0o600


def _exchange(path: Path, sent: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(4096):
            received += part
    return received


def test_the_control_socket_answers_as_the_page_says(server: Server) -> None:
    path = server.data / "control.sock"
    assert _mode(path) == 0o600
    answer = _exchange(path, b'{"command": "status"}\n')
    assert answer.endswith(b"\n")
    assert json.loads(answer) == {"sealed": False, "pid": server.access["pid"]}
    assert list(json.loads(_exchange(path, b'{"command": "unseal", "passphrase": "x"}\n'))) == ["error"]
    assert list(json.loads(_exchange(path, b'{"command": "dance"}\n'))) == ["error"]
    assert _exchange(path, b"not JSON\n") == b""


def test_the_revision_file_is_as_the_page_says(kms: Any, server: Server, key: dict[str, Any]) -> None:
    path = server.data / "revision"
    assert (_mode(path), path.stat().st_size) == (0o600, 8)
    before = path.read_bytes()
    kms.disable_key(KeyId=key["KeyId"])
    after = path.read_bytes()
    assert after != before
    assert int.from_bytes(after, sys.byteorder) < 2**63


def test_the_machine_file_is_as_the_page_says(server: Server) -> None:
    path = server.data / "machine"
    assert _mode(path) == 0o600
    content = path.read_text()
    assert re.fullmatch(r"[0-9a-f]{8}\n", content)
    streams = [log.stem for log in (server.data / "audit").glob("*.jsonl")]
    assert streams
    for stream in streams:
        assert re.fullmatch(re.escape(content.strip()) + r"-w\d+-\d{13}-[0-9a-f]{8}(\.\d+)?", stream)


def test_every_page_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (SPEC / "README.md").read_text()))
    assert linked == {path.name for path in SPEC.glob("*.md")} - {"README.md"}
