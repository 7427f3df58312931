"""What `serve` refuses to start with, and what it says to do instead."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.support.server import running

from hearthkms.core.errors import SettingsError
from hearthkms.settings import load

REFUSED = {
    "plain HTTP for other machines": (
        ["--host", "0.0.0.0"],
        "Plain HTTP is for loopback alone, and '0.0.0.0' is not: give --tls-cert and --tls-key (or "
        "--tls-dev), or say --tls-terminated-by-proxy if a proxy ends TLS.",
    ),
    "plain HTTP for a name": (["--host", "kms.example.org"], "and 'kms.example.org' is not"),
    "an empty host": (
        ["--host", "", "--tls-dev"],
        "host must not be empty; 0.0.0.0 stands for every address",
    ),
    "half a certificate": (["--tls-cert", "/etc/hostname"], "tls_cert and tls_key must be given together."),
    "two certificates": (
        ["--tls-cert", "/etc/hostname", "--tls-key", "/etc/hostname", "--tls-dev"],
        "Give either tls_dev or tls_cert and tls_key, not both.",
    ),
    "no certificate at all": (
        ["--tls-cert", "/etc/hostname", "--tls-key", "/etc/hostname"],
        "The TLS certificate /etc/hostname with the key /etc/hostname cannot be used",
    ),
    "a short account id": (["--account-id", "42"], "account_id must be 12 digits, not '42'."),
    "no workers": (["--workers", "0"], "workers must be between 1 and 256, not 0."),
    "a port that is none": (["--port", "65536"], "port must be between 0 and 65535, not 65536."),
    "an unknown Region": (
        ["--regions", "us-east-1,eu-centrall-1"],
        "The partition 'aws' has no Region 'eu-centrall-1'; Region names look like 'eu-central-1'. "
        "Leave --regions out to serve them all.",
    ),
    "a Region of another partition": (["--regions", "us-gov-west-1"], "has no Region 'us-gov-west-1'"),
    "an empty list of Regions": (["--regions", ""], "has no Region ''"),
    "an unknown database": (["--database", "mysql://x/y"], "must be sqlite or postgresql, not 'mysql'."),
    "a database that is no URL": (["--database", "hearth.db"], "write sqlite:////PATH or postgresql://..."),
    "a ready file nowhere": (
        ["--ready-file", "nowhere/ready.json"],
        "The ready file nowhere/ready.json cannot be written: No such file or directory. "
        "Its folder must exist and be writable; give --ready-file another path.",
    ),
    "a data folder that cannot be": (["--data", "/etc/hostname/data"], "cannot be used: Not a directory."),
    "no passphrase for a new deployment": (
        ["--root-of-trust", "passphrase"],
        "A new deployment needs its passphrase at the first start: give --passphrase-file FILE or set "
        "HEARTHKMS_PASSPHRASE.",
    ),
}


@pytest.mark.parametrize("arguments, said", REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_a_reason_and_exit_code_1(cli: Cli, arguments: list[str], said: str) -> None:
    data = [] if "--data" in arguments else ["--data", "data"]
    done = cli("serve", *data, "--port", "0", *arguments, code=1)
    # What cannot be had without root may be logged before.
    assert done.stderr.splitlines()[-1].startswith("hearthkms: ")
    assert said in done.stderr.splitlines()[-1]
    assert "listening" not in done.stdout


SETTINGS = {
    "an unknown name": ("tls-cert = 'c.pem'", "there is no setting 'tls-cert'; did you mean 'tls_cert'?"),
    "a strange name": ("zzz = 1", "there is no setting 'zzz'."),
    "text for a number": ("port = '7710'", "the setting 'port' must be a whole number, not '7710'."),
    "a truth for a number": ("workers = true", "the setting 'workers' must be a whole number, not True."),
    "a number for a truth": ("dev = 1", "the setting 'dev' must be true or false, not 1."),
    "no time": ("idle_timeout = 0", "the setting 'idle_timeout' must be a number above 0, not 0."),
    "for ever": ("idle_timeout = inf", "the setting 'idle_timeout' must be a number above 0, not inf."),
    "a number for a path": ("data = 7", "the setting 'data' must be a path, not 7."),
    "an empty path": ("data = ''", "the setting 'data' must be a path, not ''."),
    "no Regions": ("regions = []", "the setting 'regions' must be a list of Region names, not []."),
    "a choice that is none": (
        "audit_durability = 'fast'",
        "audit_durability must be one of strict, relaxed, not 'fast'.",
    ),
    "no room": ("max_body_bytes = 0", "max_body_bytes must be at least 1, not 0."),
    "no TOML": ("port: 7710", "settings.toml is not valid TOML"),
}


@pytest.mark.parametrize("content, said", SETTINGS.values(), ids=SETTINGS.keys())
def test_settings_that_cannot_work(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=re.escape(said)):
        load(path, {})


def test_a_settings_file_that_cannot_work_stops_the_start(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("idle-timeout = 5")
    done = cli("serve", "--settings", "settings.toml", code=1)
    assert done.stderr == (
        "hearthkms: settings.toml: there is no setting 'idle-timeout'; did you mean 'idle_timeout'?\n"
    )
    (tmp_path / "settings.toml").write_bytes(b"\xff\xfe\x00")
    assert "settings.toml is not valid TOML" in cli("serve", "--settings", "settings.toml", code=1).stderr


def test_a_taken_port(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli("serve", "--data", "data", "--port", str(port), code=1)
    assert f"Cannot listen on 127.0.0.1 port {port}: another process listens there." in done.stderr


def test_what_another_service_has(cli: Cli, tmp_path: Path) -> None:
    """Neither the data folder nor the port of a running service can be shared, and it is not disturbed."""
    with running(tmp_path / "data") as server:
        done = cli("serve", "--data", tmp_path / "data", "--port", "0", code=1)
        assert (
            f"Another hearthkms has the data folder {tmp_path / 'data'} open; stop it first." in done.stderr
        )
        done = cli("serve", "--data", "other", "--port", str(server.port), code=1)
        assert f"Cannot listen on 127.0.0.1 port {server.port}" in done.stderr
        done = cli("root", "rewrap", "--to", "key-file", "--data", tmp_path / "data", code=1)
        assert "stop it first" in done.stderr
        assert server.client().generate_random(NumberOfBytes=8)["Plaintext"]
