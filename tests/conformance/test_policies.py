"""PutKeyPolicy, GetKeyPolicy, ListKeyPolicies, and the policy given to CreateKey."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.answers import constraint, refusal
from tests.conformance.calls import EMPTY_POLICY, Sample
from tests.support.server import Server

LOCKED_OUT = (
    "MalformedPolicyDocumentException",
    "The new key policy will not allow you to update the key policy in the future.",
)
INVALID_PRINCIPAL = (
    "MalformedPolicyDocumentException",
    "Policy contains a statement with one or more invalid principals.",
)
NO_SUCH_POLICY = ("NotFoundException", "No such policy exists")


def policy(account: str, *more: dict[str, Any], **changes: Any) -> str:
    """A policy that lets the account do everything, with changes to its statement, and more statements."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    } | changes
    statement = {name: value for name, value in statement.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement, *more]})


@pytest.fixture(params=["CreateKey", "PutKeyPolicy"])
def putting(request: pytest.FixtureRequest, kms: Any, sample: Sample) -> Callable[..., Any]:
    """An operation that takes a key policy."""
    if request.param == "CreateKey":
        method: Callable[..., Any] = kms.create_key
        return method
    return lambda **parameters: kms.put_key_policy(KeyId=sample.key_id, **parameters)


def test_the_default_policy_to_the_last_character(kms: Any, server: Server, sample: Sample) -> None:
    expected = (
        '{\n  "Version" : "2012-10-17",\n  "Id" : "key-default-1",\n  "Statement" : [ {\n'
        '    "Sid" : "Enable IAM User Permissions",\n    "Effect" : "Allow",\n    "Principal" : {\n'
        f'      "AWS" : "arn:aws:iam::{server.account_id}:root"\n    }},\n'
        '    "Action" : "kms:*",\n    "Resource" : "*"\n  } ]\n}'
    )
    for named in ({}, {"PolicyName": "default"}):
        answer = kms.get_key_policy(KeyId=sample.key_id, **named)
        assert (answer["Policy"], answer["PolicyName"]) == (expected, "default")
    assert json.loads(expected)["Id"] == "key-default-1"


def test_a_policy_is_kept_as_it_was_given(kms: Any, server: Server, sample: Sample) -> None:
    given = "  " + policy(server.account_id, Sid="ünïque\u00ff \t").replace(", ", ",\r\n") + "\n"
    kms.put_key_policy(KeyId=sample.key_id, Policy=given)
    assert kms.get_key_policy(KeyId=sample.key_id)["Policy"] == given
    created = kms.create_key(Policy=given)["KeyMetadata"]["KeyId"]
    assert kms.get_key_policy(KeyId=created, PolicyName="default")["Policy"] == given


def test_list_key_policies(kms: Any, shared: Sample) -> None:
    answer = kms.list_key_policies(KeyId=shared.key_id, Limit=1)
    assert answer["PolicyNames"] == ["default"]
    assert answer["Truncated"] is False
    assert "NextMarker" not in answer


def test_there_is_one_policy(kms: Any, server: Server, shared: Sample) -> None:
    given = policy(server.account_id)
    for name in ("Default", "mine", "AWS_RAM"):
        assert refusal(kms.get_key_policy, KeyId=shared.key_id, PolicyName=name) == NO_SUCH_POLICY
    answer = refusal(kms.put_key_policy, KeyId=shared.key_id, PolicyName="mine", Policy=given)
    assert answer == NO_SUCH_POLICY
    assert refusal(kms.put_key_policy, KeyId=shared.key_id, PolicyName="AWS_RAM", Policy=given) == (
        "ValidationException",
        "The AWS_RAM policy can only be managed by the RAM service.",
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("no JSON", "Policy is not valid JSON."),
        ('{"Version": "2012-10-17"', "Policy is not valid JSON."),
        ("[" * 5000, "Policy is not valid JSON."),
        ("[]", "Policy must be a JSON object."),
        ("{}", "Policy must contain at least one statement."),
        ('{"Statement": []}', "Policy must contain at least one statement."),
        ('{"Statement": ["x"]}', "A statement must be a JSON object."),
        ('{"Version": "2012-10-18", "Statement": []}', "The policy must contain a valid version string."),
        ('{"Version": "2012-10-17", "Version": "2012-10-17"}', "Policy contains a duplicate element."),
        ('{"Statements": []}', "Unknown element Statements in policy."),
    ],
)
def test_malformed_documents(putting: Callable[..., Any], document: str, message: str) -> None:
    for bypass in (False, True):
        answer = refusal(putting, Policy=document, BypassPolicyLockoutSafetyCheck=bypass)
        assert answer == ("MalformedPolicyDocumentException", message)


