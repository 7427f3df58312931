"""Policy documents: what parses, what the parts mean, and that no text makes the parser fall over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hearthkms.iam.policy import Policy, PolicyError, Statement, parse_key_policy

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
USER = f"arn:aws:iam::{ACCOUNT}:user/Alice"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def statement(**changes: Any) -> dict[str, Any]:
    """A statement that allows the account everything, with changes; None leaves an element out."""
    whole = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"} | changes
    return {name: value for name, value in whole.items() if value is not None}


def parse(*statements: dict[str, Any], **document: Any) -> Policy:
    return parse_key_policy(json.dumps({"Version": "2012-10-17", "Statement": list(statements)} | document))


def only(**changes: Any) -> Statement:
    """The parsed form of one statement."""
    (parsed,) = parse(statement(**changes)).statements
    return parsed


def test_one_value_or_several_are_the_same() -> None:
    one = only(Action="kms:Sign", Resource="*", Principal={"AWS": ACCOUNT})
    several = only(Action=["kms:Sign"], Resource=["*"], Principal={"AWS": [ACCOUNT]})
    assert one == several
    (bare,) = parse_key_policy(json.dumps({"Statement": statement()})).statements
    assert bare == only()


def test_principals() -> None:
    everybody = only(Principal="*")
    assert everybody.principals == only(Principal={"AWS": "*"}).principals == (("AWS", "*"),)
    policy = parse(
        statement(Principal={"AWS": [ACCOUNT, USER, "*"], "Service": "s3.amazonaws.com"}),
        statement(Principal=None, NotPrincipal={"AWS": "999988887777"}),
    )
    assert list(policy.principals()) == [ROOT, USER, "arn:aws:iam::999988887777:root"]


@pytest.mark.parametrize(
    ("pattern", "action", "covered"),
    [
        ("*", "kms:Encrypt", True),
        ("kms:*", "kms:Encrypt", True),
        ("KMS:ENCRYPT", "kms:Encrypt", True),
        ("kms:En*", "kms:Encrypt", True),
        ("kms:En*", "kms:EnableKey", True),
        ("kms:En*", "kms:DisableKey", False),
        ("kms:?ncrypt", "kms:Encrypt", True),
        ("kms:?Encrypt", "kms:Encrypt", False),
        ("kms:Encrypt", "kms:EncryptX", False),
        ("kms:[E]ncrypt", "kms:Encrypt", False),
        ("kms:[!x]ncrypt", "kms:Encrypt", False),
        ("kms:En.*", "kms:Encrypt", False),
        ("s3:*", "kms:Encrypt", False),
    ],
)
def test_actions(pattern: str, action: str, covered: bool) -> None:
    """Case does not count, `*` and `?` are the only wildcards."""
    assert only(Action=pattern).covers_action(action) is covered
    assert only(Action=None, NotAction=pattern).covers_action(action) is not covered


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [("*", True), (KEY, True), ("arn:aws:kms:*:*:key/*", True), (KEY.upper(), False), (KEY[:-1] + "?", True)],
)
def test_resources(pattern: str, covered: bool) -> None:
    """Here case counts."""
    assert only(Resource=pattern).covers_resource(KEY) is covered
    assert only(Resource=None, NotResource=pattern).covers_resource(KEY) is not covered


def test_a_statement_without_action_or_resource_does_nothing() -> None:
    assert not only(Action=None).covers_action("kms:Encrypt")
    assert not only(Resource=None).covers_resource(KEY)
    assert not parse(statement(Action=None)).lets_change(ROOT, ACCOUNT, KEY)


def test_a_text_of_many_wildcards_is_matched_quickly() -> None:
    long = only(Action="kms:" + "*a" * 2000)
    assert not long.covers_action("kms:" + "a" * 1999)


def test_conditions() -> None:
    conditions = only(
        Condition={
            "StringEquals": {"kms:ViaService": "a", "kms:CallerAccount": ["b", "c"]},
            "ForAnyValue:StringLikeIfExists": {"kms:ResourceAliases": []},
            "Bool": {"aws:SecureTransport": True},
            "NumericLessThan": {"kms:RotationPeriodInDays": 180},
        }
    ).conditions
    assert conditions["StringEquals"] == {"kms:ViaService": ("a",), "kms:CallerAccount": ("b", "c")}
    assert conditions["ForAnyValue:StringLikeIfExists"] == {"kms:ResourceAliases": ()}
    assert conditions["Bool"] == {"aws:SecureTransport": ("true",)}
    assert conditions["NumericLessThan"] == {"kms:RotationPeriodInDays": ("180",)}


class TestLockout:
    """`lets_change`: whether the caller could still change the policy."""

    @pytest.mark.parametrize(
        ("principal", "root", "user"),
        [
            ({"AWS": ROOT}, True, True),
            ({"AWS": ACCOUNT}, True, True),
            ({"AWS": "*"}, True, True),
            ({"AWS": USER}, False, True),
            ({"AWS": "999988887777"}, False, False),
            ({"Service": "s3.amazonaws.com"}, False, False),
        ],
    )
    def test_who(self, principal: dict[str, str], root: bool, user: bool) -> None:
        """Naming the account delegates to its identity policies, so its users count."""
        policy = parse(statement(Principal=principal))
        assert policy.lets_change(ROOT, ACCOUNT, KEY) is root
        assert policy.lets_change(USER, ACCOUNT, KEY) is user

    def test_everybody_but(self) -> None:
        but_alice = parse(statement(Principal=None, NotPrincipal={"AWS": USER}))
        assert but_alice.lets_change(ROOT, ACCOUNT, KEY)
        assert not but_alice.lets_change(USER, ACCOUNT, KEY)

    def test_a_deny_of_one_user(self) -> None:
        policy = parse(statement(), statement(Effect="Deny", Principal={"AWS": USER}))
        assert policy.lets_change(ROOT, ACCOUNT, KEY)
        assert not policy.lets_change(USER, ACCOUNT, KEY)

    def test_a_deny_of_another_resource_or_action(self) -> None:
        elsewhere = statement(Effect="Deny", Principal="*", Resource=KEY[:-1] + "x")
        signing = statement(Effect="Deny", Principal="*", Action="kms:Sign")
        assert parse(statement(), elsewhere, signing).lets_change(ROOT, ACCOUNT, KEY)

    def test_conditions_do_not_count_either_way(self) -> None:
        when = {"Bool": {"aws:SecureTransport": "false"}}
        assert not parse(statement(Condition=when)).lets_change(ROOT, ACCOUNT, KEY)
        denying = statement(Effect="Deny", Principal="*", Condition=when)
        assert parse(statement(), denying).lets_change(ROOT, ACCOUNT, KEY)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
elements = st.sampled_from(
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "Condition", "AWS"]
)
nearly = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]) | values, "Principal": st.just("*") | values},
    optional={
        "Action": values,
        "Resource": values,
        "Condition": st.dictionaries(st.sampled_from(["StringEquals", "Bool"]) | st.text(), values),
        "Sid": values,
    },
)


@settings(max_examples=300, deadline=None)
@given(
    st.text()
    | values.map(json.dumps)
    | st.lists(nearly | st.dictionaries(elements, values), max_size=3).map(
        lambda found: json.dumps({"Version": "2012-10-17", "Statement": found})
    )
)
def test_any_text_is_a_policy_or_a_policy_error(text: str) -> None:
    try:
        policy = parse_key_policy(text)
    except PolicyError as error:
        assert str(error)
        return
    policy.lets_change(ROOT, ACCOUNT, KEY)
    assert all(isinstance(principal, str) for principal in policy.principals())
