"""AES-256-GCM against Wycheproof's vectors, and under derived keys."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError, DerivedAead, seal, unseal

VECTORS = Path(__file__).parents[2] / "vectors"
KEY = Secret(bytes(range(32)))
NONCE = bytes(range(16))
IV = bytes(range(12))


def test_wycheproof_aes_256_gcm() -> None:
    groups = json.loads((VECTORS / "aes-gcm" / "aes-256-gcm.json").read_text())["testGroups"]
    cases = [case for group in groups for case in group["tests"]]
    assert len(cases) == 66
    assert {case["result"] for case in cases} == {"valid", "invalid"}
    for case in cases:
        key, iv, aad, message = (bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg"))
        sealed = bytes.fromhex(case["ct"] + case["tag"])
        if case["result"] == "valid":
            assert seal(key, iv, message, aad) == sealed, case["tcId"]
            assert unseal(key, iv, sealed, aad) == message, case["tcId"]
        else:
            with pytest.raises(AuthenticityError):
                unseal(key, iv, sealed, aad)


@pytest.mark.parametrize(("key", "iv"), [(bytes(16), IV), (bytes(24), IV), (bytes(32), bytes(16))])
def test_takes_256_bit_keys_and_96_bit_ivs_alone(key: bytes, iv: bytes) -> None:
    with pytest.raises(ValueError):
        seal(key, iv, b"", b"")
    with pytest.raises(ValueError):
        unseal(key, iv, bytes(16), b"")


def test_derived_aead_is_the_composition_that_the_specification_states() -> None:
    message_key = hmac.digest(
        KEY.reveal(), b"\0\0\0\1" + b"label" + b"\0" + NONCE + b"\0\0\1\0", hashlib.sha256
    )
    sealed = DerivedAead(KEY, b"label").seal(NONCE, IV, b"plaintext", b"aad")
    assert sealed == AESGCM(message_key).encrypt(IV, b"plaintext", b"aad")
    assert DerivedAead(KEY, b"label").open(NONCE, IV, sealed, b"aad") == b"plaintext"


@pytest.mark.parametrize(
    ("key", "label", "nonce", "iv", "aad"),
    [
        (Secret(bytes(32)), b"label", NONCE, IV, b"aad"),
        (KEY, b"other", NONCE, IV, b"aad"),
        (KEY, b"label", bytes(16), IV, b"aad"),
        (KEY, b"label", NONCE, bytes(12), b"aad"),
        (KEY, b"label", NONCE, IV, b""),
    ],
)
def test_derived_aead_opens_with_everything_equal_alone(
    key: Secret, label: bytes, nonce: bytes, iv: bytes, aad: bytes
) -> None:
    sealed = DerivedAead(KEY, b"label").seal(NONCE, IV, b"plaintext", b"aad")
    with pytest.raises(AuthenticityError):
        DerivedAead(key, label).open(nonce, iv, sealed, aad)


@pytest.mark.parametrize("size", [0, 15])
def test_what_is_shorter_than_a_tag_does_not_open(size: int) -> None:
    with pytest.raises(AuthenticityError):
        DerivedAead(KEY, b"label").open(NONCE, IV, bytes(size), b"")


def test_nonces_have_128_bits() -> None:
    with pytest.raises(ValueError):
        DerivedAead(KEY, b"label").seal(bytes(15), IV, b"", b"")
    with pytest.raises(ValueError):
        DerivedAead(KEY, b"label").open(bytes(17), IV, bytes(16), b"")