@pytest.mark.parametrize(
    "changes",
    [
        {"Effect": None},
        {"Effect": "allow"},
        {"Principal": None},
        {"Principal": {}},
        {"Principal": "arn:aws:iam::111122223333:root"},
        {"Principal": {"Account": "111122223333"}},
        {"NotPrincipal": "*"},
        {"Action": []},
        {"Action": "Encrypt"},
        {"Action": ["kms:Encrypt", 1]},
        {"NotAction": "kms:Encrypt"},
        {"Resource": ""},
        {"Sid": 1},
        {"Effects": "Allow"},
        {"Condition": []},
        {"Condition": {"StringEqual": {"kms:ViaService": "x"}}},
        {"Condition": {"NullIfExists": {"kms:ViaService": "true"}}},
        {"Condition": {"StringEquals": "x"}},
        {"Condition": {"StringEquals": {"kms:ViaService": {}}}},
        {"Condition": {"NumericEquals": {"kms:RotationPeriodInDays": float("nan")}}},
    ],
    ids=json.dumps,
)
def test_malformed_statements(putting: Callable[..., Any], server: Server, changes: dict[str, Any]) -> None:
    document = policy(server.account_id, **changes)
    answer = refusal(putting, Policy=document, BypassPolicyLockoutSafetyCheck=True)
    assert answer[0] == "MalformedPolicyDocumentException"
    assert answer[1]


