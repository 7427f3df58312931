"""botocore signs, the verifier judges; and what we sign is what botocore signs."""

from __future__ import annotations

import string
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.sigv4.wire_form import (
    ACCESS_KEY,
    BODY,
    HEADERS,
    NOW,
    SECRET,
    accept,
    refusal,
    signed,
)

from hearthkms.sigv4.sign import Credentials, sign
from hearthkms.sigv4.verify import Verifier

URL = "https://kms.us-east-1.example.com"
PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))
values = st.text(alphabet=PRINTABLE + "\t", max_size=40)
unicode_text = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=12)


def test_a_kms_call_verifies_and_tells_who_claims_to_have_made_it() -> None:
    claim = accept(signed())
    assert claim.access_key_id == ACCESS_KEY
    assert (claim.date, claim.region, claim.service) == ("20260101", "us-east-1", "kms")
    assert claim.timestamp == NOW
    assert claim.session_token is None


def test_a_session_token_is_told_in_both_forms() -> None:
    token = "FwoGZXIvYXdzE//8=+" * 20
    assert accept(signed(token=token)).session_token == token
    assert accept(signed(method="GET", body=b"", token=token, expires=60)).session_token == token


def test_other_services_regions_and_ports_verify() -> None:
    claim = accept(signed(service="cloudhsm", region="eu-central-1", url="http://127.0.0.1:8080/"))
    assert (claim.service, claim.region) == ("cloudhsm", "eu-central-1")


@pytest.mark.parametrize(
    "value",
    ["a  b", "  a   b  ", "a \t b", "a\tb", '"a   b"', "", "a,b", "a, b", "percent % %s %(x)s", "naïve ☃"],
)
def test_header_values_verify_however_they_are_spaced(value: str) -> None:
    accept(signed(headers=[*HEADERS.items(), ("X-Custom", value)]))


def test_duplicate_headers_verify() -> None:
    accept(signed(headers=[*HEADERS.items(), ("X-Custom", "b  c"), ("x-custom", "a"), ("X-CUSTOM", "")]))


def test_a_header_name_with_a_percent_sign_verifies() -> None:
    accept(signed(headers=[*HEADERS.items(), ("x-100%s", "a")]))


def test_a_date_header_may_stand_for_x_amz_date() -> None:
    request = signed(headers=[*HEADERS.items(), ("Date", "whenever")])
    assert "x-amz-date" not in request.headers
    assert request.headers["date"] == "Thu, 01 Jan 2026 12:00:00 -0000"
    assert accept(request).timestamp == NOW


@pytest.mark.parametrize(
    "query",
    [
        "x=y",
        "b=2&a=1",
        "a=2&a=1&a=10",
        "a=",
        "=a",
        "Param-3=c&Param=a",
        "a=%2F%20~-_.&%C3%A9=%E2%98%83",
        "a=b%3Dc",
        "a=%2B",
        "a=100%25",
    ],
)
def test_query_strings_verify(query: str) -> None:
    accept(signed(url=f"{URL}/?{query}"))


@pytest.mark.parametrize(
    ("sent", "same_as"),
    [
        ("a", "a="),
        ("&a=1&&b=2&", "a=1&b=2"),
        ("a=b=c", "a=b%3Dc"),
        ("a=%7e", "a=~"),
        ("a=b+c", "a=b%20c"),
        ("a=/:@!", "a=%2F%3A%40%21"),
        ("a=%zz%", "a=%25zz%25"),
    ],
)
def test_a_query_string_counts_by_what_it_says(sent: str, same_as: str) -> None:
    request = signed(url=f"{URL}/?{same_as}")
    accept(type(request)("POST", f"/?{sent}", request.headers, request.body))


@pytest.mark.parametrize(
    "path",
    ["/a", "/a/", "/a//b", "/./a/../b/", "/..", "/a%20b", "/a%2Fb", "/%E2%98%83", "/~a-b_c.d", "/a@b:c"],
)
def test_paths_verify(path: str) -> None:
    accept(signed(url=URL + path))


