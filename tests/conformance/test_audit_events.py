"""The audit record of every operation, member by member, as CloudTrail would have it.

Source: AWS KMS developer guide, "Logging AWS KMS API calls with AWS CloudTrail", and its sample records.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conformance.answers import describe, new_alias
from tests.conformance.calls import EMPTY_POLICY, Sample, new_sample
from tests.conformance.shapes import watch
from tests.support.server import Server, hearthkms

REGION = "ap-southeast-2"
CONTEXT = {"Purpose": "Test", "кто": "Ünï", "aWS": "kept as it is"}
SECRET = b"never on the trail: 6f1e"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass
class Story:
    """Calls by label, their answers, and the records that they left."""

    client: Any
    sample: Sample
    other: Sample
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    text: str = ""

    def call(self, label: str, method: Callable[..., Any], **parameters: Any) -> None:
        """Call, successfully or not, and remember it as `label`."""
        try:
            answer = method(**parameters)
        except ClientError as error:
            answer = error.response
        assert label not in self.ids
        self.answers[label] = answer
        self.ids[label] = answer["ResponseMetadata"]["RequestId"]

    def __getitem__(self, label: str) -> dict[str, Any]:
        return self.records[self.ids[label]]


def use_keys(story: Story) -> None:
    """Cryptographic operations, and what they are refused."""
    kms, key, blob = story.client, story.sample.key_id, story.sample.ciphertext
    story.call("Encrypt", kms.encrypt, KeyId=story.sample.alias, Plaintext=SECRET, EncryptionContext=CONTEXT)
    made = story.answers["Encrypt"]["CiphertextBlob"]
    story.call("Decrypt", kms.decrypt, CiphertextBlob=made, EncryptionContext=CONTEXT)
    story.call("Decrypt with a key", kms.decrypt, CiphertextBlob=blob, KeyId=key)
    story.call(
        "ReEncrypt",
        kms.re_encrypt,
        CiphertextBlob=made,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=story.other.arn,
        DestinationEncryptionContext={"a": "b"},
    )
    story.call("GenerateDataKey", kms.generate_data_key, KeyId=key, KeySpec="AES_256")
    story.call(
        "GenerateDataKeyWithoutPlaintext",
        kms.generate_data_key_without_plaintext,
        KeyId=key,
        NumberOfBytes=7,
        EncryptionContext={"a": "b"},
    )
    story.call("GenerateRandom", kms.generate_random, NumberOfBytes=9)
    story.call("wrong context", kms.decrypt, CiphertextBlob=made)
    story.call("wrong key", kms.decrypt, CiphertextBlob=made, KeyId=story.other.key_id)
    story.call("no ciphertext", kms.decrypt, CiphertextBlob=b"junk")
    story.call("dry run", kms.encrypt, KeyId=key, Plaintext=SECRET, DryRun=True)
    story.call("missing key", kms.encrypt, KeyId="no-such-key", Plaintext=SECRET)
    story.call("denied", kms.encrypt, KeyId="alias/aws/ebs", Plaintext=SECRET)


def change_keys(story: Story) -> None:
    """Operations that change something, and one of them refused."""
    kms, key = story.client, story.sample.key_id
    story.call(
        "CreateKey",
        kms.create_key,
        Description="audited",
        Policy=EMPTY_POLICY,
        BypassPolicyLockoutSafetyCheck=True,
        Tags=[{"TagKey": "a", "TagValue": "b"}],
    )
    story.call("UpdateKeyDescription", kms.update_key_description, KeyId=key, Description="changed")
    story.call("TagResource", kms.tag_resource, KeyId=key, Tags=[{"TagKey": "a", "TagValue": "b"}])
    story.call("UntagResource", kms.untag_resource, KeyId=key, TagKeys=["a"])
    story.call(
        "PutKeyPolicy",
        kms.put_key_policy,
        KeyId=key,
        PolicyName="default",
        Policy=EMPTY_POLICY,
        BypassPolicyLockoutSafetyCheck=True,
    )
    story.call("EnableKeyRotation", kms.enable_key_rotation, KeyId=key, RotationPeriodInDays=91)
    story.call("RotateKeyOnDemand", kms.rotate_key_on_demand, KeyId=key)
    story.call("DisableKeyRotation", kms.disable_key_rotation, KeyId=key)
    story.call("DisableKey", kms.disable_key, KeyId=key)
    story.call("disabled", kms.encrypt, KeyId=key, Plaintext=SECRET)
    story.call("EnableKey", kms.enable_key, KeyId=story.sample.arn)
    alias = new_alias()
    story.call("CreateAlias", kms.create_alias, AliasName=alias, TargetKeyId=key)
    story.call("UpdateAlias", kms.update_alias, AliasName=alias, TargetKeyId=story.other.key_id)
    story.call("DeleteAlias", kms.delete_alias, AliasName=alias)
    story.call("ScheduleKeyDeletion", kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=8)
    story.call("pending", kms.enable_key, KeyId=key)
    story.call("CancelKeyDeletion", kms.cancel_key_deletion, KeyId=key)


def read_keys(story: Story) -> None:
    """Operations that read."""
    kms, key = story.client, story.other.key_id
    story.call("DescribeKey", kms.describe_key, KeyId=story.other.alias)
    story.call("ListKeys", kms.list_keys)
    story.call("ListKeys with a limit", kms.list_keys, Limit=7, ResourceOwners=["SELF"])
    story.call("ListAliases", kms.list_aliases)
    story.call("ListAliases of a key", kms.list_aliases, KeyId=key, Limit=3)
    story.call("ListResourceTags", kms.list_resource_tags, KeyId=key)
    story.call("GetKeyPolicy", kms.get_key_policy, KeyId=key, PolicyName="default")
    story.call("ListKeyPolicies", kms.list_key_policies, KeyId=key)
    story.call("GetKeyRotationStatus", kms.get_key_rotation_status, KeyId=key)
    story.call("ListKeyRotations", kms.list_key_rotations, KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    story.call("GetKeyLastUsage", kms.get_key_last_usage, KeyId=key)


@pytest.fixture(scope="module")
def story(server: Server) -> Story:
    """Every operation once, and the records that `hearthkms audit tail` then shows."""
    client = watch(server.client(region=REGION))
    story = Story(client, new_sample(client), new_sample(client))
    use_keys(story)
    read_keys(story)
    change_keys(story)
    command = [hearthkms(), "audit", "tail", "--json", "-n", "5000", "--data", str(server.data)]
    story.text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    records = [json.loads(line) for line in story.text.splitlines()]
    story.records = {record["requestID"]: record for record in records if record["awsRegion"] == REGION}
    return story


def resources(*arns: str) -> list[dict[str, str]]:
    """The `resources` member for these ARNs."""
    return [{"accountId": arn.split(":")[4], "type": "AWS::KMS::Key", "ARN": arn} for arn in arns]


def test_every_call_left_one_record(story: Story) -> None:
    assert set(story.ids.values()) <= set(story.records)
    for request_id in story.ids.values():
        assert story.text.count(f'"requestID":"{request_id}"') == 1


def test_what_every_record_has(story: Story, server: Server) -> None:
    account, key_id = server.account_id, server.access["access_key_id"]
    for label, request_id in story.ids.items():
        record = story.records[request_id]
        assert record["eventVersion"] == "1.11", label
        assert record["userIdentity"] == {
            "type": "Root",
            "principalId": account,
            "arn": f"arn:aws:iam::{account}:root",
            "accountId": account,
            "accessKeyId": key_id,
        }
        assert record["eventSource"] == "kms.amazonaws.com"
        assert record["sourceIPAddress"] == "127.0.0.1"
        assert record["userAgent"].startswith("Boto3/")
        assert record["eventType"] == "AwsApiCall"
        assert record["managementEvent"] is True
        assert record["eventCategory"] == "Management"
        assert record["recipientAccountId"] == account
        assert UUID.fullmatch(record["eventID"])
        age = datetime.now(UTC) - datetime.fromisoformat(record["eventTime"])
        assert abs(age.total_seconds()) < 600
        assert "requestParameters" in record
        assert "responseElements" in record


def test_nothing_secret_is_on_the_trail(story: Story) -> None:
    plaintexts = [SECRET, *(a["Plaintext"] for a in story.answers.values() if "Plaintext" in a)]
    blobs = [a["CiphertextBlob"] for a in story.answers.values() if "CiphertextBlob" in a]
    for value in (*plaintexts, *blobs):
        assert base64.b64encode(value).decode() not in story.text
    assert SECRET.decode() not in story.text
    names = {"Plaintext", "CiphertextBlob", "plaintext", "ciphertextBlob"}
    assert not any(f'"{name}"' in story.text for name in names)


class TestUse:
    """Cryptographic operations: read-only, no response elements, the key material beside."""

    @pytest.mark.parametrize(
        ("label", "named", "context"),
        [
            ("Encrypt", "alias", CONTEXT),
            ("Decrypt", None, CONTEXT),
            ("Decrypt with a key", "key_id", None),
        ],
    )
    def test_encrypt_and_decrypt(
        self, story: Story, label: str, named: str | None, context: dict[str, str] | None
    ) -> None:
        record = story[label]
        expected: dict[str, Any] = {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}
        if named is not None:
            expected["keyId"] = getattr(story.sample, named)
        if context is not None:
            expected["encryptionContext"] = context
        assert record["requestParameters"] == expected
        assert record["responseElements"] is None
        assert record["readOnly"] is True
        assert record["resources"] == resources(story.sample.arn)
        opened = story.answers["Decrypt"]["KeyMaterialId"]
        assert record["additionalEventData"] == {"keyMaterialId": opened}

    def test_re_encrypt(self, story: Story) -> None:
        record = story["ReEncrypt"]
        assert record["requestParameters"] == {
            "sourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "destinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "sourceEncryptionContext": CONTEXT,
            "destinationEncryptionContext": {"a": "b"},
            "destinationKeyId": story.other.arn,
        }
        assert record["resources"] == resources(story.sample.arn, story.other.arn)
        assert record["readOnly"] is True
        assert record["responseElements"] is None

    def test_data_keys(self, story: Story) -> None:
        key = story.sample.key_id
        assert story["GenerateDataKey"]["requestParameters"] == {"keyId": key, "keySpec": "AES_256"}
        assert story["GenerateDataKeyWithoutPlaintext"]["requestParameters"] == {
            "keyId": key,
            "numberOfBytes": 7,
            "encryptionContext": {"a": "b"},
        }
        for label in ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext"):
            record = story[label]
            assert record["resources"] == resources(story.sample.arn)
            assert (record["readOnly"], record["responseElements"]) == (True, None)

    def test_random(self, story: Story) -> None:
        record = story["GenerateRandom"]
        assert record["requestParameters"] is None
        assert record["resources"] == []
        assert (record["readOnly"], record["responseElements"]) == (True, None)


class TestRefusals:
    """The error's name and message, the parameters, and the key as far as it was found."""

    @pytest.mark.parametrize(
        ("label", "code", "message", "found"),
        [
            ("wrong context", "InvalidCiphertextException", None, True),
            (
                "wrong key",
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation.",
                True,
            ),
            ("no ciphertext", "InvalidCiphertextException", None, False),
            (
                "dry run",
                "DryRunOperationException",
                "The request would have succeeded, but the DryRun option is set.",
                True,
            ),
            ("missing key", "NotFoundException", "Invalid keyId 'no-such-key'", False),
            ("disabled", "DisabledException", "{arn} is disabled.", True),
            ("pending", "KMSInvalidStateException", "{arn} is pending deletion.", True),
        ],
    )
    def test_refused(self, story: Story, label: str, code: str, message: str | None, found: bool) -> None:
        record = story[label]
        arn = story.sample.arn
        assert record["errorCode"] == code
        assert record.get("errorMessage") == (None if message is None else message.format(arn=arn))
        assert record["responseElements"] is None
        assert record.get("resources") == (resources(arn) if found else None)

    def test_parameters_are_shown(self, story: Story) -> None:
        algorithm = {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}
        assert story["wrong key"]["requestParameters"] == {"keyId": story.other.key_id} | algorithm
        assert story["missing key"]["requestParameters"] == {"keyId": "no-such-key"} | algorithm

    def test_denials_lose_the_exception_in_their_name(self, story: Story) -> None:
        record = story["denied"]
        assert record["errorCode"] == "AccessDenied"
        assert "is not authorized to perform: kms:Encrypt on resource: " in record["errorMessage"]


