"""Every way in which AWS refuses a signature, by name and by text."""

from __future__ import annotations

import base64
import hashlib

import pytest
from tests.unit.sigv4.wire_form import (
    ACCESS_KEY,
    BODY,
    INCOMPLETE,
    INVALID,
    MISMATCH,
    MISSING,
    NOW,
    SECRET,
    Request,
    accept,
    edited,
    refusal,
    signed,
    told,
    verifier,
)

from hearthkms.core.errors import ServiceError
from hearthkms.core.secret import Secret
from hearthkms.sigv4 import errors
from hearthkms.sigv4.sign import Credentials, sign

CREDENTIAL = "Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/kms/aws4_request"
HOST = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."


def hashed(authorization: str) -> str:
    return base64.b64encode(hashlib.sha256(authorization.encode()).digest()).decode()


def requires(*parts: str, authorization: str) -> str:
    said = "".join(f"Authorization header requires {part} " for part in parts)
    return f"{said}(Hashed with SHA-256 and encoded with Base64) Authorization={hashed(authorization)}"


def test_no_proof_at_all(request_: Request) -> None:
    for bare in (request_.without("authorization"), request_.with_headers(authorization="")):
        assert told(refusal(bare)) == (MISSING, "Missing Authentication Token")


def test_query_parameters_without_an_algorithm_are_no_proof(presigned: Request) -> None:
    assert told(refusal(edited(presigned, Algorithm=None))) == (MISSING, "Missing Authentication Token")


def test_query_with_another_algorithm_is_no_proof(presigned: Request) -> None:
    changed = edited(presigned, Algorithm="AWS4-ECDSA-P256-SHA256")
    assert told(refusal(changed)) == (MISSING, "Missing Authentication Token")


def test_proofs_in_both_places(presigned: Request, request_: Request) -> None:
    both = Request("GET", presigned.target, request_.headers)
    message = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    assert told(refusal(both)) == (INVALID, message)
    assert told(refusal(Request("POST", "/?X-Amz-Algorithm", request_.headers))) == (INVALID, message)


@pytest.mark.parametrize("authorization", ["Bearer abc", f"AWS4-HMAC-SHA256 {CREDENTIAL}, Signature"])
def test_a_part_without_an_equal_sign(request_: Request, authorization: str) -> None:
    assert told(refusal(request_.with_headers(authorization=authorization))) == (
        INCOMPLETE,
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{hashed(authorization)}'.",
    )


def test_two_authorization_headers_are_refused(request_: Request) -> None:
    twice = ",".join([request_.headers["authorization"]] * 2)
    assert refusal(request_.with_headers(authorization=twice)).name == INCOMPLETE


@pytest.mark.parametrize(
    ("authorization", "parts"),
    [
        (
            "AWS4-HMAC-SHA256",
            ["'Credential' parameter.", "'Signature' parameter.", "'SignedHeaders' parameter."],
        ),
        (
            "AWS AKIA:c2ln=",
            ["'Credential' parameter.", "'Signature' parameter.", "'SignedHeaders' parameter."],
        ),
        ("AWS4-HMAC-SHA256 Signature=b Credential=a", ["'SignedHeaders' parameter."]),
        ("AWS4-HMAC-SHA256 SignedHeaders=host,Credential=a", ["'Signature' parameter."]),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=b", ["'Credential' parameter."]),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=b, Credential=", ["'Credential' parameter."]),
    ],
)
def test_missing_parameters(request_: Request, authorization: str, parts: list[str]) -> None:
    expected = (INCOMPLETE, requires(*parts, authorization=authorization))
    assert told(refusal(request_.with_headers(authorization=authorization))) == expected


def test_missing_date(request_: Request) -> None:
    date = "existence of either a 'X-Amz-Date' or a 'Date' header."
    dateless = request_.without("x-amz-date")
    message = requires(date, authorization=request_.headers["authorization"])
    assert told(refusal(dateless)) == (INCOMPLETE, message)
    everything = requires(
        "'Credential' parameter.",
        "'Signature' parameter.",
        "'SignedHeaders' parameter.",
        date,
        authorization="AWS4-",
    )
    assert told(refusal(dateless.with_headers(authorization="AWS4-"))) == (INCOMPLETE, everything)


