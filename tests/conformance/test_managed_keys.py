"""AWS managed keys: they come into being on first use, and their fixed policy lets the account only read."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.conformance.answers import describe, refusal
from tests.conformance.calls import CALLS, EMPTY_POLICY, Sample, perform
from tests.conformance.shapes import watch
from tests.support.server import Server

REGION = "eu-north-1"
ALIAS = "alias/aws/s3"
READING = {
    "DescribeKey",
    "GetKeyLastUsage",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "ListAliases",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListResourceTags",
}
REFUSED = sorted(set(CALLS) - READING - {"Decrypt", "DeleteAlias", "UpdateAlias", "ReEncrypt", "CreateAlias"})


@pytest.fixture(scope="module")
def there(server: Server) -> Any:
    """A client of a Region that is this file's own."""
    return watch(server.client(region=REGION))


@pytest.fixture(scope="module")
def managed(there: Any) -> dict[str, Any]:
    """The metadata of an AWS managed key."""
    return describe(there, ALIAS)


@pytest.fixture(scope="module")
def sample(managed: dict[str, Any]) -> Sample:
    """The same key as a sample. Nobody can have a ciphertext of it."""
    arn = managed["Arn"].rpartition(":")[0] + ":" + ALIAS
    return Sample(managed["KeyId"], managed["Arn"], ALIAS, arn, b"none")


def test_first_use_makes_one_key(server: Server) -> None:
    """Many callers at once, on all workers, by both forms of the alias: one key."""
    clients = [server.client(region="ca-west-1") for _ in range(6)]
    arn = f"arn:aws:kms:ca-west-1:{server.account_id}:alias/aws/ebs"
    assert clients[0].list_keys()["Keys"] == []
    with ThreadPoolExecutor(len(clients)) as threads:
        named = [(client, given) for client in clients for given in ("alias/aws/ebs", arn)]
        found = list(threads.map(lambda pair: describe(*pair)["KeyId"], named))
    assert len(set(found)) == 1
    assert [key["KeyId"] for key in clients[0].list_keys()["Keys"]] == found[:1]


def test_metadata(managed: dict[str, Any], server: Server) -> None:
    assert managed["KeyManager"] == "AWS"
    assert managed["Description"] == "Default key that protects my s3 data when no other key is defined"
    assert (managed["KeyState"], managed["Enabled"], managed["Origin"]) == ("Enabled", True, "AWS_KMS")
    assert managed["AWSAccountId"] == server.account_id
    assert abs(managed["CreationDate"].timestamp() - time.time()) < 600


def test_the_alias_now_has_a_target(there: Any, managed: dict[str, Any]) -> None:
    (own,) = there.list_aliases(KeyId=managed["KeyId"])["Aliases"]
    assert (own["AliasName"], own["TargetKeyId"]) == (ALIAS, managed["KeyId"])
    assert own["CreationDate"] == own["LastUpdatedDate"]
    listed = {alias["AliasName"]: alias for alias in there.list_aliases(Limit=100)["Aliases"]}
    assert listed[ALIAS] == own
    assert "TargetKeyId" not in listed["alias/aws/xray"]


def test_policy(there: Any, managed: dict[str, Any], server: Server) -> None:
    policy = json.loads(there.get_key_policy(KeyId=managed["KeyId"])["Policy"])
    use, read = policy["Statement"]
    assert policy["Id"] == "auto-s3-1"
    assert use["Principal"] == {"AWS": "*"}
    assert use["Condition"] == {
        "StringEquals": {
            "kms:CallerAccount": server.account_id,
            "kms:ViaService": f"s3.{REGION}.amazonaws.com",
        }
    }
    assert read["Principal"] == {"AWS": f"arn:aws:iam::{server.account_id}:root"}
    assert read["Action"] == ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"]


def test_it_rotates_every_year(there: Any, managed: dict[str, Any]) -> None:
    answer = there.get_key_rotation_status(KeyId=managed["KeyId"])
    assert (answer["KeyRotationEnabled"], answer["RotationPeriodInDays"]) == (True, 365)
    due = answer["NextRotationDate"] - managed["CreationDate"]
    assert due.total_seconds() == pytest.approx(365 * 86_400, abs=1)


@pytest.mark.parametrize("operation", sorted(READING))
def test_the_account_may_read(there: Any, sample: Sample, operation: str) -> None:
    perform(there, operation, sample)


@pytest.mark.parametrize("operation", REFUSED)
def test_the_account_may_do_nothing_else(there: Any, server: Server, sample: Sample, operation: str) -> None:
    expected = (
        "AccessDeniedException",
        f"User: arn:aws:iam::{server.account_id}:root is not authorized to perform: kms:{operation} on "
        f"resource: {sample.arn} because no resource-based policy allows the kms:{operation} action",
    )
    assert refusal(lambda: perform(there, operation, sample)) == expected
    assert describe(there, sample.key_id)["KeyState"] == "Enabled"


def test_no_alias_of_ones_own(there: Any, sample: Sample) -> None:
    own = there.create_key()["KeyMetadata"]["KeyId"]
    there.create_alias(AliasName="alias/own", TargetKeyId=own)
    for method, name in ((there.create_alias, "alias/more"), (there.update_alias, "alias/own")):
        code, message = refusal(method, AliasName=name, TargetKeyId=sample.key_id)
        assert code == "AccessDeniedException"
        assert f"on resource: {sample.arn} because no resource-based policy allows" in message
    assert describe(there, "alias/own")["KeyId"] == own


def test_nothing_is_moved_to_it(there: Any, sample: Sample) -> None:
    own = there.create_key()["KeyMetadata"]["KeyId"]
    blob = there.encrypt(KeyId=own, Plaintext=b"x")["CiphertextBlob"]
    code, message = refusal(there.re_encrypt, CiphertextBlob=blob, DestinationKeyId=ALIAS)
    assert code == "AccessDeniedException"
    assert f"kms:ReEncryptTo on resource: {sample.arn}" in message


def test_not_even_when_the_lockout_check_is_bypassed(there: Any, sample: Sample) -> None:
    answer = refusal(
        there.put_key_policy, KeyId=sample.key_id, Policy=EMPTY_POLICY, BypassPolicyLockoutSafetyCheck=True
    )
    assert answer[0] == "AccessDeniedException"


def test_names_that_are_not_predefined(there: Any, server: Server) -> None:
    arn = f"arn:aws:kms:{REGION}:{server.account_id}:alias/aws/no-such-service"
    answer = refusal(there.describe_key, KeyId="alias/aws/no-such-service")
    assert answer == ("NotFoundException", f"Alias {arn} is not found.")