class TestChanges:
    """Operations that change a key show its ARN among the response elements, whatever the API gives."""

    @pytest.mark.parametrize(
        ("operation", "parameters"),
        [
            ("UpdateKeyDescription", {"description": "changed"}),
            ("TagResource", {"tags": [{"tagKey": "a", "tagValue": "b"}]}),
            ("UntagResource", {"tagKeys": ["a"]}),
            (
                "PutKeyPolicy",
                {
                    "policyName": "default",
                    "policy": EMPTY_POLICY,
                    "bypassPolicyLockoutSafetyCheck": True,
                },
            ),
            ("EnableKeyRotation", {"rotationPeriodInDays": 91}),
            ("RotateKeyOnDemand", {}),
            ("DisableKeyRotation", {}),
            ("DisableKey", {}),
            ("CancelKeyDeletion", {}),
        ],
    )
    def test_on_a_key(self, story: Story, operation: str, parameters: dict[str, Any]) -> None:
        record = story[operation]
        assert record["eventName"] == operation
        assert record["requestParameters"] == {"keyId": story.sample.key_id} | parameters
        assert record["responseElements"] == {"keyId": story.sample.arn}
        assert record["resources"] == resources(story.sample.arn)
        assert record["readOnly"] is False

    def test_parameters_are_shown_as_they_were_given(self, story: Story) -> None:
        assert story["EnableKey"]["requestParameters"] == {"keyId": story.sample.arn}

    def test_create_key(self, story: Story) -> None:
        record = story["CreateKey"]
        metadata = story.answers["CreateKey"]["KeyMetadata"]
        assert record["requestParameters"] == {
            "description": "audited",
            "policy": EMPTY_POLICY,
            "bypassPolicyLockoutSafetyCheck": True,
            "tags": [{"tagKey": "a", "tagValue": "b"}],
        }
        shown = record["responseElements"]["keyMetadata"]
        assert shown.pop("creationDate") == on_trail(metadata["CreationDate"])
        assert shown.pop("AWSAccountId") == metadata["AWSAccountId"]
        expected = {name[0].lower() + name[1:]: value for name, value in metadata.items()}
        del expected["creationDate"], expected["aWSAccountId"]
        assert shown == expected
        assert record["resources"] == resources(metadata["Arn"])
        assert record["readOnly"] is False

    def test_schedule_key_deletion(self, story: Story) -> None:
        record = story["ScheduleKeyDeletion"]
        assert record["requestParameters"] == {"keyId": story.sample.key_id, "pendingWindowInDays": 8}
        assert record["responseElements"] == {
            "keyId": story.sample.arn,
            "keyState": "PendingDeletion",
            "pendingWindowInDays": 8,
            "deletionDate": on_trail(story.answers["ScheduleKeyDeletion"]["DeletionDate"]),
        }

    @pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias", "DeleteAlias"])
    def test_aliases_have_two_resources(self, story: Story, operation: str) -> None:
        record = story[operation]
        name = record["requestParameters"]["aliasName"]
        target = story.sample if operation == "CreateAlias" else story.other
        expected = {"aliasName": name}
        if operation != "DeleteAlias":
            expected["targetKeyId"] = target.key_id
        alias_arn = target.arn.rpartition(":")[0] + ":" + name
        assert record["requestParameters"] == expected
        assert record["responseElements"] == {"keyId": target.arn}
        both = [target.arn, alias_arn] if operation == "CreateAlias" else [alias_arn, target.arn]
        assert record["resources"] == resources(*both)
        assert record["readOnly"] is False


