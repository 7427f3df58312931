"""CreateAlias, UpdateAlias, DeleteAlias and ListAliases."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.conformance.answers import constraint, describe, new_alias, refusal
from tests.conformance.calls import Sample, new_sample
from tests.support.server import Server

PREFIX = (
    "ValidationException",
    'Alias must start with the prefix "alias/". Please see '
    "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
)
RESERVED = ("NotAuthorizedException", "")


def entry(kms: Any, sample: Sample, name: str) -> dict[str, Any]:
    """The entry of an alias in its key's list."""
    (found,) = [
        alias for alias in kms.list_aliases(KeyId=sample.key_id)["Aliases"] if alias["AliasName"] == name
    ]
    return dict(found)


def test_life_of_an_alias(kms: Any, shared: Sample, sample: Sample) -> None:
    name = new_alias()
    before = time.time()
    kms.create_alias(AliasName=name, TargetKeyId=shared.arn)
    created = entry(kms, shared, name)
    assert created["TargetKeyId"] == shared.key_id
    assert created["AliasArn"] == shared.arn.rpartition(":")[0] + ":" + name
    assert created["CreationDate"] == created["LastUpdatedDate"]
    assert abs(created["CreationDate"].timestamp() - before) < 5
    kms.update_alias(AliasName=name, TargetKeyId=sample.key_id)
    updated = entry(kms, sample, name)
    assert updated["CreationDate"] == created["CreationDate"] < updated["LastUpdatedDate"]
    assert kms.encrypt(KeyId=name, Plaintext=b"x")["KeyId"] == sample.arn
    kms.delete_alias(AliasName=name)
    assert refusal(kms.describe_key, KeyId=name) == (
        "NotFoundException",
        f"Alias {created['AliasArn']} is not found.",
    )
    kms.create_alias(AliasName=name, TargetKeyId=shared.key_id)
    assert describe(kms, name)["KeyId"] == shared.key_id


@pytest.mark.parametrize("name", ["a", "a/b/c", "0_9-Z", "x" * 250, "AWS/x", "aws-x"])
def test_names_that_are_taken(kms: Any, shared: Sample, name: str) -> None:
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=shared.key_id)
    assert describe(kms, f"alias/{name}")["KeyId"] == shared.key_id
    kms.delete_alias(AliasName=f"alias/{name}")


@pytest.mark.parametrize("operation", ["create_alias", "update_alias", "delete_alias"])
class TestNames:
    """What an alias may not be called; the same in each operation that takes its name."""

    def call(self, client: Any, operation: str, shared: Sample, name: str) -> tuple[str, str]:
        target = {} if operation == "delete_alias" else {"TargetKeyId": shared.key_id}
        return refusal(getattr(client, operation), AliasName=name, **target)

    @pytest.mark.parametrize("name", ["no-prefix", "Alias/x", "alias", "alias/"])
    def test_prefix(self, kms: Any, shared: Sample, operation: str, name: str) -> None:
        assert self.call(kms, operation, shared, name) == PREFIX

    @pytest.mark.parametrize("name", ["alias/aws/s3", "alias/aws/mine"])
    def test_reserved(self, kms: Any, shared: Sample, operation: str, name: str) -> None:
        assert self.call(kms, operation, shared, name) == RESERVED

    @pytest.mark.parametrize("name", ["alias/a b", "alias/ä", "alias/a.b", "alias/a\n"])
    def test_characters(self, kms: Any, shared: Sample, operation: str, name: str) -> None:
        pattern = "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"
        assert self.call(kms, operation, shared, name) == constraint("aliasName", pattern, f"'{name}'")

    def test_colon(self, kms: Any, shared: Sample, operation: str) -> None:
        expected = ("ValidationException", "alias/my:alias contains invalid characters for an alias")
        assert self.call(kms, operation, shared, "alias/my:alias") == expected

    def test_length(self, loose: Any, shared: Sample, operation: str) -> None:
        name = "alias/" + "x" * 251
        expected = constraint("aliasName", "Member must have length less than or equal to 256", f"'{name}'")
        assert self.call(loose, operation, shared, name) == expected