def test_the_authorization_header_is_not_repeated(request_: Request) -> None:
    error = refusal(request_.with_headers(authorization="AWS4-HMAC-SHA256 Credential=private"))
    assert "private" not in str(error)


@pytest.mark.parametrize("name", ["Credential", "Signature", "SignedHeaders", "Date"])
def test_missing_query_parameter(presigned: Request, name: str) -> None:
    for value in (None, ""):
        assert told(refusal(edited(presigned, **{name: value}))) == (
            INCOMPLETE,
            f"AWS query-string parameters must include 'X-Amz-{name}'. "
            "Re-examine the query-string parameters.",
        )


def test_missing_query_parameters_are_all_named() -> None:
    names = ["Algorithm", "Credential", "Signature", "SignedHeaders", "Date"]
    said = "".join(f"AWS query-string parameters must include 'X-Amz-{name}'. " for name in names)
    error = refusal(Request("GET", "/?X-Amz-Algorithm", {"host": "h"}))
    assert told(error) == (INCOMPLETE, said + "Re-examine the query-string parameters.")


def test_a_query_parameter_given_twice(presigned: Request) -> None:
    twice = Request("GET", presigned.target + "&X-Amz-Date=20260101T120000Z", presigned.headers)
    assert told(refusal(twice)) == (INCOMPLETE, "Re-examine the query-string parameters.")