def on_trail(date: datetime) -> str:
    """A date as CloudTrail writes it inside a record: `Aug 10, 2022, 10:38:27 PM`."""
    date = date.astimezone(UTC)
    return f"{date:%b} {date.day}, {date.year}, {int(f'{date:%I}')}:{date:%M:%S %p}"


@pytest.mark.parametrize(
    ("label", "parameters", "on_key"),
    [
        ("DescribeKey", {"keyId": "{alias}"}, True),
        ("ListKeys", None, False),
        ("ListKeys with a limit", {"limit": 7, "resourceOwners": ["SELF"]}, False),
        ("ListAliases", None, False),
        ("ListAliases of a key", {"keyId": "{key_id}", "limit": 3}, True),
        ("ListResourceTags", {"keyId": "{key_id}"}, True),
        ("GetKeyPolicy", {"keyId": "{key_id}", "policyName": "default"}, True),
        ("ListKeyPolicies", {"keyId": "{key_id}"}, True),
        ("GetKeyRotationStatus", {"keyId": "{key_id}"}, True),
        ("ListKeyRotations", {"keyId": "{key_id}", "includeKeyMaterial": "ALL_KEY_MATERIAL"}, True),
        ("GetKeyLastUsage", {"keyId": "{key_id}"}, True),
    ],
)
def test_reading(story: Story, label: str, parameters: dict[str, Any] | None, on_key: bool) -> None:
    record = story[label]
    own = story.other._asdict()
    if parameters is not None:
        parameters = {n: v.format(**own) if isinstance(v, str) else v for n, v in parameters.items()}
    assert record["eventName"] == label.split(" ")[0]
    assert record["requestParameters"] == parameters
    assert record["responseElements"] is None
    assert record["resources"] == (resources(story.other.arn) if on_key else [])
    assert record["readOnly"] is True
    assert "additionalEventData" not in record


