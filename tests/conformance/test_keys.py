"""CreateKey, DescribeKey, ListKeys, UpdateKeyDescription and GetKeyLastUsage."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from tests.conformance.answers import constraint, describe, refusal
from tests.conformance.calls import Sample, new_sample
from tests.support.server import Server

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MATERIAL = re.compile(r"[0-9a-f]{64}")
SYMMETRIC = {
    "Enabled": True,
    "Description": "",
    "KeyUsage": "ENCRYPT_DECRYPT",
    "KeyState": "Enabled",
    "Origin": "AWS_KMS",
    "KeyManager": "CUSTOMER",
    "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
    "KeySpec": "SYMMETRIC_DEFAULT",
    "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
    "MultiRegion": False,
}


def test_metadata_of_a_new_key_to_the_last_member(kms: Any, server: Server) -> None:
    before = time.time()
    created = kms.create_key()["KeyMetadata"]
    own = {name: created.pop(name) for name in ("KeyId", "Arn", "CreationDate", "CurrentKeyMaterialId")}
    assert created == SYMMETRIC | {"AWSAccountId": server.account_id}
    assert UUID.fullmatch(own["KeyId"])
    assert own["Arn"] == f"arn:aws:kms:{kms.meta.region_name}:{server.account_id}:key/{own['KeyId']}"
    assert abs(own["CreationDate"].timestamp() - before) < 5
    assert MATERIAL.fullmatch(own["CurrentKeyMaterialId"])
    assert describe(kms, own["KeyId"]) == created | own


@pytest.mark.parametrize(
    "given",
    [
        {"KeySpec": "SYMMETRIC_DEFAULT"},
        {"CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"},
        {"KeyUsage": "ENCRYPT_DECRYPT"},
        {"Origin": "AWS_KMS", "MultiRegion": False, "Tags": [], "BypassPolicyLockoutSafetyCheck": True},
    ],
)
def test_defaults_may_be_spelt_out(kms: Any, given: dict[str, Any]) -> None:
    created = kms.create_key(**given)["KeyMetadata"]
    assert {name: created[name] for name in SYMMETRIC} == SYMMETRIC


@pytest.mark.parametrize("text", ["", 'für Ümläute, \U0001f511 and "quotes"\n', "x" * 8192])
def test_descriptions(kms: Any, sample: Sample, text: str) -> None:
    assert kms.create_key(Description=text)["KeyMetadata"]["Description"] == text
    kms.update_key_description(KeyId=sample.key_id, Description=text)
    assert describe(kms, sample.key_id)["Description"] == text


def test_a_description_is_at_most_8192_characters(kms: Any, shared: Sample) -> None:
    text = "x" * 8193
    expected = constraint("description", "Member must have length less than or equal to 8192", f"'{text}'")
    assert refusal(kms.create_key, Description=text) == expected
    assert refusal(kms.update_key_description, KeyId=shared.key_id, Description=text) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"},
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
            "CustomerMasterKeySpec is deprecated.",
        ),
        (
            {"KeySpec": "HMAC_256"},
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
        ),
        (
            {"KeyUsage": "SIGN_VERIFY"},
            "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT",
        ),
        ({"Origin": "AWS_CLOUDHSM"}, "CustomKeyStoreId is required when Origin is AWS_CLOUDHSM."),
        ({"XksKeyId": "x"}, "XksKeyId is only valid when Origin is EXTERNAL_KEY_STORE."),
    ],
)
def test_parameters_that_do_not_go_together(kms: Any, given: dict[str, Any], message: str) -> None:
    assert refusal(kms.create_key, **given) == ("ValidationException", message)


def test_an_unknown_custom_key_store(kms: Any) -> None:
    answer = refusal(kms.create_key, Origin="AWS_CLOUDHSM", CustomKeyStoreId="cks-1234567890abcdef0")
    assert answer[0] == "CustomKeyStoreNotFoundException"


@pytest.mark.parametrize(
    "given",
    [
        {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
        {"Origin": "EXTERNAL"},
        {"MultiRegion": True},
    ],
)
def test_keys_that_are_not_made_yet_are_said_to_be_unsupported(kms: Any, given: dict[str, Any]) -> None:
    assert refusal(kms.create_key, **given)[0] == "UnsupportedOperationException"


@pytest.mark.parametrize(
    ("member", "at"), [("KeySpec", "keySpec"), ("KeyUsage", "keyUsage"), ("Origin", "origin")]
)
def test_enums(loose: Any, member: str, at: str) -> None:
    code, message = refusal(loose.create_key, **{member: "SOMETHING"})
    assert code == "ValidationException"
    assert message.startswith(
        f"1 validation error detected: Value 'SOMETHING' at '{at}' failed to satisfy constraint: "
        "Member must satisfy enum value set: ["
    )


def test_a_refused_creation_creates_nothing(server: Server) -> None:
    region = server.client(region="ap-east-1")
    refusal(region.create_key, Tags=[{"TagKey": "aws:a", "TagValue": ""}])
    refusal(region.create_key, Policy="no policy")
    assert region.list_keys()["Keys"] == []


class TestListKeys:
    """ListKeys shows the keys of one account and Region, in whatever state."""

    def test_own_keys(self, server: Server) -> None:
        region = server.client(region="ap-northeast-1")
        made = [region.create_key()["KeyMetadata"] for _ in range(3)]
        region.disable_key(KeyId=made[0]["KeyId"])
        region.schedule_key_deletion(KeyId=made[1]["KeyId"])
        answer = region.list_keys()
        expected = sorted(({"KeyId": key["KeyId"], "KeyArn": key["Arn"]} for key in made), key=str)
        assert sorted(answer["Keys"], key=str) == expected
        assert answer["Truncated"] is False
        assert "NextMarker" not in answer

    def test_owners(self, kms: Any, shared: Sample) -> None:
        """No resource shares exist, so that other accounts share nothing."""
        assert kms.list_keys(ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"])["Keys"] == []
        own = kms.list_keys(Limit=1000)["Keys"]
        assert {"KeyId": shared.key_id, "KeyArn": shared.arn} in own
        for owners in (["SELF"], ["SELF", "OTHER_ACCOUNTS_VIA_RAM"], ["OTHER_ACCOUNTS_VIA_RAM", "SELF"]):
            assert kms.list_keys(ResourceOwners=owners, Limit=1000)["Keys"] == own

    def test_a_marker_belongs_to_its_owners(self, kms: Any, shared: Sample) -> None:
        new_sample(kms)
        marker = kms.list_keys(Limit=1)["NextMarker"]
        answer = refusal(kms.list_keys, Limit=1, Marker=marker, ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"])
        assert answer[0] == "InvalidMarkerException"


class TestGetKeyLastUsage:
    """The last successful cryptographic use of a key; each is known within seconds."""

    def usage(self, kms: Any, key_id: str, request_id: str) -> dict[str, Any]:
        """The last usage, once it is the one of this request."""
        deadline = time.monotonic() + 20
        while True:
            found: dict[str, Any] = kms.get_key_last_usage(KeyId=key_id)["KeyLastUsage"]
            if found.get("KmsRequestId") == request_id:
                return found
            assert time.monotonic() < deadline, f"{request_id} is not the last usage: {found}"
            time.sleep(0.05)

    def test_never_used(self, kms: Any) -> None:
        key = kms.create_key()["KeyMetadata"]
        refusal(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x", DryRun=True)
        answer = kms.get_key_last_usage(KeyId=key["KeyId"])
        assert answer["KeyId"] == key["Arn"]
        assert answer["KeyLastUsage"] == {}
        assert answer["KeyCreationDate"] == answer["TrackingStartDate"] == key["CreationDate"]

    def test_each_operation_and_both_keys_of_re_encrypt(self, kms: Any, shared: Sample) -> None:
        sample = new_sample(kms)
        key = sample.key_id
        uses = {
            "Encrypt": kms.encrypt(KeyId=key, Plaintext=b"x"),
            "GenerateDataKey": kms.generate_data_key(KeyId=key, KeySpec="AES_128"),
            "GenerateDataKeyWithoutPlaintext": kms.generate_data_key_without_plaintext(
                KeyId=key, KeySpec="AES_128"
            ),
            "Decrypt": kms.decrypt(CiphertextBlob=sample.ciphertext),
        }
        answer = kms.re_encrypt(CiphertextBlob=sample.ciphertext, DestinationKeyId=shared.key_id)
        last = answer["ResponseMetadata"]["RequestId"]
        for used in (key, shared.key_id):
            found = self.usage(kms, used, last)
            assert found["Operation"] == "ReEncrypt"
            assert abs(found["Timestamp"].timestamp() - time.time()) < 30
            assert UUID.fullmatch(found["CloudTrailEventId"])
        for operation in ("Decrypt", "Encrypt"):
            parameters = {"Decrypt": {"CiphertextBlob": sample.ciphertext}}.get(
                operation, {"KeyId": key, "Plaintext": b"y"}
            )
            again = getattr(kms, operation.lower())(**parameters)
            found = self.usage(kms, key, again["ResponseMetadata"]["RequestId"])
            assert found["Operation"] == operation
        assert len({use["ResponseMetadata"]["RequestId"] for use in uses.values()}) == len(uses)

    def test_failures_do_not_count(self, kms: Any, sample: Sample) -> None:
        used = kms.decrypt(CiphertextBlob=sample.ciphertext)["ResponseMetadata"]["RequestId"]
        refusal(kms.decrypt, CiphertextBlob=sample.ciphertext, EncryptionContext={"a": "b"})
        assert self.usage(kms, sample.key_id, used)["Operation"] == "Decrypt"
        after = kms.get_key_last_usage(KeyId=sample.key_id)["KeyLastUsage"]
        assert after["KmsRequestId"] == used