def test_a_name_is_taken_once(kms: Any, sample: Sample, shared: Sample) -> None:
    expected = ("AlreadyExistsException", f"An alias with the name {sample.alias_arn} already exists")
    for target in (sample.key_id, shared.key_id):
        assert refusal(kms.create_alias, AliasName=sample.alias, TargetKeyId=target) == expected
    assert describe(kms, sample.alias)["KeyId"] == sample.key_id


def test_names_differ_by_case(kms: Any, sample: Sample, shared: Sample) -> None:
    name = sample.alias + "x"
    kms.create_alias(AliasName=name, TargetKeyId=sample.key_id)
    kms.create_alias(AliasName=name[:-1] + "X", TargetKeyId=shared.key_id)
    assert describe(kms, name)["KeyId"] == sample.key_id


@pytest.mark.parametrize("operation", ["update_alias", "delete_alias"])
def test_an_alias_that_does_not_exist(kms: Any, shared: Sample, operation: str) -> None:
    name = new_alias()
    target = {} if operation == "delete_alias" else {"TargetKeyId": shared.key_id}
    arn = shared.arn.rpartition(":")[0] + ":" + name
    answer = refusal(getattr(kms, operation), AliasName=name, **target)
    assert answer == ("NotFoundException", f"Alias {arn} is not found.")


def test_updating_to_the_same_key_only_touches_the_date(kms: Any, sample: Sample) -> None:
    before = entry(kms, sample, sample.alias)
    kms.update_alias(AliasName=sample.alias, TargetKeyId=sample.key_id)
    after = entry(kms, sample, sample.alias)
    assert after.pop("LastUpdatedDate") > before.pop("LastUpdatedDate")
    assert after == before


def test_the_same_name_in_two_regions(kms: Any, server: Server, sample: Sample) -> None:
    other = server.client(region="eu-central-2")
    key = other.create_key()["KeyMetadata"]
    other.create_alias(AliasName=sample.alias, TargetKeyId=key["KeyId"])
    assert describe(other, sample.alias)["KeyId"] == key["KeyId"]
    other.delete_alias(AliasName=sample.alias)
    assert describe(kms, sample.alias)["KeyId"] == sample.key_id


class TestListAliases:
    """ListAliases shows own aliases, and the predefined ones, which have no key until one is used."""

    def test_of_a_key(self, kms: Any) -> None:
        sample = new_sample(kms)
        more = sorted([new_alias(), sample.alias])
        kms.create_alias(AliasName=next(n for n in more if n != sample.alias), TargetKeyId=sample.key_id)
        for given in (sample.key_id, sample.arn):
            answer = kms.list_aliases(KeyId=given)
            assert [alias["AliasName"] for alias in answer["Aliases"]] == more
            assert all(alias["TargetKeyId"] == sample.key_id for alias in answer["Aliases"])
            assert answer["Truncated"] is False

    def test_of_a_key_without_any(self, kms: Any) -> None:
        key = kms.create_key()["KeyMetadata"]
        answer = kms.list_aliases(KeyId=key["KeyId"])
        assert answer["Aliases"] == []

    def test_predefined(self, server: Server) -> None:
        region = server.client(region="ap-south-1")
        fresh = region.list_aliases(Limit=100)["Aliases"]
        assert {"alias/aws/ebs", "alias/aws/s3", "alias/aws/secretsmanager"} <= {
            a["AliasName"] for a in fresh
        }
        for alias in fresh:
            arn = f"arn:aws:kms:ap-south-1:{server.account_id}:{alias['AliasName']}"
            assert alias == {"AliasName": alias["AliasName"], "AliasArn": arn}

    def test_one_hundred_is_the_most(self, loose: Any, shared: Sample) -> None:
        for given in ({}, {"KeyId": shared.key_id}, {"KeyId": "no-such-key"}):
            answer = refusal(loose.list_aliases, Limit=101, **given)
            assert answer == constraint("limit", "Member must have value less than or equal to 100", "'101'")