def test_the_creation_of_a_managed_key_is_an_event_of_the_service(story: Story, server: Server) -> None:
    key = describe(story.client, "alias/aws/ebs")
    alias_arn = key["Arn"].rpartition(":")[0] + ":alias/aws/ebs"
    created = [
        record
        for record in story.records.values()
        if record["eventName"] == "CreateKey" and record["eventType"] == "AwsServiceEvent"
    ]
    (record,) = created
    assert record["userIdentity"] == {"accountId": server.account_id, "invokedBy": "AWS Internal"}
    assert (record["sourceIPAddress"], record["userAgent"]) == ("AWS Internal", "AWS Internal")
    assert (record["requestParameters"], record["responseElements"]) == (None, None)
    assert record["resources"] == resources(key["Arn"], alias_arn)


def test_usage_names_the_event(story: Story) -> None:
    """What GetKeyLastUsage calls the CloudTrail event is the event's id on the trail."""
    record = story["ReEncrypt"]
    deadline = time.monotonic() + 20
    used: dict[str, Any] = {}
    while used.get("Operation") != "ReEncrypt" and time.monotonic() < deadline:
        used = story.client.get_key_last_usage(KeyId=story.other.key_id)["KeyLastUsage"]
        time.sleep(0.05)
    assert used["CloudTrailEventId"] == record["eventID"]
    assert used["KmsRequestId"] == record["requestID"]
