"""GenerateDataKey and GenerateDataKeyWithoutPlaintext."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.answers import constraint, describe, refusal
from tests.conformance.calls import Sample

SIZES = [
    ({"KeySpec": "AES_128"}, 16),
    ({"KeySpec": "AES_256"}, 32),
    *(({"NumberOfBytes": size}, size) for size in (1, 24, 32, 1023, 1024)),
]
EXACTLY_ONE = ("ValidationException", "Please specify either number of bytes or key spec.")


@pytest.fixture(params=["generate_data_key", "generate_data_key_without_plaintext"])
def method(request: pytest.FixtureRequest) -> str:
    """Each of the two operations."""
    name: str = request.param
    return name


@pytest.mark.parametrize(("given", "size"), SIZES)
def test_sizes(kms: Any, shared: Sample, given: dict[str, Any], size: int) -> None:
    answer = kms.generate_data_key(KeyId=shared.alias, **given)
    assert len(answer["Plaintext"]) == size
    assert kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])["Plaintext"] == answer["Plaintext"]
    hidden = kms.generate_data_key_without_plaintext(KeyId=shared.alias_arn, **given)
    assert len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == size


def test_members(kms: Any, shared: Sample, method: str) -> None:
    answer = getattr(kms, method)(KeyId=shared.key_id, KeySpec="AES_256")
    answer.pop("ResponseMetadata")
    plaintext = {"Plaintext"} if method == "generate_data_key" else set()
    assert set(answer) == {"CiphertextBlob", "KeyId", "KeyMaterialId"} | plaintext
    assert answer["KeyId"] == shared.arn
    assert answer["KeyMaterialId"] == describe(kms, shared.key_id)["CurrentKeyMaterialId"]


@pytest.mark.parametrize(
    "given", [{}, {"KeySpec": "AES_128", "NumberOfBytes": 16}, {"KeySpec": "AES_256", "NumberOfBytes": 1}]
)
def test_exactly_one_size(kms: Any, shared: Sample, method: str, given: dict[str, Any]) -> None:
    for key_id in (shared.key_id, "no-such-key"):
        assert refusal(getattr(kms, method), KeyId=key_id, **given) == EXACTLY_ONE


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, constraint("numberOfBytes", "Member must have value greater than or equal to 1", "'0'")),
        (-1, constraint("numberOfBytes", "Member must have value greater than or equal to 1", "'-1'")),
        (1025, constraint("numberOfBytes", "Member must have value less than or equal to 1024", "'1025'")),
    ],
)
def test_sizes_that_are_refused(
    loose: Any, shared: Sample, method: str, given: int, expected: tuple[str, str]
) -> None:
    assert refusal(getattr(loose, method), KeyId=shared.key_id, NumberOfBytes=given) == expected


def test_an_unknown_spec(loose: Any, shared: Sample, method: str) -> None:
    code, message = refusal(getattr(loose, method), KeyId=shared.key_id, KeySpec="AES_192")
    assert code == "ValidationException"
    assert "Value 'AES_192' at 'keySpec' failed to satisfy constraint: Member must satisfy enum" in message


def test_no_two_data_keys_are_alike(kms: Any, shared: Sample) -> None:
    made = [kms.generate_data_key(KeyId=shared.key_id, KeySpec="AES_256")["Plaintext"] for _ in range(50)]
    assert len(set(made)) == 50
    assert bytes(32) not in made