def test_statement_ids_are_unique(putting: Callable[..., Any], server: Server) -> None:
    twin = {"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "kms:Sign", "Resource": "*"}
    answer = refusal(putting, Policy=policy(server.account_id, twin, Sid="a"))
    assert answer[0] == "MalformedPolicyDocumentException"


@pytest.mark.parametrize(
    "changes",
    [
        {"Resource": None},
        {"Action": None},
        {"Principal": None, "NotPrincipal": {"AWS": "*"}},
        {"Action": None, "NotAction": ["kms:PutKeyPolicy"]},
        {"Condition": {"ForAllValues:StringLikeIfExists": {"kms:ResourceAliases": ["alias/a*", "b"]}}},
        {"Condition": {"Bool": {"aws:SecureTransport": True}, "NumericLessThan": {"x": 5}}},
        {"Principal": {"Service": ["s3.amazonaws.com", "logs.eu-west-1.amazonaws.com"], "AWS": "*"}},
    ],
    ids=json.dumps,
)
def test_unusual_statements_are_kept(
    kms: Any, server: Server, sample: Sample, changes: dict[str, Any]
) -> None:
    """A statement without Action or Resource is kept too, and does nothing."""
    document = policy(server.account_id, **changes)
    kms.put_key_policy(KeyId=sample.key_id, Policy=document, BypassPolicyLockoutSafetyCheck=True)
    assert kms.get_key_policy(KeyId=sample.key_id)["Policy"] == document


class TestPrincipals:
    """Every principal that a policy names must exist."""

    @pytest.mark.parametrize(
        "principal",
        [
            {"AWS": "arn:aws:iam::{account}:user/nobody"},
            {"AWS": ["arn:aws:iam::{account}:root", "arn:aws:iam::{account}:role/nobody"]},
            {"AWS": "arn:aws:iam::999988887777:root"},
            {"AWS": "999988887777"},
            {"AWS": "arn:aws:s3:::bucket"},
            {"AWS": "arn:aws:iam::*:root"},
            {"AWS": "arn:aws:iam::\ud800:root"},
            {"AWS": "somebody"},
            {"AWS": "AIDACKCEVSQ6C2EXAMPLE"},
            {"Service": "s3"},
        ],
        ids=json.dumps,
    )
    def test_who_does_not_exist(
        self, putting: Callable[..., Any], server: Server, principal: dict[str, Any]
    ) -> None:
        named = json.loads(json.dumps(principal).replace("{account}", server.account_id))
        answer = refusal(
            putting, Policy=policy(server.account_id, Principal=named), BypassPolicyLockoutSafetyCheck=True
        )
        assert answer == INVALID_PRINCIPAL

    @pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": "{account}"}], ids=json.dumps)
    def test_who_does(self, putting: Callable[..., Any], server: Server, principal: Any) -> None:
        named = json.loads(json.dumps(principal).replace("{account}", server.account_id))
        putting(Policy=policy(server.account_id, Principal=named))


class TestLockout:
    """A policy must let its writer change it again, unless the writer says that this is meant."""

    def locks(self, server: Server, *more: dict[str, Any], **changes: Any) -> str:
        return policy(server.account_id, *more, **changes)

    @pytest.mark.parametrize(
        "changes",
        [
            {"Action": "kms:Encrypt"},
            {"Action": ["kms:Get*", "kms:Put?KeyPolicy"]},
            {"Effect": "Deny"},
            {"Resource": None},
            {"Action": None},
            {"Resource": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
            {"Action": None, "NotAction": "kms:Put*"},
            {"Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}},
        ],
        ids=json.dumps,
    )
    def test_refused_and_bypassed(
        self, putting: Callable[..., Any], server: Server, changes: dict[str, Any]
    ) -> None:
        document = self.locks(server, **changes)
        assert refusal(putting, Policy=document) == LOCKED_OUT
        assert refusal(putting, Policy=document, BypassPolicyLockoutSafetyCheck=False) == LOCKED_OUT
        putting(Policy=document, BypassPolicyLockoutSafetyCheck=True)

    def test_a_deny_wins(self, putting: Callable[..., Any], server: Server) -> None:
        deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:PutKeyPolicy", "Resource": "*"}
        assert refusal(putting, Policy=self.locks(server, deny)) == LOCKED_OUT

    @pytest.mark.parametrize(
        "changes",
        [
            {"Action": "*"},
            {"Action": "KMS:putkeypolicy"},
            {"Action": ["kms:Encrypt", "kms:P?tKey*"]},
            {"Resource": ["x", "*"]},
            {"Resource": "arn:aws:kms:*:*:key/*"},
            {"Action": None, "NotAction": "kms:Decrypt"},
        ],
        ids=json.dumps,
    )
    def test_accepted(self, putting: Callable[..., Any], server: Server, changes: dict[str, Any]) -> None:
        putting(Policy=self.locks(server, **changes))

    def test_a_conditional_deny_is_not_held_against_it(
        self, putting: Callable[..., Any], server: Server
    ) -> None:
        without_tls = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "kms:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        putting(Policy=self.locks(server, without_tls))

    def test_the_own_arn_will_do_for_a_resource(self, kms: Any, server: Server, sample: Sample) -> None:
        kms.put_key_policy(KeyId=sample.key_id, Policy=self.locks(server, Resource=sample.arn))

    def test_a_refused_policy_leaves_the_former_one(self, kms: Any, sample: Sample) -> None:
        before = kms.get_key_policy(KeyId=sample.key_id)["Policy"]
        assert refusal(kms.put_key_policy, KeyId=sample.key_id, Policy=EMPTY_POLICY) == LOCKED_OUT
        assert kms.get_key_policy(KeyId=sample.key_id)["Policy"] == before


class TestSize:
    """32,768 bytes are the quota; the model's limit of 131,072 characters is another error."""

    def padded(self, server: Server, size: int) -> str:
        document = policy(server.account_id)
        return document + " " * (size - len(document.encode()))

    def test_the_quota(self, putting: Callable[..., Any], server: Server) -> None:
        putting(Policy=self.padded(server, 32_768))
        assert refusal(putting, Policy=self.padded(server, 32_769))[0] == "LimitExceededException"

    def test_bytes_are_counted(self, putting: Callable[..., Any], server: Server) -> None:
        document = policy(server.account_id, Sid="placeholder").replace("placeholder", "ü" * 16_400)
        assert len(document) < 32_768
        assert refusal(putting, Policy=document)[0] == "LimitExceededException"

    def test_the_model(self, loose: Any, shared: Sample) -> None:
        document = "x" * 131_073
        answer = refusal(loose.put_key_policy, KeyId=shared.key_id, Policy=document)
        rule = "Member must have length less than or equal to 131072"
        assert answer == constraint("policy", rule, f"'{document}'")
        code, message = refusal(loose.create_key, Policy="")
        assert code == "ValidationException"
        longer = "Value '' at 'policy' failed to satisfy constraint: Member must have length greater than"
        assert message.startswith(f"2 validation errors detected: {longer} or equal to 1; Value ''")

    @pytest.mark.parametrize("document", ["\u0000", "\u0100", "🔑"])
    def test_characters(self, loose: Any, shared: Sample, document: str) -> None:
        answer = refusal(loose.put_key_policy, KeyId=shared.key_id, Policy=document)
        pattern = r"Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+"
        assert answer == constraint("policy", pattern, f"'{document}'")
