"""`hearthkms root rewrap`: from one root of trust to another, with every key surviving, also a failure."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import PASSPHRASE, Cli
from tests.support.server import Server, running

SECOND = "an altogether different phrase"


class Deployment:
    """A deployment with keys in two Regions, and a check that they still open what they sealed."""

    def __init__(self, data: Path, access: dict[str, Any], sealed: dict[str, bytes]) -> None:
        self.data = data
        self.access = access
        self.sealed = sealed

    @property
    def key_file(self) -> Path:
        return self.data / "root.key"

    def check(self, server: Server) -> None:
        """Every ciphertext opens, and the first access key still signs."""
        assert server.access["access_key_id"] == self.access["access_key_id"]
        for region, blob in self.sealed.items():
            assert server.client(region=region).decrypt(CiphertextBlob=blob)["Plaintext"] == region.encode()

    def works(self, *arguments: str, **environment: str) -> None:
        """A service starts on it, and every key is there."""
        with running(self.data, *arguments, environment=environment) as server:
            self.check(server)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A deployment under a key file, its service stopped."""
    data = tmp_path_factory.mktemp("original") / "data"
    sealed = {}
    with running(data) as server:
        for region in ("us-east-1", "eu-west-1"):
            kms = server.client(region=region)
            key_id = kms.create_key()["KeyMetadata"]["KeyId"]
            sealed[region] = kms.encrypt(KeyId=key_id, Plaintext=region.encode())["CiphertextBlob"]
        return Deployment(data, server.access, sealed)


@pytest.fixture
def deployment(original: Deployment, tmp_path: Path) -> Deployment:
    """A copy of the deployment, for one test."""
    shutil.copytree(original.data, tmp_path / "data")
    return Deployment(tmp_path / "data", original.access, original.sealed)


def test_there_and_back_again(cli: Cli, tmp_path: Path, deployment: Deployment) -> None:
    first = deployment.key_file.read_bytes()
    phrase, second = tmp_path / "phrase", tmp_path / "second"
    phrase.write_text(PASSPHRASE)
    second.write_text(SECOND)
    where = ("--data", deployment.data)

    said = cli("root", "rewrap", "--to", "passphrase", *where, "--new-passphrase-file", phrase).stdout
    assert "3 domain keys now sealed under passphrase:" in said
    assert f"The old key file is {deployment.key_file}: destroy it" in said
    # The key file is worth nothing now, and a start that insists on it is refused.
    said = cli("serve", *where, "--port", "0", "--root-of-trust", "key-file", code=1).stderr
    assert "The keys of this deployment are sealed by a passphrase, not by a key-file" in said
    deployment.works(HEARTHKMS_PASSPHRASE=PASSPHRASE)

    said = cli(
        *("root", "rewrap", "--to", "passphrase", *where),
        *("--passphrase-file", phrase, "--new-passphrase-file", second),
    ).stdout
    assert "3 domain keys now sealed under passphrase:" in said
    assert "old key file" not in said
    said = cli("access-key", "create", *where, "--passphrase-file", phrase, code=1).stderr
    assert "this is not the passphrase that sealed the keys" in said

    said = cli("root", "rewrap", "--to", "key-file", *where, "--passphrase-file", second).stdout
    assert f"The new key file is {deployment.key_file}: keep a copy of it" in said
    (kept,) = deployment.data.glob("root.key.*.old")
    assert kept.read_bytes() == first
    assert deployment.key_file.read_bytes() != first
    deployment.works()

    # The first key file again: it opens nothing any more.
    shutil.copy(deployment.key_file, tmp_path / "present")
    shutil.copy(kept, deployment.key_file)
    said = cli("serve", *where, "--port", "0", code=1).stderr
    assert "is sealed under key-file:" in said
    assert f"but the root of trust given is key-file:{kept.name.split('.')[2]}" in said
    shutil.copy(tmp_path / "present", deployment.key_file)
    assert cli("audit", "verify", *where).stdout.endswith("the trail is whole.\n")
    assert cli("audit", "tail", "--json", *where).stdout.count('"eventName":"RewrapRootOfTrust"') == 3


def test_a_key_file_elsewhere(cli: Cli, tmp_path: Path, deployment: Deployment) -> None:
    (tmp_path / "usb").mkdir()
    new = tmp_path / "usb" / "hearth.key"
    where = ("--data", deployment.data)
    said = cli("root", "rewrap", "--to", "key-file", *where, "--new-root-key-file", new).stdout
    assert f"start the service with --root-key-file {new}." in said
    assert [path.name for path in new.parent.iterdir()] == ["hearth.key"]
    assert deployment.key_file.exists()
    said = cli("serve", *where, "--port", "0", code=1).stderr
    assert "but the root of trust given is key-file:" in said
    deployment.works("--root-key-file", str(new))
    # What is in the way is never overwritten: it may be another deployment's.
    said = cli(
        *("root", "rewrap", "--to", "key-file", *where, "--root-key-file", new),
        *("--new-root-key-file", deployment.key_file),
        code=1,
    ).stderr
    assert f"The key file {deployment.key_file} exists already" in said


