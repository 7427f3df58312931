"""Properties: no change to a signed part goes unnoticed, and no input gets anything but a ServiceError."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.sigv4.wire_form import (
    ACCESS_KEY,
    INCOMPLETE,
    INVALID,
    MISSING,
    SECRET,
    Request,
    accept,
    refusal,
    signed,
    verifier,
)

from hearthkms.core.errors import ServiceError
from hearthkms.sigv4 import errors

GIVEN = signed(token="session+token/")
QUERIED = signed(url="https://kms.us-east-1.example.com/?a=1&b=%2F")
PRESIGNED = signed(
    method="GET", url="https://sts.example.com/?Action=GetCallerIdentity", headers=[], body=b"", expires=900
)
SIGNED_NAMES = sorted(GIVEN.headers.keys() - {"authorization"})
HEADER_FORM = (
    "AWS4-HMAC-SHA256 Credential={}/20260101/{}/kms/aws4_request, SignedHeaders=host{}, Signature={}"
)
NAMES = {MISSING, INCOMPLETE, INVALID, "UnrecognizedClientException"}

latin1 = st.text(alphabet=st.characters(max_codepoint=0xFF), max_size=60)
anything = st.one_of(st.text(max_size=80), latin1)


def changed(text: str, at: int, to: str) -> str:
    """`text` with the character at `at` (modulo its length) replaced by `to`."""
    at %= len(text)
    return text[:at] + to + text[at + 1 :]


def must_be_refused(request: Request, true: Request = GIVEN) -> None:
    """By a verifier that never saw the true request, and by one that knows it."""
    knowing = verifier()
    accept(true, by=knowing)
    for judge in (verifier(), knowing):
        with pytest.raises(ServiceError) as caught:
            if accept(request, by=judge).access_key_id != ACCESS_KEY:
                # The signature does not cover the access key's id; it is what finds the secret.
                raise errors.unrecognized_client()
        assert caught.value.name in NAMES


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(SIGNED_NAMES), at=st.integers(0, 200), to=st.characters(max_codepoint=0xFF))
def test_any_changed_character_of_a_signed_header_is_noticed(name: str, at: int, to: str) -> None:
    value = changed(GIVEN.headers[name], at, to)
    if value.strip(" \t") != GIVEN.headers[name]:
        must_be_refused(GIVEN.with_headers(**{name: value}))


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 200), to=st.binary(max_size=2))
def test_any_change_of_the_body_is_noticed(at: int, to: bytes) -> None:
    cut = at % (len(GIVEN.body) + 1)
    body = GIVEN.body[:cut] + to + GIVEN.body[cut + 1 :]
    if body != GIVEN.body:
        must_be_refused(replace(GIVEN, body=body))


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 400), to=st.characters(max_codepoint=0x7F))
def test_any_changed_character_of_the_authorization_header_is_noticed(at: int, to: str) -> None:
    authorization = GIVEN.headers["authorization"]
    changes = changed(authorization, at, to)
    # A blank may stand for the comma between two parts.
    if changes.replace(",", " ").split() != authorization.replace(",", " ").split():
        must_be_refused(GIVEN.with_headers(authorization=changes))


@pytest.mark.parametrize("method", ["GET", "PUT", "post", "POST ", "", "POST\n"])
def test_another_method_is_noticed(method: str) -> None:
    must_be_refused(replace(GIVEN, method=method))


@pytest.mark.parametrize(
    "target",
    ["/", "/?a=1", "/?a=1&b=%2F&c", "/a?a=1&b=%2F", "/?b=%2F&a=2", "/?a=1&b=%252F", "/?a=1&b=/%20", "", "*"],
)
def test_another_target_is_noticed(target: str) -> None:
    must_be_refused(replace(QUERIED, target=target), QUERIED)
    if target != "/":
        must_be_refused(replace(GIVEN, target=target if target else "/x"))


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 600), to=st.sampled_from("aZ09-_.~%&=+;,\x00\xff"))
def test_any_changed_character_of_a_presigned_query_is_noticed(at: int, to: str) -> None:
    query = PRESIGNED.target[2:]
    target = "/?" + changed(query, at, to)
    if target != PRESIGNED.target:
        must_be_refused(replace(PRESIGNED, target=target))


@pytest.mark.parametrize("name", SIGNED_NAMES)
def test_taking_a_signed_header_away_is_noticed(name: str) -> None:
    must_be_refused(GIVEN.without(name))


def parts(name: str) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), st.builds(lambda value: f"{name}={value}", anything))


authorizations = st.one_of(
    anything,
    st.builds(
        "{}{}{},{}, {}".format,
        st.sampled_from(["AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256", "AWS ", " "]),
        parts("Credential"),
        st.sampled_from(["", ",", ", ", " "]),
        parts("SignedHeaders"),
        parts("Signature"),
    ),
    st.builds(
        HEADER_FORM.format,
        anything,
        anything,
        anything,
        anything,
    ),
)


@settings(max_examples=400, deadline=None)
@given(
    method=anything,
    target=st.one_of(
        st.just("/"), anything, st.builds("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&{}".format, anything)
    ),
    headers=st.dictionaries(
        st.one_of(st.sampled_from(["host", "date", "x-amz-date", "x-amz-security-token"]), anything),
        anything,
        max_size=6,
    ),
    authorization=authorizations,
    dated=st.booleans(),
    body=st.binary(max_size=10),
)
@example(
    method="POST",
    target="/",
    headers={**GIVEN.headers, "host": "☃"},
    authorization=GIVEN.headers["authorization"],
    dated=True,
    body=b"",
)
@example(method="POST", target="/☃", headers={}, authorization="", dated=True, body=b"")
def test_whatever_comes_gets_a_service_error(
    method: str, target: str, headers: dict[str, str], authorization: str, dated: bool, body: bytes
) -> None:
    sent = {**headers, "authorization": authorization}
    if dated:
        sent["x-amz-date"] = GIVEN.headers["x-amz-date"]
    assert refusal(Request(method, target, sent, body)).name in NAMES


query_names = st.sampled_from(
    [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
        "X-Amz-Date",
        "X-Amz-Expires",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    pairs=st.lists(st.tuples(query_names, anything), max_size=4),
    base=st.sampled_from([PRESIGNED.target, "/?X-Amz-Algorithm=AWS4-HMAC-SHA256"]),
)
def test_whatever_comes_in_a_query_gets_a_service_error(pairs: list[tuple[str, str]], base: str) -> None:
    target = base + "".join(f"&{name}={value}" for name, value in pairs)
    try:
        accept(Request("GET", target, PRESIGNED.headers, b""), secret=SECRET)
    except ServiceError as error:
        assert error.name in NAMES
    else:
        # Nothing was appended to what was signed.
        assert (target, base) == (PRESIGNED.target, PRESIGNED.target)
