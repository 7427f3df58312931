"""Copy this into your test suite: a HearthKMS for the time of a test session.

`kms_service` starts the service on any free port and stops it again. `kms` is a boto3 client of it. For code
that makes clients of its own, `kms_environment` puts endpoint and credentials where AWS SDKs look for them.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest


@pytest.fixture(scope="session")
def kms_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A running service: endpoint_url, region, account_id, access_key_id, secret_access_key, and so on."""
    folder = tmp_path_factory.mktemp("hearthkms")
    ready = folder / "ready.json"
    arguments = ["--port", "0", "--data", str(folder / "data"), "--ready-file", str(ready)]
    # Nothing here needs to outlive the machine, so records need not be forced to the disk.
    service = subprocess.Popen(["hearthkms", "serve", *arguments, "--audit-durability", "relaxed"])
    try:
        while not ready.exists():
            if service.poll() is not None:
                pytest.exit("hearthkms could not start; it says why above", returncode=1)
            time.sleep(0.05)
        # The file appears in one step: it is whole, and the service answers.
        yield json.loads(ready.read_text())
    finally:
        service.terminate()
        service.wait(timeout=30)


@pytest.fixture(scope="session")
def kms(kms_service: dict[str, Any]) -> Any:
    """A boto3 client of the service."""
    return boto3.client(
        "kms",
        endpoint_url=kms_service["endpoint_url"],
        region_name=kms_service["region"],
        aws_access_key_id=kms_service["access_key_id"],
        aws_secret_access_key=kms_service["secret_access_key"],
    )


@pytest.fixture
def kms_environment(kms_service: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every AWS SDK that the code under test uses at the service."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms_service["endpoint_url"])
    monkeypatch.setenv("AWS_REGION", kms_service["region"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", kms_service["region"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", kms_service["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", kms_service["secret_access_key"])
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