def test_presigned_get_verifies_with_its_own_query_and_signed_headers() -> None:
    request = signed(
        method="GET",
        url=f"{URL}/?Action=GetCallerIdentity&Version=2011-06-15",
        headers=[("x-k8s-aws-id", "my cluster")],
        body=b"",
        service="sts",
        expires=60,
    )
    assert "x-k8s-aws-id" in request.target
    claim = accept(request)
    assert (claim.service, claim.timestamp) == ("sts", NOW)


@settings(max_examples=150, deadline=None)
@given(
    headers=st.lists(
        st.tuples(
            st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=1, max_size=8), values
        ),
        max_size=5,
    ),
    segments=st.lists(st.one_of(unicode_text, st.sampled_from(["", ".", ".."])), max_size=4),
    params=st.lists(st.tuples(unicode_text, unicode_text), max_size=4),
    token=st.one_of(st.none(), st.text(alphabet=string.ascii_letters + "/+=", min_size=1, max_size=30)),
    body=st.binary(max_size=64),
)
def test_whatever_botocore_signs_verifies(
    headers: list[tuple[str, str]],
    segments: list[str],
    params: list[tuple[str, str]],
    token: str | None,
    body: bytes,
) -> None:
    path = "/" + "/".join(
        segment if set(segment) <= {"."} else quote(segment, safe="") for segment in segments
    )
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params)
    # Names that differ in case alone are one header; botocore and the wire fold them alike.
    extra = [(f"X-Test-{name}", value) for name, value in headers]
    request = signed(url=f"{URL}{path}?{query}", headers=[*HEADERS.items(), *extra], body=body, token=token)
    claim = accept(request)
    assert claim.session_token == token


@settings(max_examples=60, deadline=None)
@given(
    # A parameter of the caller's own cannot have the name of one of the proof's.
    params=st.dictionaries(
        unicode_text.filter(lambda name: bool(name) and not name.startswith("X-Amz-")),
        unicode_text,
        max_size=4,
    ),
    token=st.one_of(st.none(), unicode_text.filter(bool)),
    expires=st.integers(0, 604_800),
)
def test_whatever_botocore_presigns_verifies(params: dict[str, str], token: str | None, expires: int) -> None:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params.items())
    request = signed(method="GET", url=f"{URL}/?{query}", headers=[], body=b"", token=token, expires=expires)
    claim = accept(request)
    shown = None if claim.session_token is None else claim.session_token.encode("latin-1").decode()
    assert shown == token


@pytest.mark.parametrize("token", [None, "FwoGZXIvYXdzE//8=+"])
@pytest.mark.parametrize("target", ["/", "/kms/xks/v1/keys/a%20b/encrypt?b=2&a=1"])
def test_we_sign_as_botocore_does(target: str, token: str | None) -> None:
    theirs = signed(url=URL + target, headers=[*HEADERS.items(), ("X-Custom", " a   b ")], token=token)
    ours = sign(
        "POST",
        target,
        {"Host": "kms.us-east-1.example.com", **HEADERS, "X-Custom": " a   b ", "User-Agent": "any"},
        BODY,
        Credentials(ACCESS_KEY, SECRET, token),
        "us-east-1",
        "kms",
        NOW + 0.75,
    )
    assert ours["authorization"] == theirs.headers["authorization"]
    assert ours["x-amz-date"] == theirs.headers["x-amz-date"]
    assert ours.get("x-amz-security-token") == token
    assert ours["user-agent"] == "any"


def test_one_verifier_takes_many_callers_bodies_and_seconds() -> None:
    """What the caches hold from one request must not leak into another."""
    at = [NOW]
    judge = Verifier(lambda: at[0])
    for second in range(3):
        at[0] = NOW + second
        for region in ("us-east-1", "eu-west-1"):
            for body in (b"{}", BODY, b"x" * 5000):
                request = signed(region=region, body=body, at=at[0])
                assert accept(request, by=judge).region == region
                tampered = type(request)("POST", "/", request.headers, body + b"!")
                assert refusal(tampered, by=judge).name == "InvalidSignatureException"
                again = accept(request, by=judge)
                assert (again.region, again.timestamp) == (region, at[0])
