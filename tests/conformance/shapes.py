"""Every answer that a client gets is held against botocore's model of it, raw, before botocore reads it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from botocore.model import OperationModel, Shape

REQUEST_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

COMMON_ERRORS = frozenset(
    {
        "AccessDeniedException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "NotAuthorizedException",
        "SerializationException",
        "UnknownOperationException",
        "UnrecognizedClientException",
        "UnsupportedOperationException",
        "ValidationException",
    }
)
"""Errors that any operation may answer with, besides those that the model declares for it."""

UNDECLARED = {"ListKeyPolicies": {"InvalidMarkerException"}}
"""Errors that an operation has without declaring them: its marker is checked as every other listing's is."""

WITHOUT_MESSAGE = frozenset({"InvalidCiphertextException", "NotAuthorizedException"})
"""Errors for which AWS sends no message member at all."""


def watch(client: Any) -> Any:
    """Let every answer that `client` gets be checked; an answer that breaks the model fails the test."""
    model = client.meta.service_model

    def check(event_name: str, response_dict: dict[str, Any] | None, **_: Any) -> None:
        if response_dict is not None:
            check_answer(model.operation_model(event_name.rpartition(".")[2]), response_dict)

    client.meta.events.register("response-received.kms.*", check)
    return client


def check_answer(operation: OperationModel, answer: dict[str, Any]) -> None:
    """Check one answer: its headers, and its body against the model, member by member."""
    headers, body = answer["headers"], answer["body"]
    assert REQUEST_ID.fullmatch(headers["x-amzn-RequestId"]), headers
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    assert int(headers["Content-Length"]) == len(body)
    if answer["status_code"] == 200:
        if operation.output_shape is None:
            assert body == b"", f"{operation.name} gives nothing, not {body!r}"
        else:
            check_value(operation.output_shape, json.loads(body), operation.name)
        return
    check_error(operation, answer["status_code"], json.loads(body))


def check_error(operation: OperationModel, status: int, error: dict[str, Any]) -> None:
    """Check an error: its name, its status, and whether it has a message."""
    name = error["__type"]
    declared = {shape.name for shape in operation.error_shapes} | UNDECLARED.get(operation.name, set())
    assert name in declared | COMMON_ERRORS, f"{operation.name} never answers {name}"
    assert status == 400, f"{name} with status {status}"
    spelling = "Message" if name == "SerializationException" else "message"
    assert set(error) <= {"__type", spelling}, error
    if name in WITHOUT_MESSAGE:
        assert spelling not in error, error
    elif spelling in error:
        assert error[spelling], f"{name} with an empty message"


def check_value(shape: Shape, value: Any, path: str) -> None:
    """Check one JSON value: its type, its size, and that it has no member that the model has not."""
    match shape.type_name:
        case "structure":
            assert isinstance(value, dict), path
            assert set(value) <= set(shape.members), f"{path}: {set(value) - set(shape.members)} unknown"
            assert set(shape.required_members) <= set(value), f"{path}: a required member is missing"
            for member, inner in value.items():
                check_value(shape.members[member], inner, f"{path}.{member}")
        case "list":
            assert isinstance(value, list), path
            for number, inner in enumerate(value):
                check_value(shape.member, inner, f"{path}[{number}]")
        case "string":
            assert isinstance(value, str), path
            assert not shape.enum or value in shape.enum, f"{path}: {value}"
            _check_size(shape, len(value), path)
        case "blob":
            assert isinstance(value, str), path
            _check_size(shape, len(base64.b64decode(value, validate=True)), path)
        case "timestamp":
            assert isinstance(value, int | float), path
            assert not isinstance(value, bool), path
            assert 1e9 < value < 1e11, f"{path}: {value} are not seconds"
        case "integer" | "long":
            assert isinstance(value, int), path
            assert not isinstance(value, bool), path
            _check_size(shape, value, path)
        case "boolean":
            assert isinstance(value, bool), path
        case other:
            raise AssertionError(f"{path}: no answer of KMS has a {other}")


def _check_size(shape: Shape, size: int, path: str) -> None:
    assert shape.metadata.get("min", size) <= size <= shape.metadata.get("max", size), f"{path}: size {size}"
