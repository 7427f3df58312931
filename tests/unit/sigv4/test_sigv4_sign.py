"""Signing for other services."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.sigv4.wire_form import ACCESS_KEY, BODY, NOW, SECRET, Request, accept

from hearthkms.sigv4.canonical import canonical_value
from hearthkms.sigv4.sign import Credentials, sign

CREDENTIALS = Credentials(ACCESS_KEY, SECRET)
PATH = "/kms/xks/v1/keys/foo/encrypt"


def test_an_xks_proxy_gets_host_and_date_signed_alone() -> None:
    headers = {"Host": "xks.example.com", "Content-Type": "application/json", "Content-Length": "21"}
    sent = sign(
        "POST",
        PATH,
        headers,
        BODY,
        CREDENTIALS,
        "us-east-1",
        "kms-xks-proxy",
        NOW,
        signed=("host", "x-amz-date"),
    )
    assert "SignedHeaders=host;x-amz-date, " in sent["authorization"]
    assert sent["content-type"] == "application/json"
    claim = accept(Request("POST", PATH, sent, BODY))
    assert claim.service == "kms-xks-proxy"


def test_the_session_token_is_sent_and_signed() -> None:
    credentials = Credentials(ACCESS_KEY, SECRET, "token")
    sent = sign("GET", "/", {"host": "h"}, b"", credentials, "us-east-1", "sts", NOW)
    assert sent["x-amz-security-token"] == "token"
    assert accept(Request("GET", "/", sent, b"")).session_token == "token"


@pytest.mark.parametrize(
    ("headers", "signed"),
    [
        ({}, None),
        ({"host": "h"}, ("x-amz-date",)),
        ({"host": "h"}, ("host", "x-amz-date", "x-missing")),
        ({"host": "h"}, ("Host", "x-amz-date")),
        ({"host": "☃"}, None),
    ],
)
def test_what_cannot_be_signed_is_said(headers: dict[str, str], signed: tuple[str, ...] | None) -> None:
    with pytest.raises(ValueError):
        sign("GET", "/", headers, b"", CREDENTIALS, "us-east-1", "kms", NOW, signed=signed)


def test_the_credentials_do_not_print_their_secret() -> None:
    assert SECRET.reveal().decode() not in repr(CREDENTIALS)


@settings(max_examples=200, deadline=None)
@given(
    target=st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=40),
    headers=st.dictionaries(
        st.from_regex(r"[a-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True),
        st.text(alphabet=st.characters(max_codepoint=0xFF, exclude_characters="\r\n\0"), max_size=30),
        max_size=5,
    ),
    body=st.binary(max_size=40),
)
def test_what_is_signed_verifies(target: str, headers: dict[str, str], body: bytes) -> None:
    headers = {name: value for name, value in headers.items() if name not in ("authorization", "date")}
    sent = sign("POST", f"/{target}", {"host": "h", **headers}, body, CREDENTIALS, "us-east-1", "kms", NOW)
    if "X-Amz-Algorithm" not in target:
        accept(Request("POST", f"/{target}", sent, body))


@given(st.text(alphabet=" \tab", max_size=12))
def test_canonical_values_have_no_blanks_but_single_spaces_inside(value: str) -> None:
    shown = canonical_value(value)
    assert shown == " ".join(value.split())
    assert canonical_value(shown) == shown
