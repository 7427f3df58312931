"""Broken constraints are told in AWS's sentences, and patterns are read as Java reads them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import wire_contract as contract

from hearthkms.core.errors import ServiceError
from hearthkms.wire.decode import Decoder
from hearthkms.wire.model import load
from hearthkms.wire.validate import expression

DECODERS = {
    (name, operation): Decoder(model, operation)
    for name in contract.SERVICES
    for model in [load(name)]
    for operation in model.operation_names
}


def message(operation: str, parameters: dict[str, Any], name: str = "kms") -> str:
    with pytest.raises(ServiceError) as caught:
        DECODERS[name, operation](contract.serialise(name, operation, parameters))
    assert caught.value.name == "ValidationException"
    assert caught.value.message is not None
    return caught.value.message


def one(path: str, rule: str, value: str = "") -> str:
    shown = f"Value {value}" if value else "Value"
    return f"1 validation error detected: {shown} at '{path}' failed to satisfy constraint: {rule}"


# Sentences that AWS KMS was seen to answer with, and what follows from them.
SEEN = [
    (
        "GenerateRandom",
        {"NumberOfBytes": 0},
        "numberOfBytes",
        "'0'",
        "Member must have value greater than or equal to 1",
    ),
    (
        "GenerateRandom",
        {"NumberOfBytes": 1025},
        "numberOfBytes",
        "'1025'",
        "Member must have value less than or equal to 1024",
    ),
    ("DescribeKey", {}, "keyId", "null", "Member must not be null"),
    ("DescribeKey", {"KeyId": ""}, "keyId", "''", "Member must have length greater than or equal to 1"),
    (
        "Encrypt",
        {"KeyId": "k", "Plaintext": b""},
        "plaintext",
        "",
        "Member must have length greater than or equal to 1",
    ),
    (
        "Encrypt",
        {"KeyId": "k", "Plaintext": bytes(4097)},
        "plaintext",
        "",
        "Member must have length less than or equal to 4096",
    ),
    ("Encrypt", {"KeyId": "k"}, "plaintext", "", "Member must not be null"),
    (
        "Verify",
        {"KeyId": "k", "Message": b"m", "SigningAlgorithm": "ED25519_SHA_512"},
        "signature",
        "null",
        "Member must not be null",
    ),
    (
        "Decrypt",
        {"CiphertextBlob": bytes(6145)},
        "ciphertextBlob",
        "",
        "Member must have length less than or equal to 6144",
    ),
    (
        "Sign",
        {"KeyId": "k", "Message": b"m", "SigningAlgorithm": "ED25519_SHA_512", "MessageType": "FOO"},
        "messageType",
        "'FOO'",
        "Member must satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]",
    ),
    (
        "TagResource",
        {"KeyId": "k", "Tags": [{"TagKey": "a", "TagValue": ""}, {"TagKey": "", "TagValue": ""}]},
        "tags.2.member.tagKey",
        "''",
        "Member must have length greater than or equal to 1",
    ),
    (
        "CreateAlias",
        {"AliasName": "alias/a b", "TargetKeyId": "k"},
        "aliasName",
        "'alias/a b'",
        "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$",
    ),
    (
        "UntagResource",
        {"KeyId": "k", "TagKeys": ["a", "b" * 129]},
        "tagKeys",
        f"'[a, {'b' * 129}]'",
        "Member must satisfy constraint: [Member must have length less than or equal to 128, "
        "Member must have length greater than or equal to 1]",
    ),
    (
        "Encrypt",
        {"KeyId": "k", "Plaintext": b"p", "GrantTokens": ["t"] * 11},
        "grantTokens",
        f"'[{', '.join('t' * 11)}]'",
        "Member must have length less than or equal to 10",
    ),
    (
        "CreateKey",
        {"Description": "d" * 8193},
        "description",
        f"'{'d' * 8193}'",
        "Member must have length less than or equal to 8192",
    ),
]


@pytest.mark.parametrize(
    ("operation", "parameters", "path", "value", "rule"),
    SEEN,
    ids=[f"{row[0]}-{row[2]}-{number}" for number, row in enumerate(SEEN)],
)
def test_sentences(operation: str, parameters: dict[str, Any], path: str, value: str, rule: str) -> None:
    assert message(operation, parameters) == one(path, rule, value)


def test_several_violations_are_listed_in_the_models_order() -> None:
    assert message("CreateAlias", {"AliasName": ""}) == (
        "3 validation errors detected: "
        "Value '' at 'aliasName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; "
        "Value '' at 'aliasName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$; "
        "Value null at 'targetKeyId' failed to satisfy constraint: Member must not be null"
    )


def test_no_more_than_ten_violations_are_reported() -> None:
    tags = [{"TagKey": "", "TagValue": "v" * 257}] * 20
    text = message("TagResource", {"KeyId": "", "Tags": tags})
    assert text.startswith("10 validation errors detected: Value '' at 'keyId'")
    assert text.count("failed to satisfy constraint") == 10


def test_null_inside_collections_is_refused() -> None:
    assert message("Encrypt", {"KeyId": "k", "Plaintext": b"p", "EncryptionContext": {"a": None}}) == one(
        "encryptionContext", "Map value must satisfy constraint: [Member must not be null]", "'{a=null}'"
    )
    with pytest.raises(ServiceError) as caught:
        DECODERS["kms", "TagResource"](b'{"KeyId":"k","Tags":[null]}')
    assert caught.value.message == one("tags", "Member must satisfy constraint: [Member must not be null]")


def test_secrets_are_never_sent_back() -> None:
    text = message(
        "UpdateCustomKeyStore",
        {
            "CustomKeyStoreId": "cks-1",
            "KeyStorePassword": "hidden",
            "XksProxyAuthenticationCredential": {"AccessKeyId": "hidden", "RawSecretAccessKey": "hidden"},
        },
    )
    assert text.startswith("4 validation errors detected: Value at 'keyStorePassword' failed")
    assert "hidden" not in text


def test_map_keys_and_their_pattern() -> None:
    text = message("DescribeClusters", {"Filters": {"cluster ids": ["c"]}}, "cloudhsmv2")
    assert text == one(
        "filters",
        "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+]",
    )


@pytest.mark.parametrize(("name", "shape"), contract.patterned())
def test_examples_do_what_they_are_for(name: str, shape: str) -> None:
    pattern = contract.service(name).shape_for(shape).metadata["pattern"]
    fits, breaks = contract.EXAMPLES[shape]
    ours = re.compile(expression(pattern))
    assert contract.java_matches(pattern, fits)
    assert ours.search(fits)
    assert not contract.java_matches(pattern, breaks)
    assert not ours.search(breaks)


@pytest.mark.parametrize(
    ("pattern", "fits", "breaks"),
    [
        ("^[a-z]+$", "abc", "abc\n"),
        ("[a-z]+", "abc", "abc1"),
        ("a|b", "b", "ab"),
        (r"\w+", "a_1", "é"),
        (r"\d+", "12", "\u0661"),
        (r"\s", "\t", "\u00a0"),
        (".*", "a\u00e9", "a\u2028"),
        (".*", "", "a\r"),
        ("[.]", ".", "a"),
        (r"\.", ".", "a"),
        (r"\p{L}+", "aéЖ漢", "a1"),
        (r"[\p{L}\p{N}-]+", "a-1\u0661", "a "),
        (r"[\p{Z}]", "\u00a0", "a"),
        (r"\p{Lu}", "É", "é"),
        (r"^\p{ASCII}+$", "k-1", "キー"),
        (r"\p{Lo}", "\U00020000", "\U0001f600"),
    ],
)
def test_patterns_are_read_as_java_reads_them(pattern: str, fits: str, breaks: str) -> None:
    compiled = re.compile(expression(pattern))
    assert compiled.search(fits)
    assert not compiled.search(breaks)


def test_unreadable_patterns_are_refused() -> None:
    for pattern in (r"\P{L}", r"\p{Nonsense}"):
        with pytest.raises(ValueError, match="property"):
            expression(pattern)
