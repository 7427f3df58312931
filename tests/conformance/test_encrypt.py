"""Encrypt, and the encryption context, which GenerateDataKey and ReEncrypt treat alike."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.answers import INVALID_CIPHERTEXT, constraint, refusal
from tests.conformance.calls import Sample, new_sample

GRANT_TOKEN = ("InvalidGrantTokenException", "The specified grant token is not valid.")
RECIPIENT = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"document"}


def test_answer(kms: Any, shared: Sample) -> None:
    """Encrypt is the one operation that does not tell the key material."""
    answer = kms.encrypt(KeyId=shared.key_id, Plaintext=b"attack at dawn")
    answer.pop("ResponseMetadata")
    ciphertext = answer.pop("CiphertextBlob")
    assert answer == {"KeyId": shared.arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    assert b"attack" not in ciphertext


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 4095, 4096])
def test_sizes(kms: Any, shared: Sample, size: int) -> None:
    plaintext = bytes(range(256)) * 16
    plaintext = plaintext[:size]
    ciphertext = kms.encrypt(KeyId=shared.key_id, Plaintext=plaintext)["CiphertextBlob"]
    assert size < len(ciphertext) <= 6144
    assert kms.decrypt(CiphertextBlob=ciphertext)["Plaintext"] == plaintext


@pytest.mark.parametrize(
    ("plaintext", "rule"),
    [
        (b"", "Member must have length greater than or equal to 1"),
        (b"x" * 4097, "Member must have length less than or equal to 4096"),
    ],
)
def test_sizes_that_are_refused(loose: Any, shared: Sample, plaintext: bytes, rule: str) -> None:
    """The message never holds the plaintext."""
    answer = refusal(loose.encrypt, KeyId=shared.key_id, Plaintext=plaintext)
    assert answer == constraint("plaintext", rule)


def test_a_plaintext_is_required(loose: Any, shared: Sample) -> None:
    answer = refusal(loose.encrypt, KeyId=shared.key_id)
    assert answer[0] == "ValidationException"
    assert "at 'plaintext' failed to satisfy constraint: Member must not be null" in answer[1]


def test_the_same_plaintext_never_gives_the_same_ciphertext(kms: Any, shared: Sample) -> None:
    made = {kms.encrypt(KeyId=shared.key_id, Plaintext=b"x")["CiphertextBlob"] for _ in range(20)}
    assert len(made) == 20


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"])
def test_algorithms_of_other_keys(kms: Any, shared: Sample, algorithm: str) -> None:
    expected = (
        "InvalidKeyUsageException",
        f"Algorithm {algorithm} is incompatible with key spec SYMMETRIC_DEFAULT.",
    )
    blob = shared.ciphertext
    for answer in (
        refusal(kms.encrypt, KeyId=shared.key_id, Plaintext=b"x", EncryptionAlgorithm=algorithm),
        refusal(kms.decrypt, CiphertextBlob=blob, EncryptionAlgorithm=algorithm),
        refusal(
            kms.re_encrypt,
            CiphertextBlob=blob,
            DestinationKeyId=shared.key_id,
            SourceEncryptionAlgorithm=algorithm,
        ),
        refusal(
            kms.re_encrypt,
            CiphertextBlob=blob,
            DestinationKeyId=shared.key_id,
            DestinationEncryptionAlgorithm=algorithm,
        ),
    ):
        assert answer == expected


def test_the_state_is_looked_at_before_the_algorithm(kms: Any, sample: Sample) -> None:
    kms.disable_key(KeyId=sample.key_id)
    answer = refusal(kms.encrypt, KeyId=sample.key_id, Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_1")
    assert answer == ("DisabledException", f"{sample.arn} is disabled.")


def test_an_unknown_algorithm(loose: Any, shared: Sample) -> None:
    answer = refusal(loose.encrypt, KeyId=shared.key_id, Plaintext=b"x", EncryptionAlgorithm="ROT13")
    rule = (
        "Member must satisfy enum value set: "
        "[SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE]"
    )
    assert answer == constraint("encryptionAlgorithm", rule, "'ROT13'")


def test_grant_tokens_and_recipients(kms: Any, shared: Sample) -> None:
    """No grant has been made, and no attestation document can be verified: both are refused, not ignored."""
    key, blob = shared.key_id, shared.ciphertext
    for method, parameters in (
        (kms.encrypt, {"KeyId": key, "Plaintext": b"x"}),
        (kms.decrypt, {"CiphertextBlob": blob}),
        (kms.re_encrypt, {"CiphertextBlob": blob, "DestinationKeyId": key}),
        (kms.generate_data_key, {"KeyId": key, "KeySpec": "AES_256"}),
        (kms.generate_data_key_without_plaintext, {"KeyId": key, "KeySpec": "AES_256"}),
    ):
        assert refusal(method, **parameters, GrantTokens=["token"]) == GRANT_TOKEN
        method(**parameters, GrantTokens=[])
    for method, parameters in (
        (kms.decrypt, {"CiphertextBlob": blob}),
        (kms.generate_data_key, {"KeyId": key, "KeySpec": "AES_256"}),
        (kms.generate_random, {"NumberOfBytes": 1}),
    ):
        assert refusal(method, **parameters, Recipient=RECIPIENT)[0] == "UnsupportedOperationException"


class TestEncryptionContext:
    """Decryption needs the exact context of encryption, in whatever order."""

    def opens(self, kms: Any, sealed: dict[str, str] | None, given: dict[str, str] | None) -> bool:
        """Whether a blob made with one context opens with another; None for no such member at all."""
        key = self.key.key_id
        made = {} if sealed is None else {"EncryptionContext": sealed}
        used = {} if given is None else {"EncryptionContext": given}
        blobs = [
            kms.encrypt(KeyId=key, Plaintext=b"x", **made)["CiphertextBlob"],
            kms.generate_data_key(KeyId=key, KeySpec="AES_128", **made)["CiphertextBlob"],
            kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_128", **made)["CiphertextBlob"],
        ]
        opened = []
        for blob in blobs:
            try:
                kms.decrypt(CiphertextBlob=blob, **used)
            except kms.exceptions.InvalidCiphertextException:
                opened.append(False)
            else:
                opened.append(True)
        assert len(set(opened)) == 1
        return opened[0]

    @pytest.fixture(autouse=True)
    def _key(self, shared: Sample) -> None:
        self.key = shared

    @pytest.mark.parametrize(
        "context",
        [
            {"a": "b"},
            {"b": "2", "a": "1", "ab": "3", "": "empty name"},
            {"ключ": "значение", "🔑": "🔒", "e\u0301": "NFD", "\u00e9": "NFC", "nul\u0000": "\n"},
            {f"name {number}": "v" * 20 for number in range(100)},
        ],
    )
    def test_same_context_in_any_order(self, kms: Any, context: dict[str, str]) -> None:
        assert self.opens(kms, context, context)
        assert self.opens(kms, context, dict(reversed(context.items())))

    @pytest.mark.parametrize(
        ("sealed", "given"),
        [
            ({"a": "bc"}, {"ab": "c"}),
            ({"a": "1"}, {"A": "1"}),
            ({"a": "x"}, {"a": "X"}),
            ({"a": "1"}, {"a": "1", "b": "2"}),
            ({"a": "1", "b": "2"}, {"a": "1"}),
            ({"a": "1", "b": "2"}, {"a": "2", "b": "1"}),
            ({"a": "1"}, {}),
            ({"a": "1"}, None),
            ({}, {"a": "1"}),
            ({}, {"": ""}),
            (None, {"a": "1"}),
            ({"\u00e9": "1"}, {"e\u0301": "1"}),
            ({"a": "1 "}, {"a": "1"}),
        ],
    )
    def test_another_context(
        self, kms: Any, sealed: dict[str, str] | None, given: dict[str, str] | None
    ) -> None:
        assert not self.opens(kms, sealed, given)

    def test_no_context_is_the_same_as_an_empty_one(self, kms: Any) -> None:
        assert self.opens(kms, None, {})
        assert self.opens(kms, {}, None)

    def test_8192_characters_at_most(self, kms: Any) -> None:
        most = {"n" * 100: "v" * 4000, "m": "ü" * (8192 - 4101)}
        assert sum(len(name) + len(value) for name, value in most.items()) == 8192
        assert self.opens(kms, most, most)
        over = most | {"m": most["m"] + "x"}
        key = self.key
        for answer in (
            refusal(kms.encrypt, KeyId=key.key_id, Plaintext=b"x", EncryptionContext=over),
            refusal(kms.decrypt, CiphertextBlob=key.ciphertext, EncryptionContext=over),
            refusal(kms.generate_data_key, KeyId=key.key_id, KeySpec="AES_128", EncryptionContext=over),
            refusal(
                kms.re_encrypt,
                CiphertextBlob=key.ciphertext,
                DestinationKeyId=key.key_id,
                DestinationEncryptionContext=over,
            ),
        ):
            assert answer[0] == "ValidationException"


class TestCiphertextsThatAreNone:
    """Whatever is no ciphertext of this deployment is refused in the same two ways."""

    def test_tampering(self, kms: Any, sample: Sample) -> None:
        """A changed bit anywhere: the blob is invalid, or names a key that nobody here has."""
        blob = sample.ciphertext
        for position in range(len(blob)):
            changed = bytes(byte ^ (at == position) for at, byte in enumerate(blob))
            code, _ = refusal(kms.decrypt, CiphertextBlob=changed)
            names_another_key = 1 <= position < 18
            expected = "AccessDeniedException" if names_another_key else "InvalidCiphertextException"
            assert code == expected, position

    @pytest.mark.parametrize("cut", [1, 16, 17, 60])
    def test_truncation(self, kms: Any, shared: Sample, cut: int) -> None:
        for blob in (shared.ciphertext[:-cut], shared.ciphertext[cut:]):
            assert refusal(kms.decrypt, CiphertextBlob=blob) == INVALID_CIPHERTEXT

    @pytest.mark.parametrize("blob", [b"x", b"\0" * 200, b"\1" * 6144, bytes(range(256))])
    def test_junk(self, kms: Any, shared: Sample, blob: bytes) -> None:
        assert refusal(kms.decrypt, CiphertextBlob=blob) == INVALID_CIPHERTEXT
        assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=shared.key_id) == INVALID_CIPHERTEXT
        answer = refusal(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=shared.key_id)
        assert answer == INVALID_CIPHERTEXT

    def test_ciphertexts_swapped_between_keys(self, kms: Any, shared: Sample) -> None:
        """The header of one key's blob before the body of another's."""
        other = new_sample(kms)
        swapped = other.ciphertext[:50] + shared.ciphertext[50:]
        assert refusal(kms.decrypt, CiphertextBlob=swapped) == INVALID_CIPHERTEXT

    @pytest.mark.parametrize(
        ("blob", "rule"),
        [
            (b"", "Member must have length greater than or equal to 1"),
            (b"x" * 6145, "Member must have length less than or equal to 6144"),
        ],
    )
    def test_sizes(self, loose: Any, shared: Sample, blob: bytes, rule: str) -> None:
        expected = constraint("ciphertextBlob", rule)
        assert refusal(loose.decrypt, CiphertextBlob=blob) == expected
        answer = refusal(loose.re_encrypt, CiphertextBlob=blob, DestinationKeyId=shared.key_id)
        assert answer == expected