def test_another_algorithm(request_: Request) -> None:
    error = refusal(request_.with_authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA25"))
    assert told(error) == (INCOMPLETE, "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25'.")


def test_host_must_be_signed(request_: Request, presigned: Request) -> None:
    assert told(refusal(request_.with_authorization("host;", ""))) == (INVALID, HOST)
    assert told(refusal(edited(presigned, SignedHeaders="accept"))) == (INVALID, HOST)


@pytest.mark.parametrize("name", ["x-amz-target", "x-amz-date", "x-amz-security-token", "x-amz-anything"])
def test_amz_headers_must_be_signed(name: str) -> None:
    request = signed(token="session").with_headers(**{name: "20260101T120000Z"})
    unsigned = request.with_headers(
        authorization=request.headers["authorization"].replace(f";{name}", "").replace(f"{name};", "")
    )
    message = f"'{name}' must be a 'SignedHeader' in the AWS Authorization."
    assert told(refusal(unsigned)) == (INVALID, message)


def test_an_unsigned_amz_header_is_noticed_when_all_else_is_known(request_: Request) -> None:
    judge = verifier()
    accept(request_, by=judge)
    accept(request_, by=judge)
    message = "'x-amz-content-sha256' must be a 'SignedHeader' in the AWS Authorization."
    assert told(refusal(request_.with_headers(x_amz_content_sha256="0"), by=judge)) == (INVALID, message)
    swapped = request_.without("x-amz-target").with_headers(x_amz_tarpit="TrentService.Decrypt")
    assert refusal(swapped, by=judge).name == INVALID


def test_headers_that_clients_leave_unsigned_are_accepted(request_: Request) -> None:
    request = request_.with_headers(
        accept="*/*",
        user_agent="any",
        x_amzn_trace_id="Root=1",
        x_amz_user_agent="any",
        not_x_amz_at_all="any",
    )
    judge = verifier()
    accept(request, by=judge)
    accept(request, by=judge)


@pytest.mark.parametrize(
    "credential",
    ["a/b/c/d", "AKIA/20260101/us-east-1/kms/aws4_request/x", "AKIA", "AKIA//us-east-1/kms/aws4_request"],
)
def test_malformed_credential(request_: Request, presigned: Request, credential: str) -> None:
    expected = (
        INCOMPLETE,
        "Credential must have exactly 5 slash-delimited elements, "
        f"e.g. keyid/date/region/service/term, got '{credential}'",
    )
    assert told(refusal(request_.with_authorization(CREDENTIAL, f"Credential={credential}"))) == expected
    assert told(refusal(edited(presigned, Credential=credential))) == expected


def test_line_breaks_cannot_be_smuggled_into_the_credential(presigned: Request) -> None:
    smuggled = "AKIA/20260101/us-east-1\n/kms/aws4_request"
    assert refusal(edited(presigned, Credential=smuggled)).name == INCOMPLETE


def test_wrong_terminator(request_: Request) -> None:
    error = refusal(request_.with_authorization("aws4_request", "aws5_request"))
    assert told(error) == (INVALID, "Credential should be scoped with a valid terminator: 'aws4_request'. ")


def test_wrong_service_and_region() -> None:
    claim = accept(signed(service="kmz", region="us-east-9"))
    claim.check_service("kmz")
    claim.check_region({"us-east-9"})
    with pytest.raises(ServiceError) as caught:
        claim.check_service("kms")
    assert told(caught.value) == (INVALID, "Credential should be scoped to correct service: 'kms'. ")
    with pytest.raises(ServiceError) as caught:
        claim.check_region({"us-east-1"})
    assert told(caught.value) == (INVALID, "Credential should be scoped to a valid region. ")


def test_wrong_secret(request_: Request) -> None:
    assert told(refusal(request_, secret=Secret(b"another"))) == (INVALID, MISMATCH)


@pytest.mark.parametrize("signature", ["0" * 64, "0", "é" * 64, "☃" * 64])
def test_wrong_signature(request_: Request, signature: str) -> None:
    given = request_.headers["authorization"].rpartition("=")[2]
    judge = verifier()
    forged = request_.with_authorization(given, signature)
    assert told(refusal(forged, by=judge)) == (INVALID, MISMATCH)
    accept(request_, by=judge)
    assert told(refusal(forged, by=judge)) == (INVALID, MISMATCH)


def test_a_signature_in_capitals_is_wrong(request_: Request) -> None:
    given = request_.headers["authorization"].rpartition("=")[2]
    assert told(refusal(request_.with_authorization(given, given.upper()))) == (INVALID, MISMATCH)


@pytest.mark.parametrize(
    "listed", ["host;Host", "host;host", "host;", ";host", "host;a b", "host;missing", "host;ü"]
)
def test_header_lists_that_cannot_be_right(presigned: Request, listed: str) -> None:
    assert told(refusal(edited(presigned, SignedHeaders=listed))) == (INVALID, MISMATCH)


def test_a_signed_header_that_is_gone(request_: Request) -> None:
    judge = verifier()
    accept(request_, by=judge)
    for by in (judge, verifier()):
        assert told(refusal(request_.without("content-type"), by=by)) == (INVALID, MISMATCH)


@pytest.mark.parametrize("claimed", ["UNSIGNED-PAYLOAD", "0" * 64, "", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_a_payload_hash_that_is_not_the_bodys(claimed: str) -> None:
    request = signed(headers=[("X-Amz-Content-SHA256", claimed)])
    assert told(refusal(request)) == (INVALID, MISMATCH)


def test_a_payload_hash_that_lies_is_refused_though_the_body_was_signed() -> None:
    """A signer that covers the body's true hash and the false header alike."""
    headers = {"host": "h", "x-amz-content-sha256": "0" * 64}
    sent = sign("POST", "/", headers, BODY, Credentials(ACCESS_KEY, SECRET), "us-east-1", "kms", NOW)
    assert told(refusal(Request("POST", "/", sent, BODY))) == (INVALID, MISMATCH)
    headers["x-amz-content-sha256"] = hashlib.sha256(BODY).hexdigest()
    sent = sign("POST", "/", headers, BODY, Credentials(ACCESS_KEY, SECRET), "us-east-1", "kms", NOW)
    accept(Request("POST", "/", sent, BODY))


def test_a_true_payload_hash_is_accepted() -> None:
    accept(signed(headers=[("X-Amz-Content-SHA256", hashlib.sha256(signed().body).hexdigest())]))


def test_errors_for_the_endpoint_to_raise() -> None:
    assert told(errors.unrecognized_client()) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )
    assert told(errors.expired_token()) == (
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )
