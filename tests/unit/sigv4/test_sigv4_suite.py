"""The published Signature Version 4 test suite: every case, signed in the headers and in the query."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.sigv4.wire_form import Request, accept, fold, refusal, verifier

from hearthkms.core.secret import Secret
from hearthkms.sigv4.dates import parse_stamp
from hearthkms.sigv4.sign import Credentials, sign

SUITE = json.loads(
    (Path(__file__).parents[2] / "vectors" / "sigv4" / "aws-signing-test-suite-v4.json").read_text("utf-8")
)
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in SUITE["cases"]}
SECRET = Secret(SUITE["secret_access_key"].encode())
SIGNED_AT = parse_stamp(SUITE["timestamp"])

MISMATCH = "The request signature we calculated does not match"
UNNORMALIZED = "signs the path as it is, as S3 alone does"
UNSIGNED_TOKEN = "adds the session token after signing"
REFUSED = {
    "get-relative-unnormalized": (UNNORMALIZED, MISMATCH),
    "get-relative-relative-unnormalized": (UNNORMALIZED, MISMATCH),
    "get-slash-dot-slash-unnormalized": (UNNORMALIZED, MISMATCH),
    "get-slash-pointless-dot-unnormalized": (UNNORMALIZED, MISMATCH),
    "get-slash-unnormalized": (UNNORMALIZED, MISMATCH),
    "get-slashes-unnormalized": (UNNORMALIZED, MISMATCH),
    "post-sts-header-after": (UNSIGNED_TOKEN, "'x-amz-security-token' must be a 'SignedHeader'"),
}
ACCEPTED = sorted(CASES.keys() - REFUSED.keys())


def parse(text: str) -> Request:
    """The request that the suite wrote down; continued header lines are joined by a space."""
    raw = text.encode()
    head, _, body = raw.partition(b"\n\n")
    lines = re.sub(rb"\n[ \t]+", b" ", head).split(b"\n")
    method, rest = lines[0].split(b" ", 1)
    target = rest.rsplit(b" ", 1)[0]
    pairs = [line.partition(b":") for line in lines[1:] if line]
    headers = fold((name.decode(), value) for name, _, value in pairs)
    return Request(method.decode(), target.decode("latin-1"), headers, body)


def test_the_suite_is_whole() -> None:
    assert len(CASES) == 38
    assert REFUSED.keys() < CASES.keys()


@pytest.mark.parametrize("form", ["header", "query"])
@pytest.mark.parametrize("name", ACCEPTED)
def test_verifies(name: str, form: str) -> None:
    expected = CASES[name][form]
    request = parse(expected["signed_request"])
    claim = accept(request, by=verifier(SIGNED_AT), secret=SECRET)
    assert claim.request + expected["canonical_request"].rpartition("\n")[2] == expected["canonical_request"]
    assert claim.signature == expected["signature"]
    assert (claim.access_key_id, claim.date, claim.region, claim.service, claim.timestamp) == (
        SUITE["access_key_id"],
        "20150830",
        SUITE["region"],
        SUITE["service"],
        SIGNED_AT,
    )
    assert claim.session_token == CASES[name]["session_token"]


@pytest.mark.parametrize("form", ["header", "query"])
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refuses_what_is_not_signed_for_this_kind_of_service(name: str, form: str) -> None:
    reason, message = REFUSED[name]
    error = refusal(parse(CASES[name][form]["signed_request"]), by=verifier(SIGNED_AT), secret=SECRET)
    assert error.name == "InvalidSignatureException", reason
    expected = MISMATCH if form == "query" else message
    assert expected in str(error.message)


def test_a_token_added_after_signing_is_all_that_is_wrong_with_that_case() -> None:
    request = parse(CASES["post-sts-header-after"]["header"]["signed_request"])
    assert accept(request.without("x-amz-security-token"), by=verifier(SIGNED_AT), secret=SECRET)


def test_a_presigned_request_covers_its_body() -> None:
    request = parse(CASES["post-x-www-form-urlencoded"]["query"]["signed_request"])
    assert request.body == b"Param1=value1"
    error = refusal(replace(request, body=b"Param1=value2"), by=verifier(SIGNED_AT), secret=SECRET)
    assert MISMATCH in str(error.message)


@pytest.mark.parametrize("name", ACCEPTED)
def test_signs(name: str) -> None:
    case = CASES[name]
    request = parse(case["request"])
    wanted = parse(case["header"]["signed_request"])
    headers = dict(request.headers)
    if case["sign_body"]:
        headers["x-amz-content-sha256"] = case["header"]["canonical_request"].rpartition("\n")[2]
    credentials = Credentials(SUITE["access_key_id"], SECRET, case["session_token"])
    sent = sign(
        request.method,
        wanted.target,  # One case's request.txt has the path encoded, unlike what was signed.
        headers,
        request.body,
        credentials,
        SUITE["region"],
        SUITE["service"],
        SIGNED_AT or 0,
    )
    assert sent["authorization"] == wanted.headers["authorization"]
    assert sent["x-amz-date"] == wanted.headers["x-amz-date"]
