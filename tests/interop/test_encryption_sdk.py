"""The AWS Encryption SDK for Python, unmodified: files under keys of the live server."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_encryption_sdk as sdk
import botocore.session
import pytest
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError, DecryptKeyError
from aws_encryption_sdk.identifiers import CommitmentPolicy
from aws_encryption_sdk.key_providers.kms import (
    DiscoveryAwsKmsMasterKeyProvider,
    DiscoveryFilter,
    StrictAwsKmsMasterKeyProvider,
)
from tests.support.server import Server

CONTEXT = {"file": "report.bin", "owner": "tests"}
MIB = 1024 * 1024

Calls = Callable[[], list[str]]


@pytest.fixture
def client() -> sdk.EncryptionSDKClient:
    """The SDK's client with its recommended policy."""
    return sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)


@pytest.fixture
def session(server: Server, monkeypatch: pytest.MonkeyPatch) -> botocore.session.Session:
    """A botocore session that finds the server by the environment, as an application's does."""
    for name, value in server.exports().items():
        monkeypatch.setenv(name, value)
    return botocore.session.Session()


@pytest.fixture
def calls(session: botocore.session.Session) -> Calls:
    """The operations that the session's clients have called so far."""
    seen: list[str] = []

    def note(event_name: str, **_: Any) -> None:
        seen.append(event_name.rpartition(".")[2])

    session.register("before-call.kms", note)
    return lambda: list(seen)


def _strict(session: botocore.session.Session, *key_arns: str) -> StrictAwsKmsMasterKeyProvider:
    return StrictAwsKmsMasterKeyProvider(key_ids=list(key_arns), botocore_session=session)


def _discovery(
    session: botocore.session.Session, account_id: str, **options: Any
) -> DiscoveryAwsKmsMasterKeyProvider:
    only = DiscoveryFilter(account_ids=[account_id], partition="aws")
    return DiscoveryAwsKmsMasterKeyProvider(botocore_session=session, discovery_filter=only, **options)


def test_a_file_of_ten_megabytes(
    client: sdk.EncryptionSDKClient,
    session: botocore.session.Session,
    calls: Calls,
    server: Server,
    key: dict[str, Any],
    tmp_path: Path,
) -> None:
    plain, sealed = tmp_path / "plain.bin", tmp_path / "sealed.bin"
    plain.write_bytes(os.urandom(10 * MIB))
    with (
        plain.open("rb") as source,
        sealed.open("wb") as target,
        client.stream(
            mode="e",
            source=source,
            key_provider=_strict(session, key["Arn"]),
            encryption_context=CONTEXT,
            frame_length=64 * 1024,
        ) as encryptor,
    ):
        for chunk in encryptor:
            target.write(chunk)
    assert sealed.stat().st_size > 10 * MIB
    # One data key for the whole file, whatever its size.
    assert calls() == ["GenerateDataKey"]
    for provider in (_strict(session, key["Arn"]), _discovery(session, server.account_id)):
        opened = io.BytesIO()
        with (
            sealed.open("rb") as source,
            client.stream(mode="d", source=source, key_provider=provider) as decryptor,
        ):
            assert decryptor.header.encryption_context.items() >= CONTEXT.items()
            for chunk in decryptor:
                opened.write(chunk)
        assert opened.getvalue() == plain.read_bytes()
    assert calls() == ["GenerateDataKey", "Decrypt", "Decrypt"]


def test_another_encryption_context_does_not_open(
    client: sdk.EncryptionSDKClient, session: botocore.session.Session, kms: Any, key: dict[str, Any]
) -> None:
    """The header is authenticated by the key service too: its data key opens under its own context alone."""
    sealed, header = client.encrypt(
        source=b"secret", key_provider=_strict(session, key["Arn"]), encryption_context=CONTEXT
    )
    (data_key,) = header.encrypted_data_keys
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=data_key.encrypted_data_key, EncryptionContext=CONTEXT)
    opened = kms.decrypt(
        CiphertextBlob=data_key.encrypted_data_key, EncryptionContext=header.encryption_context
    )
    assert opened["KeyId"] == key["Arn"]
    forged = sealed.replace(b"report.bin", b"report.txt")
    assert forged != sealed
    with pytest.raises(DecryptKeyError):
        client.decrypt(source=forged, key_provider=_strict(session, key["Arn"]))


def test_a_provider_without_the_right_key_is_refused(
    client: sdk.EncryptionSDKClient,
    session: botocore.session.Session,
    server: Server,
    kms: Any,
    key: dict[str, Any],
) -> None:
    sealed, _ = client.encrypt(source=b"secret", key_provider=_strict(session, key["Arn"]))
    other = kms.create_key()["KeyMetadata"]["Arn"]
    for provider in (_strict(session, other), _discovery(session, "123456789012")):
        with pytest.raises(AWSEncryptionSDKClientError):
            client.decrypt(source=sealed, key_provider=provider)
    kms.disable_key(KeyId=key["KeyId"])
    with pytest.raises(AWSEncryptionSDKClientError):
        client.decrypt(source=sealed, key_provider=_discovery(session, server.account_id))


def test_two_wrapping_keys_in_two_regions(
    client: sdk.EncryptionSDKClient,
    session: botocore.session.Session,
    calls: Calls,
    server: Server,
    key: dict[str, Any],
) -> None:
    """Either Region opens the message alone: the other key may be gone."""
    abroad = server.client(region="eu-central-1")
    second = abroad.create_key()["KeyMetadata"]["Arn"]
    assert ":eu-central-1:" in second
    assert ":eu-central-1:" not in key["Arn"]
    sealed, header = client.encrypt(source=b"everywhere", key_provider=_strict(session, key["Arn"], second))
    assert calls() == ["GenerateDataKey", "Encrypt"]
    assert {one.key_provider.key_info.decode() for one in header.encrypted_data_keys} == {key["Arn"], second}
    server.client().disable_key(KeyId=key["KeyId"])
    for provider in (_strict(session, second), _discovery(session, server.account_id)):
        opened, _ = client.decrypt(source=sealed, key_provider=provider)
        assert opened == b"everywhere"


def test_a_caching_materials_manager_asks_less_often(
    client: sdk.EncryptionSDKClient, session: botocore.session.Session, calls: Calls, key: dict[str, Any]
) -> None:
    def manager() -> sdk.CachingCryptoMaterialsManager:
        return sdk.CachingCryptoMaterialsManager(
            master_key_provider=_strict(session, key["Arn"]),
            cache=sdk.LocalCryptoMaterialsCache(capacity=10),
            max_age=60.0,
            max_messages_encrypted=5,
        )

    sealing, opening = manager(), manager()
    sealed = [
        client.encrypt(source=b"%d" % number, materials_manager=sealing, encryption_context=CONTEXT)[0]
        for number in range(10)
    ]
    assert calls() == ["GenerateDataKey"] * 2
    opened = [client.decrypt(source=one, materials_manager=opening)[0] for one in sealed]
    assert opened == [b"%d" % number for number in range(10)]
    assert calls() == ["GenerateDataKey"] * 2 + ["Decrypt"] * 2
