"""What leaves: botocore's parser reads our answers and errors as they were meant."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
import wire_contract as contract

from hearthkms.core.secret import Secret
from hearthkms.wire.encode import encode, encode_error
from hearthkms.wire.faults import capital, status
from hearthkms.wire.model import load

MODELS = {name: load(name) for name in contract.SERVICES}
ERRORS = [(name, error) for name, model in MODELS.items() for error in model.errors]


@pytest.mark.parametrize(("name", "operation"), contract.operations())
def test_answers_arrive_as_they_were_given(name: str, operation: str) -> None:
    shape = contract.service(name).operation_model(operation).output_shape
    answer = None if shape is None else contract.sample(shape)
    parsed = contract.parse(name, operation, 200, encode(answer))
    parsed.pop("ResponseMetadata")
    assert _plain(parsed) == (answer or {})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def test_void_answers_are_empty_and_empty_structures_are_not() -> None:
    assert encode(None) == b""
    assert encode({}) == b"{}"


def test_timestamps_keep_their_milliseconds() -> None:
    body = encode({"KeyMetadata": {"KeyId": "a", "CreationDate": 1593622000.191}})
    assert body == b'{"KeyMetadata":{"KeyId":"a","CreationDate":1593622000.191}}'


def test_secrets_are_revealed_to_the_caller_alone() -> None:
    answer = {"Plaintext": Secret(b"\xfb\xff\xfe"), "Keys": [{"Inner": Secret(b"")}]}
    assert json.loads(encode(answer)) == {"Plaintext": "+//+", "Keys": [{"Inner": ""}]}
    assert "+//+" not in repr(answer)


def test_what_has_no_form_on_the_wire_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        encode({"Plaintext": object()})


@pytest.mark.parametrize(("name", "error"), ERRORS)
def test_every_error_of_the_model_reaches_the_client(name: str, error: str) -> None:
    model = MODELS[name]
    body = encode_error(error, "Warum? Schlüssel fehlt.", capital=capital(model, error))
    parsed = contract.parse(name, model.operation_names[0], status(model, error), body)
    assert parsed["Error"] == {"Code": error, "Message": "Warum? Schlüssel fehlt."}
    member = model.errors[error].message_member
    assert member is not None
    assert set(json.loads(body)) == {"__type", member}


@pytest.mark.parametrize("error", ["InvalidCiphertextException", "KMSInvalidSignatureException"])
def test_errors_without_a_message_have_no_message_member(error: str) -> None:
    body = encode_error(error, None)
    assert json.loads(body) == {"__type": error}
    assert contract.parse("kms", "Decrypt", 400, body)["Error"] == {"Code": error, "Message": ""}


def test_an_empty_message_is_a_message() -> None:
    assert encode_error("ValidationException", "") == b'{"__type":"ValidationException","message":""}'


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        ("kms", "KMSInternalException", 500),
        ("kms", "KeyUnavailableException", 500),
        ("kms", "DependencyTimeoutException", 503),
        ("kms", "InternalFailure", 500),
        ("kms", "ServiceUnavailableException", 503),
        ("kms", "DisabledException", 400),
        ("kms", "KMSInvalidStateException", 400),
        ("kms", "DryRunOperationException", 400),
        ("kms", "ThrottlingException", 400),
        ("kms", "AccessDeniedException", 400),
        ("kms", "UnknownOperationException", 400),
        ("kms", "UnrecognizedClientException", 400),
        ("cloudhsmv2", "CloudHsmInternalFailureException", 500),
        ("cloudhsmv2", "CloudHsmServiceException", 400),
    ],
)
def test_statuses(name: str, error: str, expected: int) -> None:
    assert status(MODELS[name], error) == expected


def test_only_faults_of_the_service_are_server_errors() -> None:
    model = MODELS["kms"]
    server_errors = {error for error in model.errors if status(model, error) >= 500}
    assert server_errors == {"KMSInternalException", "KeyUnavailableException", "DependencyTimeoutException"}


def test_spelling_of_the_message_member() -> None:
    assert not capital(MODELS["kms"], "NotFoundException")
    assert not capital(MODELS["kms"], "ValidationException")
    assert capital(MODELS["kms"], "SerializationException")
    assert capital(MODELS["cloudhsmv2"], "CloudHsmTagException")
    assert capital(MODELS["cloudhsmv2"], "ValidationException")
