"""The AWS CLI, unmodified and with its own botocore, against the live server."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path

from tests.interop.conftest import Aws
from tests.support.server import Server


def _key(aws: Aws) -> str:
    return aws("kms", "create-key", "--query", "KeyMetadata.KeyId", "--output", "text").stdout.strip()


def test_a_file_goes_there_and_back(aws: Aws, tmp_path: Path) -> None:
    key_id = _key(aws)
    alias = f"alias/cli-{uuid.uuid4()}"
    aws("kms", "create-alias", "--alias-name", alias, "--target-key-id", key_id)
    content = bytes(range(256)) * 16
    (tmp_path / "plain.bin").write_bytes(content)
    sealed = json.loads(
        aws(
            *("kms", "encrypt", "--key-id", alias, "--plaintext", "fileb://plain.bin"),
            *("--encryption-context", "purpose=backup,host=a b"),
        ).stdout
    )
    assert sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    (tmp_path / "sealed.bin").write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = json.loads(
        aws(
            *("kms", "decrypt", "--ciphertext-blob", "fileb://sealed.bin"),
            *("--encryption-context", '{"host": "a b", "purpose": "backup"}'),
        ).stdout
    )
    assert base64.b64decode(opened["Plaintext"]) == content
    assert opened["KeyId"] == sealed["KeyId"]
    assert opened["KeyId"].endswith(f":key/{key_id}")


def test_lists_are_paged_without_asking(aws: Aws) -> None:
    key_id = _key(aws)
    names = sorted(f"alias/page-{number}-{uuid.uuid4().hex[:8]}" for number in range(5))
    for name in names:
        aws("kms", "create-alias", "--alias-name", name, "--target-key-id", key_id)
    listing = ("kms", "list-aliases", "--key-id", key_id, "--page-size", "2")
    whole = json.loads(aws(*listing).stdout)
    assert sorted(entry["AliasName"] for entry in whole["Aliases"]) == names
    first = json.loads(aws(*listing, "--max-items", "3").stdout)
    rest = json.loads(aws(*listing, "--starting-token", first["NextToken"]).stdout)
    assert len(first["Aliases"]) == 3
    assert [entry["AliasName"] for entry in first["Aliases"] + rest["Aliases"]] == [
        entry["AliasName"] for entry in whole["Aliases"]
    ]


def test_dates_and_flags_are_as_the_command_line_writes_them(aws: Aws) -> None:
    key_id = _key(aws)
    aws("kms", "enable-key-rotation", "--key-id", key_id, "--rotation-period-in-days", "90")
    status = json.loads(aws("kms", "get-key-rotation-status", "--key-id", key_id).stdout)
    assert status["KeyRotationEnabled"] is True
    assert status["RotationPeriodInDays"] == 90
    aws("kms", "schedule-key-deletion", "--key-id", key_id, "--pending-window-in-days", "7")
    described = json.loads(aws("kms", "describe-key", "--key-id", key_id).stdout)["KeyMetadata"]
    assert described["KeyState"] == "PendingDeletion"
    assert described["DeletionDate"] > described["CreationDate"]


def test_errors_are_the_services_own(aws: Aws, server: Server) -> None:
    missing = str(uuid.uuid4())
    arn = f"arn:aws:kms:{server.access['region']}:{server.account_id}:key/{missing}"
    unknown = aws("kms", "describe-key", "--key-id", missing, code=255)
    assert (
        "An error occurred (NotFoundException) when calling the DescribeKey operation: "
        f"Key '{arn}' does not exist" in unknown.stderr
    )
    invalid = aws("kms", "generate-random", "--number-of-bytes", "1025", code=255)
    assert (
        "(ValidationException) when calling the GenerateRandom operation: 1 validation error detected:"
        in (invalid.stderr)
    )
    tampered = aws(
        "kms", "decrypt", "--ciphertext-blob", base64.b64encode(b"not sealed by anybody").decode(), code=255
    )
    assert "(InvalidCiphertextException) when calling the Decrypt operation" in tampered.stderr
