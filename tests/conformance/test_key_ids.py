"""Which forms of a key's identifier each operation takes, and what it says to every other."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.conformance.answers import (
    ALIAS_NOT_TAKEN,
    INCORRECT_KEY,
    constraint,
    no_such_key,
    refusal,
)
from tests.conformance.calls import CALLS, Sample, new_sample, perform
from tests.support.server import Server

OPERATIONS = sorted(name for name, form in CALLS.items() if form.member is not None)
TAKING_ALIASES = [name for name in OPERATIONS if CALLS[name].takes_aliases]
KEY_ONLY = [name for name in OPERATIONS if not CALLS[name].takes_aliases]
STRANGER = "999988887777"


def with_alias(sample: Sample, form: str) -> str:
    return sample.alias if form == "name" else sample.alias_arn


@pytest.mark.parametrize("operation", OPERATIONS)
def test_key_id_and_key_arn(kms: Any, operation: str) -> None:
    for member in ("key_id", "arn"):
        sample = new_sample(kms)
        if operation == "CancelKeyDeletion":
            kms.schedule_key_deletion(KeyId=sample.key_id)
        answer = perform(kms, operation, sample, getattr(sample, member))
        assert answer.get("KeyId", sample.arn) == sample.arn, "answers name keys by their ARN"


@pytest.mark.parametrize("operation", TAKING_ALIASES)
def test_alias_name_and_alias_arn(kms: Any, shared: Sample, operation: str) -> None:
    for form in ("name", "arn"):
        answer = perform(kms, operation, shared, with_alias(shared, form))
        assert answer.get("KeyId", shared.arn) == shared.arn
        if operation == "DescribeKey":
            assert answer["KeyMetadata"]["Arn"] == shared.arn


@pytest.mark.parametrize("operation", KEY_ONLY)
def test_key_only_operations_refuse_aliases(kms: Any, shared: Sample, operation: str) -> None:
    expected = ALIAS_NOT_TAKEN
    if operation in ("CreateAlias", "UpdateAlias"):
        expected = ("ValidationException", "Aliases must refer to keys. Not aliases")
    for given in (shared.alias, shared.alias_arn, "alias/no-such-alias", "alias/aws/s3"):
        assert refusal(lambda given=given: perform(kms, operation, shared, given)) == expected, given


@pytest.mark.parametrize("operation", TAKING_ALIASES)
def test_missing_aliases(kms: Any, shared: Sample, server: Server, operation: str) -> None:
    region, account = kms.meta.region_name, server.account_id
    arn = f"arn:aws:kms:{region}:{account}:alias/no-such-alias"
    for given in ("alias/no-such-alias", arn):
        answer = refusal(lambda given=given: perform(kms, operation, shared, given))
        assert answer == ("NotFoundException", f"Alias {arn} is not found.")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_identifiers_that_name_nothing(kms: Any, shared: Sample, server: Server, operation: str) -> None:
    region, account = kms.meta.region_name, server.account_id
    nobody = str(uuid.uuid4())
    arn = f"arn:aws:kms:{region}:{account}:key/{nobody}"
    mrk = "mrk-" + uuid.uuid4().hex
    undashed, upper = uuid.uuid4().hex, shared.key_id.upper()
    elsewhere = shared.arn.replace(region, "eu-south-2")
    china = shared.arn.replace("arn:aws:", "arn:aws-cn:")
    cases = {
        nobody: no_such_key(arn),
        arn: no_such_key(arn),
        mrk: no_such_key(f"arn:aws:kms:{region}:{account}:key/{mrk}"),
        elsewhere: ("NotFoundException", "Invalid arn eu-south-2"),
        china: ("NotFoundException", f"Invalid arn {china}"),
        "arn:aws:s3:::bucket": ("NotFoundException", "Invalid arn arn:aws:s3:::bucket"),
        "arn:aws:kms": ("NotFoundException", "Invalid arn arn:aws:kms"),
    }
    malformed = ("no-such-key", undashed, upper, "mrk-junk", "key/" + shared.key_id, arn[:-1], " ", "é")
    cases |= {given: ("NotFoundException", f"Invalid keyId '{given}'") for given in malformed}
    for given, expected in cases.items():
        assert refusal(lambda given=given: perform(kms, operation, shared, given)) == expected, given


@pytest.mark.parametrize("operation", OPERATIONS)
def test_keys_of_other_accounts_are_denied_whether_they_exist_or_not(
    kms: Any, shared: Sample, server: Server, operation: str
) -> None:
    region = kms.meta.region_name
    arn = f"arn:aws:kms:{region}:{STRANGER}:key/{shared.key_id}"
    expected = (
        "AccessDeniedException",
        f"User: arn:aws:iam::{server.account_id}:root is not authorized to perform: kms:{operation} "
        f"on resource: {arn} because the resource does not exist in this Region, no resource-based "
        "policies allow access, or a resource-based policy explicitly denies access",
    )
    if operation == "Decrypt":
        # The ciphertext has told whose key it is, and this is not it; no more is said.
        expected = INCORRECT_KEY
    assert refusal(lambda: perform(kms, operation, shared, arn)) == expected


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_member_is_required_and_bounded(kms: Any, loose: Any, shared: Sample, operation: str) -> None:
    member = CALLS[operation].member
    assert member is not None
    at = member[0].lower() + member[1:]
    long = "k" * 2049
    shorter = "Member must have length less than or equal to 2048"
    assert refusal(lambda: perform(loose, operation, shared, long)) == constraint(at, shorter, f"'{long}'")
    longer = "Member must have length greater than or equal to 1"
    assert refusal(lambda: perform(loose, operation, shared, "")) == constraint(at, longer, "''")
    if operation not in ("Decrypt", "ListAliases"):
        answer = refusal(lambda: perform(loose, operation, shared, **{member: None}))
        assert answer == constraint(at, "Member must not be null", "null")


def test_a_key_is_known_in_its_own_region_alone(kms: Any, server: Server, shared: Sample) -> None:
    other = server.client(region="eu-west-3")
    arn = shared.arn.replace(kms.meta.region_name, "eu-west-3")
    assert refusal(other.describe_key, KeyId=shared.key_id) == no_such_key(arn)
    alias_arn = arn.rpartition(":")[0] + ":" + shared.alias
    answer = refusal(other.describe_key, KeyId=shared.alias)
    assert answer == ("NotFoundException", f"Alias {alias_arn} is not found.")


class TestNamingTheKeyOfACiphertext:
    """Decrypt and ReEncrypt find the key in the ciphertext, then compare it with the one that is named."""

    @pytest.mark.parametrize("form", ["key_id", "arn", "alias", "alias_arn"])
    def test_every_form_of_the_right_key(self, kms: Any, shared: Sample, form: str) -> None:
        named = getattr(shared, form)
        blob = shared.ciphertext
        assert kms.decrypt(CiphertextBlob=blob, KeyId=named)["Plaintext"] == b"sample"
        answer = kms.re_encrypt(CiphertextBlob=blob, SourceKeyId=named, DestinationKeyId=shared.key_id)
        assert answer["SourceKeyId"] == answer["KeyId"] == shared.arn

    @pytest.mark.parametrize("form", ["key_id", "arn", "alias", "alias_arn"])
    def test_another_key(self, kms: Any, shared: Sample, sample: Sample, form: str) -> None:
        named, blob = getattr(sample, form), shared.ciphertext
        assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=named) == INCORRECT_KEY
        answer = refusal(
            kms.re_encrypt, CiphertextBlob=blob, SourceKeyId=named, DestinationKeyId=shared.key_id
        )
        assert answer == INCORRECT_KEY

    def test_the_key_is_compared_before_its_state_is_looked_at(self, kms: Any, shared: Sample) -> None:
        disabled = new_sample(kms)
        kms.disable_key(KeyId=disabled.key_id)
        answer = refusal(kms.decrypt, CiphertextBlob=disabled.ciphertext, KeyId=shared.key_id)
        assert answer == INCORRECT_KEY

    def test_an_alias_is_followed_to_where_it_points_now(self, kms: Any, shared: Sample) -> None:
        moved = new_sample(kms)
        kms.update_alias(AliasName=moved.alias, TargetKeyId=shared.key_id)
        answer = refusal(kms.decrypt, CiphertextBlob=moved.ciphertext, KeyId=moved.alias)
        assert answer == INCORRECT_KEY
        assert kms.decrypt(CiphertextBlob=shared.ciphertext, KeyId=moved.alias)["KeyId"] == shared.arn
