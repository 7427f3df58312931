"""What tests with the fixtures look like. The code under test would be an application's."""

from __future__ import annotations

from typing import Any

import boto3
import pytest


class Tokens:
    """Code under test: it knows nothing of HearthKMS."""

    def __init__(self, key_id: str) -> None:
        self._kms = boto3.client("kms")
        self._key_id = key_id

    def issue(self, user: str) -> bytes:
        """A token that only this service can read."""
        sealed = self._kms.encrypt(
            KeyId=self._key_id, Plaintext=user.encode(), EncryptionContext={"for": "login"}
        )
        return bytes(sealed["CiphertextBlob"])

    def read(self, token: bytes) -> str:
        """The user that a token was issued for."""
        opened = self._kms.decrypt(CiphertextBlob=token, EncryptionContext={"for": "login"})
        return str(opened["Plaintext"].decode())


@pytest.fixture
def key_id(kms: Any) -> str:
    """A key for one test."""
    return str(kms.create_key()["KeyMetadata"]["KeyId"])


@pytest.mark.usefixtures("kms_environment")
def test_a_token_is_read_again(key_id: str) -> None:
    tokens = Tokens(key_id)
    assert tokens.read(tokens.issue("ada")) == "ada"


@pytest.mark.usefixtures("kms_environment")
def test_no_token_is_issued_with_a_disabled_key(kms: Any, key_id: str) -> None:
    kms.disable_key(KeyId=key_id)
    with pytest.raises(kms.exceptions.DisabledException):
        Tokens(key_id).issue("ada")
