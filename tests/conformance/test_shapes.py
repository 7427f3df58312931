"""The check of every answer against the model is itself checked: it runs, and it finds what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conformance import shapes
from tests.conformance.shapes import check_answer
from tests.support.server import Server

ID = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"


def answer(body: object, status: int = 200, **headers: str) -> dict[str, Any]:
    """A raw answer as botocore hands it on."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = {
        "x-amzn-RequestId": ID,
        "Content-Type": "application/x-amz-json-1.1",
        "Content-Length": str(len(raw)),
    }
    return {"headers": known | headers, "status_code": status, "body": raw}


def test_every_answer_is_looked_at(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(shapes, "check_answer", lambda operation, raw: seen.append((operation.name, raw)))
    client = shapes.watch(server.client())
    client.list_keys()
    with pytest.raises(client.exceptions.NotFoundException):
        client.describe_key(KeyId="no-such-key")
    assert [name for name, _ in seen] == ["ListKeys", "DescribeKey"]
    assert [raw["status_code"] for _, raw in seen] == [200, 400]


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ("ListKeys", answer({"Keys": [], "Truncated": False, "Extra": 1})),
        ("ListKeys", answer({"Keys": [], "Truncated": None})),
        ("ListKeys", answer({"Keys": [{"KeyId": ""}], "Truncated": False})),
        ("EnableKey", answer({})),
        ("Encrypt", answer({"CiphertextBlob": "not base64"})),
        ("Encrypt", answer({"EncryptionAlgorithm": "ROT13"})),
        ("ScheduleKeyDeletion", answer({"DeletionDate": "2030-01-01"})),
        ("ScheduleKeyDeletion", answer({"DeletionDate": 1_700_000_000_000.0})),
        ("CreateKey", answer({"KeyMetadata": {"Enabled": True}})),
        ("ListKeys", answer({"Keys": []}, **{"x-amzn-RequestId": "1"})),
        ("ListKeys", answer({"Keys": []}, **{"Content-Type": "application/json"})),
        ("ListKeys", answer({"__type": "DisabledException", "message": "x"}, 400)),
        ("Encrypt", answer({"__type": "DisabledException", "message": "x"}, 409)),
        ("Encrypt", answer({"__type": "DisabledException", "message": ""}, 400)),
        ("Encrypt", answer({"__type": "DisabledException", "Message": "x"}, 400)),
        ("Decrypt", answer({"__type": "InvalidCiphertextException", "message": "bad"}, 400)),
    ],
)
def test_what_breaks_the_model_is_found(server: Server, operation: str, wrong: dict[str, Any]) -> None:
    model = server.client().meta.service_model.operation_model(operation)
    with pytest.raises((AssertionError, ValueError)):
        check_answer(model, wrong)
