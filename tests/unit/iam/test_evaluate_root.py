"""The decision while the account's root user is the only principal: its own account, and no more."""

from __future__ import annotations

import pytest

from hearthkms.iam.evaluate import Allow, Deny, evaluate

ACCOUNT, OTHER = "111122223333", "999988887777"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize("action", ["kms:Encrypt", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"])
def test_root_may_do_everything_to_its_own_keys(action: str) -> None:
    assert evaluate(ROOT, ACCOUNT, action, KEY, ACCOUNT, "CUSTOMER") == Allow()


def test_root_may_do_what_is_on_no_key() -> None:
    assert evaluate(ROOT, ACCOUNT, "kms:CreateKey", "*", None, "CUSTOMER") == Allow()


@pytest.mark.parametrize("action", ["kms:DescribeKey", "kms:Encrypt"])
def test_root_may_do_nothing_to_the_keys_of_others(action: str) -> None:
    decision = evaluate(ROOT, ACCOUNT, action, KEY, OTHER, "CUSTOMER")
    assert decision == Deny(
        f"User: {ROOT} is not authorized to perform: {action} on resource: {KEY} because the resource does "
        "not exist in this Region, no resource-based policies allow access, or a resource-based policy "
        "explicitly denies access"
    )


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("kms:DescribeKey", True),
        ("kms:GetKeyPolicy", True),
        ("kms:ListResourceTags", True),
        ("kms:RevokeGrant", True),
        ("kms:Encrypt", False),
        ("kms:CreateGrant", False),
        ("kms:RevokeGrants", False),
        ("kms:ScheduleKeyDeletion", False),
        ("kms:UpdateAlias", False),
    ],
)
def test_managed_keys(action: str, allowed: bool) -> None:
    decision = evaluate(ROOT, ACCOUNT, action, KEY, ACCOUNT, "AWS")
    if allowed:
        assert decision == Allow()
    else:
        assert decision == Deny(
            f"User: {ROOT} is not authorized to perform: {action} on resource: {KEY} because no "
            f"resource-based policy allows the {action} action"
        )


@pytest.mark.parametrize(
    "caller",
    [
        f"arn:aws:iam::{ACCOUNT}:user/Alice",
        f"arn:aws:iam::{OTHER}:root",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/session",
        f"arn:aws:iam::{ACCOUNT}:root/",
        "",
    ],
)
@pytest.mark.parametrize("owner", [ACCOUNT, None])
def test_whoever_is_not_root_is_denied(caller: str, owner: str | None) -> None:
    decision = evaluate(caller, ACCOUNT, "kms:DescribeKey", KEY, owner, "CUSTOMER")
    assert decision == Deny(
        f"User: {caller} is not authorized to perform: kms:DescribeKey on resource: {KEY} because no "
        "identity-based policy allows the kms:DescribeKey action"
    )
