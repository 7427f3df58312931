"""Events have CloudTrail's shape, on one line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from tests.unit.audit.material import ACCOUNT, ALICE, KEY_ARN, NOW, event

from hearthkms.audit.record import (
    INTERNAL,
    Event,
    EventEncoder,
    Resource,
    TlsDetails,
    UserIdentity,
    service_identity,
)
from hearthkms.core import clock

ALIAS_ARN = f"arn:aws:kms:eu-central-1:{ACCOUNT}:alias/app"


def test_an_event_has_cloudtrails_members_in_cloudtrails_order() -> None:
    encoded = EventEncoder().encode(event(7))
    expected = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLEEXAMPLE000",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": "alice",
        },
        "eventTime": "2023-11-14T22:13:20Z",
        "eventSource": "kms.amazonaws.com",
        "eventName": "Encrypt",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "tests",
        "requestParameters": {"keyId": KEY_ARN, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
        "responseElements": None,
        "requestID": "00000000-0000-4000-9000-000000000007",
        "eventID": "00000000-0000-4000-8000-000000000007",
        "readOnly": True,
        "resources": [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": KEY_ARN}],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    assert json.loads(encoded) == expected
    assert list(json.loads(encoded)) == list(expected)
    assert encoded == json.dumps(expected, separators=(",", ":")).encode()


def test_members_that_cloudtrail_adds_when_there_is_something_to_say() -> None:
    full = event(1)
    full.errorCode = "AccessDenied"
    full.errorMessage = "User is not authorized"
    full.responseElements = {"keyId": KEY_ARN}
    full.additionalEventData = {"keyMaterialId": "ab" * 32}
    full.resources = (
        Resource(ACCOUNT, "AWS::KMS::Key", KEY_ARN),
        Resource(ACCOUNT, "AWS::KMS::Key", ALIAS_ARN),
    )
    full.serviceEventDetails = {"keyId": "1"}
    full.sharedEventID = "00000000-0000-4000-8000-000000000099"
    full.tlsDetails = TlsDetails(
        tlsVersion="TLSv1.3", cipherSuite="TLS_AES_128_GCM_SHA256", clientProvidedHostHeader="kms.example.com"
    )
    encoder = EventEncoder()
    text = json.loads(encoder.encode(full))
    assert text["errorCode"] == "AccessDenied"
    assert text["errorMessage"] == "User is not authorized"
    assert text["responseElements"] == {"keyId": KEY_ARN}
    assert text["additionalEventData"] == {"keyMaterialId": "ab" * 32}
    assert [one["ARN"] for one in text["resources"]] == [KEY_ARN, ALIAS_ARN]
    assert text["resources"] == json.loads(bytes(encoder.resources(KEY_ARN, ALIAS_ARN)))
    assert text["serviceEventDetails"] == {"keyId": "1"}
    assert text["sharedEventID"] == "00000000-0000-4000-8000-000000000099"
    assert text["tlsDetails"] == {
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": "kms.example.com",
    }


def test_a_denied_call_may_name_no_resources() -> None:
    denied = event(1)
    denied.resources = UNSET
    assert "resources" not in json.loads(EventEncoder().encode(denied))


def test_an_event_of_the_service_itself() -> None:
    own = Event(
        userIdentity=service_identity(ACCOUNT),
        eventTime="2026-01-02T03:04:05Z",
        eventName="RotateKey",
        awsRegion="eu-central-1",
        sourceIPAddress=INTERNAL,
        userAgent=INTERNAL,
        requestID="r",
        eventID="e",
        readOnly=False,
        eventType="AwsServiceEvent",
        recipientAccountId=ACCOUNT,
        serviceEventDetails={"rotationType": "AUTOMATIC"},
    )
    text = json.loads(EventEncoder().encode(own))
    assert text["userIdentity"] == {"accountId": ACCOUNT, "invokedBy": "AWS Internal"}
    assert text["requestParameters"] is None
    assert text["responseElements"] is None
    assert text["eventType"] == "AwsServiceEvent"


@pytest.mark.parametrize("now", [0.0, 1.999, NOW, NOW + 0.5, NOW + 1, NOW - 86_400])
def test_event_time_is_the_second(now: float) -> None:
    encoder = EventEncoder()
    encoder.time(NOW)
    assert encoder.time(now) == clock.iso(now)


def test_what_repeats_is_encoded_once() -> None:
    encoder = EventEncoder()
    again = UserIdentity(**{name: getattr(ALICE, name) for name in ALICE.__struct_fields__})
    assert encoder.identity(ALICE) is encoder.identity(again)
    assert encoder.identity(ALICE) is not encoder.identity(service_identity(ACCOUNT))
    assert encoder.resources(KEY_ARN) is encoder.resources(KEY_ARN)
    assert json.loads(bytes(encoder.resources())) == []


def test_many_principals_do_not_grow_the_encoder_without_end() -> None:
    encoder = EventEncoder()
    for number in range(9000):
        identity = service_identity(f"{number:012d}")
        assert json.loads(bytes(encoder.identity(identity)))["accountId"] == f"{number:012d}"
    assert len(encoder._identities) <= 8192


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
def test_no_text_breaks_the_line(text: str) -> None:
    odd = event(1)
    odd.userAgent = text
    odd.requestParameters = {text: text}
    encoded = EventEncoder().encode(odd)
    assert b"\n" not in encoded
    assert json.loads(encoded)["requestParameters"] == {text: text}
