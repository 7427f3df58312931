"""Reading requests: what botocore sends arrives; whatever else arrives has a defined answer."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import wire_contract as contract

from hearthkms.core.errors import ServiceError
from hearthkms.wire.decode import Decoder, read
from hearthkms.wire.model import Shape, load

MODELS = {name: load(name) for name in contract.SERVICES}
IMPORT = {"KeyId": "k", "ImportToken": "AAAA", "EncryptedKeyMaterial": "AAAA"}


def decode(operation: str, body: bytes | dict[str, Any]) -> dict[str, Any]:
    return Decoder(MODELS["kms"], operation)(body if isinstance(body, bytes) else json.dumps(body).encode())


def refusal(operation: str, body: bytes | dict[str, Any]) -> tuple[str, str | None]:
    with pytest.raises(ServiceError) as caught:
        decode(operation, body)
    return caught.value.name, caught.value.message


@pytest.mark.parametrize("only_required", [False, True])
@pytest.mark.parametrize(("name", "operation"), contract.operations())
def test_what_botocore_sends_arrives(name: str, operation: str, only_required: bool) -> None:
    shape = contract.service(name).operation_model(operation).input_shape
    parameters = contract.sample(shape, only_required=only_required)
    body = contract.serialise(name, operation, parameters)
    assert Decoder(MODELS[name], operation)(body) == parameters
    assert read(MODELS[name].input_shape(operation), body) == parameters


def test_only_present_members_are_there() -> None:
    given = decode("Encrypt", b'{"KeyId":"alias/a","Plaintext":"AAEC"}')
    assert given == {"KeyId": "alias/a", "Plaintext": b"\0\1\2"}
    assert type(given) is dict


def test_null_is_an_absent_member() -> None:
    body = b'{"KeyId":"k","Plaintext":"AAEC","EncryptionContext":null,"GrantTokens":null,"DryRun":null}'
    assert decode("Encrypt", body) == {"KeyId": "k", "Plaintext": b"\0\1\2"}


def test_unknown_members_are_ignored() -> None:
    body = b'{"Extra":{"a":[1,{"b":null}]},"KeyId":"k","extra":1e999,"More":[' + b"9" * 5000 + b"]}"
    assert decode("DescribeKey", body) == {"KeyId": "k"}


def test_the_last_of_duplicate_keys_counts() -> None:
    assert decode("DescribeKey", b'{"KeyId":"a","KeyId":"b"}') == {"KeyId": "b"}
    assert decode("DescribeKey", b'{"KeyId":1,"KeyId":"b"}') == {"KeyId": "b"}
    assert refusal("DescribeKey", b'{"KeyId":"a","KeyId":null}')[0] == "ValidationException"
    body = b'{"KeyId":"k","Plaintext":"AAEC","EncryptionContext":{"a":"1","a":"2"}}'
    assert decode("Encrypt", body)["EncryptionContext"] == {"a": "2"}


@pytest.mark.parametrize(
    ("written", "value"), [(b"10", 10), (b"10.0", 10), (b"10.9", 10), (b"1e1", 10), (b"1.05E+1", 10)]
)
def test_integers_lose_their_fraction(written: bytes, value: int) -> None:
    given = decode("GenerateRandom", b'{"NumberOfBytes":' + written + b"}")["NumberOfBytes"]
    assert given == value
    assert type(given) is int


@pytest.mark.parametrize(
    ("written", "shown", "rule"),
    [
        (b"9" * 11, "2147483647", "less than or equal to 1024"),
        (b"9" * 5000, "2147483647", "less than or equal to 1024"),
        (b"1e999", "2147483647", "less than or equal to 1024"),
        (b"1e99999999999999999999", "2147483647", "less than or equal to 1024"),
        (b"-" + b"9" * 5000, "-2147483648", "greater than or equal to 1"),
        (b"-1e999", "-2147483648", "greater than or equal to 1"),
        (b"0.9", "0", "greater than or equal to 1"),
        (b"-0", "0", "greater than or equal to 1"),
    ],
)
def test_integers_of_any_size_have_an_answer(written: bytes, shown: str, rule: str) -> None:
    assert refusal("GenerateRandom", b'{"NumberOfBytes":' + written + b"}") == (
        "ValidationException",
        f"1 validation error detected: Value '{shown}' at 'numberOfBytes' failed to satisfy constraint: "
        f"Member must have value {rule}",
    )


def test_booleans_may_be_spelt() -> None:
    for written, value in {
        "true": True,
        "Y": True,
        "1": True,
        "FALSE": False,
        "no": False,
        "f": False,
    }.items():
        assert decode("DescribeKey", {"KeyId": "k"}) == {"KeyId": "k"}
        body = {"KeyId": "k", "Plaintext": "AAEC", "DryRun": written}
        assert decode("Encrypt", body)["DryRun"] is value


def test_timestamps_are_seconds() -> None:
    assert decode("ImportKeyMaterial", {**IMPORT, "ValidTo": 1593622000.191})["ValidTo"] == 1593622000.191
    whole = decode("ImportKeyMaterial", {**IMPORT, "ValidTo": 1593622000})["ValidTo"]
    assert whole == 1593622000.0
    assert type(whole) is float


@pytest.mark.parametrize("written", [b"1e300", b"-1e300", b"1e999", b"253402300800"])
def test_timestamps_outside_the_calendar_are_refused(written: bytes) -> None:
    body = json.dumps(IMPORT).encode()[:-1] + b',"ValidTo":' + written + b"}"
    assert refusal("ImportKeyMaterial", body) == ("SerializationException", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"null",
        b"1",
        b'"x"',
        b"true",
        b"{",
        b"[1",
        b'{"KeyId":"k",}',
        b'{"KeyId":"k"} x',
        b'{"KeyId":"k"}{}',
        b"{'KeyId':'k'}",
        b'{"KeyId":"k"/* */}',
        b'{"KeyId":"k","X":NaN}',
        b'{"KeyId":"k","X":Infinity}',
        b'{"KeyId":"k","X":-Infinity}',
        b'{"KeyId":"k","X":01}',
        b'{"KeyId":"\t"}',
        b'{"KeyId":"\\ud800"}',
        b'{"KeyId":"k","X":"\\ud800 and some more"}',
        b'{"KeyId":"\xed\xa0\x80"}',
        b'{"KeyId":"k","X":"\xff"}',
        b'{"KeyId":"k","\xff":1}',
        b'\xef\xbb\xbf{"KeyId":"k"}',
        '{"KeyId":"k"}'.encode("utf-16"),
        b'{"KeyId":"k","X":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"KeyId":' * 100_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_malformed_bodies_are_serialization_errors_without_a_message(body: bytes) -> None:
    assert refusal("DescribeKey", body) == ("SerializationException", None)


LIST = "Start of list found where not expected"
STRUCTURE = "Start of structure or map found where not expected."
MISMATCHES = [
    ("DescribeKey", [], LIST),
    ("DescribeKey", {"KeyId": 1}, "NUMBER_VALUE can not be converted to a String"),
    ("DescribeKey", {"KeyId": 1.5}, "NUMBER_VALUE can not be converted to a String"),
    ("DescribeKey", {"KeyId": True}, "TRUE_VALUE can not be converted to a String"),
    ("DescribeKey", {"KeyId": False}, "FALSE_VALUE can not be converted to a String"),
    ("DescribeKey", {"KeyId": ["k"]}, LIST),
    ("DescribeKey", {"KeyId": {"a": "b"}}, STRUCTURE),
    ("ListKeys", {"Limit": "1"}, "STRING_VALUE can not be converted to an Integer"),
    ("ListKeys", {"Limit": True}, "TRUE_VALUE can not be converted to an Integer"),
    ("ListKeys", {"Limit": [1]}, LIST),
    ("ListKeys", {"Limit": {}}, STRUCTURE),
    ("Encrypt", {"DryRun": 1}, "NUMBER_VALUE can not be converted to a Boolean"),
    ("Encrypt", {"DryRun": "maybe"}, "STRING_VALUE can not be converted to an Boolean"),
    ("Encrypt", {"DryRun": []}, LIST),
    ("Encrypt", {"Plaintext": 1}, "NUMBER_VALUE can not be converted to a Blob"),
    ("Encrypt", {"Plaintext": {}}, STRUCTURE),
    ("Encrypt", {"GrantTokens": "t"}, "Expected list or null"),
    ("Encrypt", {"GrantTokens": 1}, "Expected list or null"),
    ("Encrypt", {"GrantTokens": {}}, STRUCTURE),
    ("Encrypt", {"GrantTokens": [1]}, "NUMBER_VALUE can not be converted to a String"),
    ("Encrypt", {"EncryptionContext": "c"}, "Expected map or null"),
    ("Encrypt", {"EncryptionContext": []}, LIST),
    ("Encrypt", {"EncryptionContext": {"a": 1}}, "NUMBER_VALUE can not be converted to a String"),
    ("Decrypt", {"Recipient": "r"}, "Expected null"),
    ("Decrypt", {"Recipient": True}, "Expected null"),
    ("Decrypt", {"Recipient": []}, LIST),
    ("CreateKey", {"Tags": [{"TagKey": 1}]}, "NUMBER_VALUE can not be converted to a String"),
    ("CreateKey", {"Tags": ["t"]}, "Expected null"),
    (
        "ImportKeyMaterial",
        {"ValidTo": "2030-01-01T00:00:00Z"},
        "STRING_VALUE can not be converted to milliseconds since epoch",
    ),
]


@pytest.mark.parametrize(("operation", "body", "message"), MISMATCHES)
def test_wrong_types_are_named_as_aws_names_them(operation: str, body: Any, message: str) -> None:
    assert refusal(operation, json.dumps(body).encode()) == ("SerializationException", message)


def test_types_are_judged_before_constraints() -> None:
    assert refusal("Encrypt", {"KeyId": "", "DryRun": 1})[0] == "SerializationException"


@pytest.mark.parametrize(
    "text", ["A", "AA", "AAA", "A===", "====", "AA=A", "AAA=AAAA", "AA-_", "AAAA\n", "A A=", "é"]
)
def test_bad_base64_is_refused_and_not_sent_back(text: str) -> None:
    assert refusal("Encrypt", {"KeyId": "k", "Plaintext": text}) == ("SerializationException", None)


@pytest.mark.parametrize("size", [1, 2, 3, 4095, 4096])
def test_blobs_of_every_padding(size: int) -> None:
    blob = bytes(number % 251 for number in range(size))
    body = {"KeyId": "k", "Plaintext": base64.b64encode(blob).decode()}
    assert decode("Encrypt", body)["Plaintext"] == blob


def test_every_kind_of_number_has_its_range() -> None:
    kinds = ("byte", "short", "integer", "long", "float", "double")
    shape = Shape("Numbers", "structure", members={kind: Shape(kind, kind) for kind in kinds})
    body = b"{" + b",".join(f'"{kind}":1e30'.encode() for kind in kinds) + b"}"
    assert read(shape, body) == {
        "byte": 127,
        "short": 32767,
        "integer": 2**31 - 1,
        "long": 2**63 - 1,
        "float": 1e30,
        "double": 1e30,
    }
