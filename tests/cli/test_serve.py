"""`hearthkms serve`: settings, account, Regions, TLS, and the ready file."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.cli.conftest import Cli, environment
from tests.support.console import serving
from tests.support.server import running, start

from hearthkms.wire.http.tls import development_certificate

MEMBERS = {
    "endpoint_url",
    "region",
    "account_id",
    "access_key_id",
    "secret_access_key",
    "ca_bundle",
    "pid",
}


def _client(url: str, key: dict[str, str], **options: Any) -> Any:
    return boto3.client(
        "kms",
        endpoint_url=url,
        region_name=options.pop("region", "us-east-1"),
        aws_access_key_id=key["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=key["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
        **options,
    )


def _exports(text: str) -> dict[str, str]:
    return dict(re.findall(r"export (\w+)=(\S+)", text))


def test_the_command_line_comes_before_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        """
        data = "from-file"
        port = 0
        workers = 2
        account_id = "111122223333"
        regions = ["eu-west-1", "eu-central-1"]
        ready_file = "ready.json"
        audit_durability = "relaxed"
        """
    )
    given = ("--settings", "settings.toml", "--workers", "1", "--regions", "us-west-2,ap-southeast-2")
    with serving(tmp_path, *given, environment=environment()) as console:
        console.wait_for("listening on")
        assert "account 111122223333, 1 worker, data in from-file" in console.text
        access = json.loads((tmp_path / "ready.json").read_text())
        assert access["account_id"] == "111122223333"
        # Without us-east-1 and a choice of the environment's, the first one is suggested.
        assert access["region"] == "us-west-2"
        assert (tmp_path / "from-file" / "hearthkms.db").exists()
        key = {
            "AWS_ACCESS_KEY_ID": access["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": access["secret_access_key"],
        }
        arn = _client(access["endpoint_url"], key, region="ap-southeast-2").create_key()["KeyMetadata"]["Arn"]
        assert arn.startswith("arn:aws:kms:ap-southeast-2:111122223333:key/")
        with pytest.raises(ClientError) as refused:
            _client(access["endpoint_url"], key, region="eu-west-1").list_keys()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert console.stop() == 0


def test_other_commands_take_the_same_settings_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('data = "elsewhere"\nroot_key_file = "keys/root"\nport = 0\n')
    (tmp_path / "keys").mkdir()
    with serving(tmp_path, "--settings", "settings.toml", environment=environment()) as console:
        console.wait_for("listening on")
        assert "The root of trust is the key file keys/root" in console.text
        made = _exports(cli("access-key", "create", "--settings", "settings.toml").stdout)
        assert _client(console.url, made).list_keys()["Keys"] == []
    assert "the trail is whole" in cli("audit", "verify", "--settings", "settings.toml").stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "keys", "settings.toml"]


def test_without_dev_no_credential_is_made_or_shown(cli: Cli, tmp_path: Path) -> None:
    with serving(tmp_path, "--data", "my data", "--port", "0", environment=environment()) as console:
        text = console.wait_for("listening on")
        assert "export" not in text
        (command,) = re.findall(
            r"`hearthkms (access-key create --data '.*my data')` makes a credential", text
        )
        assert cli("access-key", "list", "--data", "my data").stdout == ""
        made = _exports(cli("access-key", "create", "--data", command.split("'")[1]).stdout)
        assert _client(console.url, made).generate_random(NumberOfBytes=4)["Plaintext"]


def test_the_account_is_made_once_and_not_contradicted(cli: Cli, tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        account_id = server.account_id
        assert re.fullmatch(r"[1-9][0-9]{11}", account_id)
        arn = server.client().create_key()["KeyMetadata"]["Arn"]
    with running(tmp_path / "data", "--account-id", account_id) as server:
        assert server.account_id == account_id
        assert server.client().describe_key(KeyId=arn)["KeyMetadata"]["AWSAccountId"] == account_id
    done = cli("serve", "--data", tmp_path / "data", "--port", "0", "--account-id", "123456789012", code=1)
    assert f"This data belongs to account {account_id}, not 123456789012." in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_ready_file_is_there_while_the_service_answers(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    previous = os.umask(0)
    try:
        with serving(
            tmp_path, "--dev", "--port", "0", "--ready-file", "ready.json", environment=environment()
        ) as console:
            while not ready.exists():
                assert console.process.poll() is None
                time.sleep(0.002)
            # It appears whole, and the service answers.
            access = json.loads(ready.read_text())
            key = {
                "AWS_ACCESS_KEY_ID": access["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": access["secret_access_key"],
            }
            assert _client(access["endpoint_url"], key).list_keys()["Keys"] == []
            assert set(access) == MEMBERS
            assert access["ca_bundle"] is None
            assert access["pid"] == console.process.pid
            assert stat.S_IMODE(ready.stat().st_mode) == 0o600
            console.wait_for("Ctrl-C stops the service")
            assert console.exports["AWS_ACCESS_KEY_ID"] == access["access_key_id"]
            assert console.exports["AWS_SECRET_ACCESS_KEY"] == access["secret_access_key"]
            assert console.stop(number) == 0
            assert console.text.endswith("HearthKMS stopped.\n")
    finally:
        os.umask(previous)
    assert [path.name for path in tmp_path.iterdir()] == ["hearthkms-data"]


def test_a_ready_file_of_a_killed_service_is_not_believed(cli: Cli, tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    ready = tmp_path / "data.ready.json"
    server.kill()
    assert ready.exists()
    # Even where this start comes to nothing, who waits for the file must not find the dead service's.
    done = cli(
        *("serve", "--data", tmp_path / "data", "--port", "0", "--ready-file", ready),
        *("--root-of-trust", "passphrase"),
        code=1,
    )
    assert "The keys of this deployment are sealed by a key-file, not by a passphrase" in done.stderr
    assert not ready.exists()
    with running(tmp_path / "data") as again:
        assert again.access["pid"] != server.access["pid"]
        # One that a living service wrote stays, when another start comes to nothing.
        cli("serve", "--data", tmp_path / "data", "--port", "0", "--ready-file", ready, code=1)
        assert json.loads(ready.read_text()) == again.access
    assert not ready.exists()


def test_a_ready_file_in_the_place_of_a_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('ready_file = "folder"\nport = 0')
    (tmp_path / "folder").mkdir()
    done = cli("serve", "--settings", "settings.toml", code=1)
    assert "The ready file folder cannot be" in done.stderr
    assert (tmp_path / "folder").is_dir()


def test_a_certificate_of_the_operators_own(tmp_path: Path) -> None:
    certificate, key, authority = development_certificate(tmp_path / "pki", ["kms.test"])
    with running(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key)) as server:
        assert server.url.startswith("https://127.0.0.1:")
        # Which authority clients trust is then the operator's business.
        assert server.access["ca_bundle"] is None
        exports = {
            "AWS_ACCESS_KEY_ID": server.access["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": server.access["secret_access_key"],
        }
        assert _client(server.url, exports, verify=str(authority)).list_keys()["Keys"] == []


def test_all_addresses_with_tls_or_behind_a_proxy(tmp_path: Path) -> None:
    with running(tmp_path / "tls", "--host", "0.0.0.0", "--tls-dev") as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert server.client().list_keys()["Keys"] == []
    with running(tmp_path / "proxied", "--host", "0.0.0.0", "--tls-terminated-by-proxy") as server:
        assert server.client().list_keys()["Keys"] == []


def test_any_loopback_address_may_be_plain(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--host", "127.0.0.2") as server:
        assert server.url.startswith("http://127.0.0.2:")
        assert server.client().list_keys()["Keys"] == []
    with running(tmp_path / "data", "--host", "localhost") as server:
        assert server.url.startswith("http://localhost:")
        assert server.client().list_keys()["Keys"] == []


def test_a_database_of_its_own(cli: Cli, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    with running(tmp_path / "data", "--database", url) as server:
        server.client().create_key()
    assert (tmp_path / "elsewhere.db").exists()
    assert not (tmp_path / "data" / "hearthkms.db").exists()
    listed = cli("audit", "tail", "--data", tmp_path / "data", "--database", url).stdout
    assert " CreateKey ok " in listed
