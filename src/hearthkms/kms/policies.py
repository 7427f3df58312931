"""Key policies: the default one, and what a given one must satisfy before it is kept.

Source: KMS API reference, PutKeyPolicy; developer guide, "Default key policy".
"""

from __future__ import annotations

from typing import Any

from hearthkms.core.ids import root_arn
from hearthkms.iam.policy import PolicyError, parse_key_policy
from hearthkms.kms import errors
from hearthkms.kms.environment import Environment
from hearthkms.service.call import Call

POLICY_QUOTA = 32_768

# Laid out as AWS lays it out.
_DEFAULT = """\
{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "ROOT"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}"""


def default_policy(account_id: str) -> str:
    """The policy of a key that was created without one: the account's IAM policies decide."""
    return _DEFAULT.replace("ROOT", root_arn(account_id))


async def checked_policy(
    env: Environment[Any], call: Call, account_id: str, arn: str, text: str, *, bypass: bool
) -> None:
    """Raise AWS's error where `text` cannot be the policy of the key `arn` of `account_id`.

    LimitExceededException over 32,768 bytes; MalformedPolicyDocumentException where it is not a valid
    policy, names principals that do not exist, or, unless `bypass`, would not let the caller change it again.
    """
    if len(text.encode()) > POLICY_QUOTA:
        raise errors.limit_exceeded(f"The key policy is over the quota of {POLICY_QUOTA} bytes.")
    try:
        policy = parse_key_policy(text)
    except PolicyError as error:
        raise errors.malformed_policy(str(error)) from error
    for principal in policy.principals():
        if not await env.view.principal_exists(principal):
            raise errors.malformed_policy("Policy contains a statement with one or more invalid principals.")
    if not bypass and not policy.lets_change(call.caller.arn, account_id, arn):
        raise errors.malformed_policy(
            "The new key policy will not allow you to update the key policy in the future."
        )
