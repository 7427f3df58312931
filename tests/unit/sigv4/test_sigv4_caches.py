"""What the verifier keeps, what it must not keep, and how it compares."""

from __future__ import annotations

import hmac
from dataclasses import replace

import pytest
from tests.unit.sigv4.wire_form import BODY, INVALID, NOW, SECRET, accept, refusal, signed, verifier

from hearthkms.core.secret import Secret
from hearthkms.sigv4 import canonical, verify
from hearthkms.sigv4.recent import Recent
from hearthkms.sigv4.verify import Verifier


@pytest.fixture
def keys_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Regions for which signing keys were derived, in order."""
    made: list[str] = []

    class Counted(canonical.SigningKey):
        def __init__(self, secret: Secret, date: str, region: str, service: str) -> None:
            made.append(region)
            super().__init__(secret, date, region, service)

    monkeypatch.setattr(verify, "SigningKey", Counted)
    return made


def test_a_signing_key_is_derived_once_for_many_requests(keys_made: list[str]) -> None:
    judge = verifier()
    for body in (b"{}", BODY, b"x"):
        accept(signed(body=body), by=judge)
    assert keys_made == ["us-east-1"]
    accept(signed(region="eu-west-1"), by=judge)
    accept(signed(), by=judge)
    assert keys_made == ["us-east-1", "eu-west-1"]


def test_another_secret_is_never_served_the_old_key(keys_made: list[str]) -> None:
    judge = verifier()
    accept(signed(), by=judge)
    renewed = Secret(b"renewed")
    assert refusal(signed(), by=judge, secret=renewed).name == INVALID
    accept(signed(secret=renewed), by=judge, secret=renewed)
    accept(signed(), by=judge)
    assert keys_made == ["us-east-1"] * 3


def test_an_equal_secret_that_is_another_object_still_verifies() -> None:
    judge = verifier()
    accept(signed(), by=judge)
    accept(signed(), by=judge, secret=Secret(SECRET.reveal()))


def test_strangers_do_not_push_out_what_callers_need(
    keys_made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "MAX_SCOPES", 2)
    judge = verifier()
    accept(signed(), by=judge)
    for number in range(10):
        stranger = signed().with_authorization("AKIAIOSFODNN7EXAMPLE", f"AKIA{number}")
        assert refusal(stranger, by=judge, secret=Secret(b"not theirs")).name == INVALID
    keys_made.clear()
    accept(signed(), by=judge)
    assert keys_made == []


def test_the_caches_are_bounded(keys_made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "MAX_SCOPES", 2)
    monkeypatch.setattr(verify, "MAX_DATES", 2)
    judge = verifier()
    for number in range(4):
        accept(signed(region=f"r-{number}", at=NOW + number), by=judge)
    keys_made.clear()
    accept(signed(region="r-3"), by=judge)
    assert keys_made == []
    accept(signed(region="r-0"), by=judge)
    assert keys_made == ["r-0"]


def test_the_oldest_is_forgotten_first() -> None:
    kept: Recent[str, int] = Recent(2)
    for name in ("a", "b", "a", "c"):
        kept.keep(name, len(kept))
    assert list(kept) == ["b", "c"]


def test_every_request_is_compared_and_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    true_comparison = hmac.compare_digest

    def compare(first: str, second: str) -> bool:
        compared.append((first, second))
        return true_comparison(first, second)

    monkeypatch.setattr(verify.hmac, "compare_digest", compare)
    judge = verifier()
    request = signed()
    signature = request.headers["authorization"][-64:]
    for _ in range(3):
        accept(request, by=judge)
    assert compared == [(signature, signature)] * 3
    refusal(replace(request, body=b"changed"), by=judge)
    assert compared[3][1] == signature
    assert compared[3][0] != signature


def test_what_the_comparison_says_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify.hmac, "compare_digest", lambda _first, _second: False)
    assert refusal(signed()).name == INVALID
    monkeypatch.setattr(verify.hmac, "compare_digest", lambda _first, _second: True)
    accept(replace(signed(), body=b"changed"))


def test_a_claim_does_not_print_what_it_was_proven_with() -> None:
    request = signed(token="session-token")
    claim = Verifier(lambda: NOW).read(request.method, request.target, request.headers)
    for text in (repr(claim), str(claim), f"{claim}"):
        assert "session-token" not in text
        assert claim.signature not in text
        assert "AKIAIOSFODNN7EXAMPLE" in text
