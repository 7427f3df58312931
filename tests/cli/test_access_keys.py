"""`hearthkms access-key`: credentials made, listed, disabled and deleted, also beside a running service."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.cli.conftest import Cli
from tests.support.server import Server, running

WORKERS = 2
CONNECTIONS = 12


def _made(text: str) -> dict[str, str]:
    found = dict(re.findall(r"^export (\w+)=(\S+)$", text, re.MULTILINE))
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", found["AWS_ACCESS_KEY_ID"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", found["AWS_SECRET_ACCESS_KEY"])
    return found


def _clients(server: Server, made: dict[str, str]) -> list[Any]:
    """Clients with a connection each, open already, spread over the workers."""
    clients = [
        server.client(
            access_key_id=made["AWS_ACCESS_KEY_ID"], secret_access_key=made["AWS_SECRET_ACCESS_KEY"]
        )
        for _ in range(CONNECTIONS)
    ]
    for client in clients:
        client.list_keys()
    return clients


def _refused(clients: list[Any]) -> None:
    for client in clients:
        with pytest.raises(ClientError) as caught:
            client.list_keys()
        assert caught.value.response["Error"] == {
            "Code": "UnrecognizedClientException",
            "Message": "The security token included in the request is invalid.",
        }


def test_a_change_is_in_force_at_the_next_request_on_every_worker(cli: Cli, tmp_path: Path) -> None:
    where = ("--data", str(tmp_path / "data"))
    with running(tmp_path / "data", "--workers", str(WORKERS)) as server:
        made = _made(cli("access-key", "create", *where).stdout)
        access_key_id = made["AWS_ACCESS_KEY_ID"]
        clients = _clients(server, made)
        bystander = server.client()
        assert bystander.list_keys()["Keys"] == []
        for _ in range(3):
            said = cli("access-key", "disable", access_key_id, *where).stdout
            assert said == f"{access_key_id} is disabled: its requests are refused from now on.\n"
            _refused(clients)
            assert (
                cli("access-key", "enable", access_key_id, *where).stdout == f"{access_key_id} is enabled.\n"
            )
            for client in clients:
                client.list_keys()
        cli("access-key", "delete", access_key_id, *where)
        _refused(clients)
        assert bystander.list_keys()["Keys"] == []
        names = [
            (record["eventName"], record["serviceEventDetails"]["accessKeyId"])
            for line in cli("audit", "tail", "-n", "100", "--json", *where).stdout.splitlines()
            if "AccessKey" in (record := json.loads(line))["eventName"]
        ]
        expected = ["CreateAccessKey", *["UpdateAccessKey"] * 6, "DeleteAccessKey"]
        assert names == [(name, access_key_id) for name in expected]


def test_keys_are_listed_without_secrets(cli: Cli, tmp_path: Path) -> None:
    where = ("--data", str(tmp_path / "data"))
    with running(tmp_path / "data") as server:
        first = server.access
    made = _made(cli("access-key", "create", *where).stdout)
    cli("access-key", "disable", made["AWS_ACCESS_KEY_ID"], *where)
    listed = cli("access-key", "list", *where).stdout
    states = {line.split()[0]: line.split()[1] for line in listed.splitlines()}
    assert states == {first["access_key_id"]: "active", made["AWS_ACCESS_KEY_ID"]: "inactive"}
    assert all(line.endswith(f"arn:aws:iam::{first['account_id']}:root") for line in listed.splitlines())
    assert made["AWS_SECRET_ACCESS_KEY"] not in listed
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            assert made["AWS_SECRET_ACCESS_KEY"].encode() not in path.read_bytes()
    # What was made while nothing ran is known to the next service.
    with running(tmp_path / "data") as server:
        cli("access-key", "enable", made["AWS_ACCESS_KEY_ID"], *where)
        _clients(server, made)


def test_a_key_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    with running(tmp_path / "data"):
        pass
    for verb in ("disable", "enable", "delete"):
        said = cli("access-key", verb, "AKIAAAAAAAAAAAAAAAAA", "--data", tmp_path / "data", code=1)
        assert said.stderr == (
            "hearthkms: There is no access key AKIAAAAAAAAAAAAAAAAA; `hearthkms access-key list` shows all.\n"
        )


def test_dev_makes_another_one_when_its_own_is_gone(cli: Cli, tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        first = server.access["access_key_id"]
    with running(tmp_path / "data") as server:
        assert server.access["access_key_id"] == first
    cli("access-key", "delete", first, "--data", tmp_path / "data")
    with running(tmp_path / "data") as server:
        assert server.access["access_key_id"] != first
        assert server.client().list_keys()["Keys"] == []