@pytest.mark.parametrize("kind", ["key-file", "passphrase"])
def test_a_database_that_refuses_changes_nothing(
    cli: Cli, tmp_path: Path, deployment: Deployment, kind: str
) -> None:
    """The new key file is made before the database is asked; the old one must still open everything."""
    phrase = tmp_path / "phrase"
    phrase.write_text(PASSPHRASE)
    first = deployment.key_file.read_bytes()
    new = ("--new-passphrase-file", phrase) if kind == "passphrase" else ()
    database = sqlite3.connect(deployment.data / "hearthkms.db")
    database.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON domain_keys BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    database.close()
    said = cli("root", "rewrap", "--to", kind, "--data", deployment.data, *new, code=1).stderr
    assert "The database cannot answer: disk full." in said
    assert deployment.key_file.read_bytes() == first
    assert [path.name for path in deployment.data.glob("root.key*")] == ["root.key"]
    database = sqlite3.connect(deployment.data / "hearthkms.db")
    database.execute("DROP TRIGGER refuse")
    database.close()
    deployment.works()


@pytest.mark.parametrize("moment", ["before the commit", "after the commit", "between the renames"])
def test_a_crash_at_any_moment_leaves_one_root_that_opens_everything(
    cli: Cli, tmp_path: Path, deployment: Deployment, moment: str
) -> None:
    """What a crash leaves is put together from a copy made before and a re-wrapping that came to its end."""
    before = tmp_path / "before"
    shutil.copytree(deployment.data, before)
    cli("root", "rewrap", "--to", "key-file", "--data", deployment.data)
    (kept,) = deployment.data.glob("root.key.*.old")
    new = deployment.key_file.read_bytes()
    deployment.key_file.rename(deployment.data / "root.key.new")
    if moment == "before the commit":
        for path in deployment.data.glob("hearthkms.db*"):
            path.unlink()
        for path in before.glob("hearthkms.db*"):
            shutil.copy(path, deployment.data)
    if moment != "between the renames":
        kept.rename(deployment.key_file)
    old = deployment.key_file.read_bytes() if deployment.key_file.exists() else kept.read_bytes()
    deployment.works()
    expected = old if moment == "before the commit" else new
    assert deployment.key_file.read_bytes() == expected
    # The next one works as if nothing had happened.
    cli("root", "rewrap", "--to", "key-file", "--data", deployment.data)
    assert not (deployment.data / "root.key.new").exists()
    assert cli("audit", "verify", "--data", deployment.data).stdout.endswith("the trail is whole.\n")


def test_refused_while_a_service_runs(cli: Cli, tmp_path: Path, deployment: Deployment) -> None:
    first = deployment.key_file.read_bytes()
    with running(deployment.data) as server:
        said = cli("root", "rewrap", "--to", "key-file", "--data", deployment.data, code=1).stderr
        assert said == (
            f"hearthkms: Another hearthkms has the data folder {deployment.data} open; stop it first.\n"
        )
        deployment.check(server)
    assert deployment.key_file.read_bytes() == first
    assert [path.name for path in deployment.data.glob("root.key*")] == ["root.key"]


def test_a_key_file_that_is_not_safe_is_refused(cli: Cli, deployment: Deployment) -> None:
    deployment.key_file.chmod(0o644)
    said = cli("serve", "--data", deployment.data, "--port", "0", code=1).stderr
    assert f"others can reach the key file {deployment.key_file} (mode 0644)" in said
    assert f"run `chmod 600 {deployment.key_file}`" in said
    deployment.key_file.unlink()
    said = cli("serve", "--data", deployment.data, "--port", "0", code=1).stderr
    assert f"there is no key file {deployment.key_file}; restore it from where you keep its copy" in said


def test_status_says_what_seals_the_keys(cli: Cli, deployment: Deployment, tmp_path: Path) -> None:
    lines: list[Any] = cli("root", "status", "--data", deployment.data).stdout.splitlines()
    assert lines[0] == "root of trust: key-file"
    assert lines[1].startswith("key-file:")
    assert lines[1].endswith(" seals 3 domain keys")
    assert lines[2] == "no service is running"
