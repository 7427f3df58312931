"""GenerateRandom."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.answers import constraint, refusal


@pytest.mark.parametrize("size", [1, 2, 12, 1023, 1024])
def test_sizes(kms: Any, size: int) -> None:
    answer = kms.generate_random(NumberOfBytes=size)
    assert len(answer["Plaintext"]) == size
    assert set(answer) == {"Plaintext", "ResponseMetadata"}


def test_it_is_random(kms: Any) -> None:
    made = [kms.generate_random(NumberOfBytes=1024)["Plaintext"] for _ in range(20)]
    assert len(set(made)) == 20
    bits = "".join(f"{byte:08b}" for text in made for byte in text)
    # 163,840 fair bits are further than six standard deviations from half ones twice in a billion times.
    assert abs(bits.count("1") - len(bits) / 2) < 6 * (len(bits) ** 0.5) / 2


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (0, "Member must have value greater than or equal to 1"),
        (1025, "Member must have value less than or equal to 1024"),
    ],
)
def test_sizes_that_are_refused(loose: Any, given: int, rule: str) -> None:
    answer = refusal(loose.generate_random, NumberOfBytes=given)
    assert answer == constraint("numberOfBytes", rule, f"'{given}'")


def test_the_size_is_required(kms: Any) -> None:
    expected = ("ValidationException", "NumberOfBytes is required.")
    assert refusal(kms.generate_random) == expected
    assert refusal(kms.generate_random, CustomKeyStoreId="cks-1234567890abcdef0") == expected


def test_an_unknown_custom_key_store(kms: Any) -> None:
    answer = refusal(kms.generate_random, NumberOfBytes=1, CustomKeyStoreId="cks-1234567890abcdef0")
    assert answer[0] == "CustomKeyStoreNotFoundException"
