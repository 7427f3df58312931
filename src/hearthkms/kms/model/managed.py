"""AWS managed keys: the predefined aliases, and the fixed policy of the key behind each.

Source: AWS KMS developer guide, "AWS managed keys" and "View the key policy of an AWS managed key".
"""

from __future__ import annotations

import json

from hearthkms.core.ids import root_arn

PREFIX = "alias/aws/"

# Alias name after `alias/aws/`, and the prefix of the service endpoint that `kms:ViaService` names.
_SERVICES = {
    "acm": "acm",
    "backup": "backup",
    "cassandra": "cassandra",
    "codeartifact": "codeartifact",
    "dms": "dms",
    "dynamodb": "dynamodb",
    "ebs": "ec2",
    "ecr": "ecr",
    "elasticfilesystem": "elasticfilesystem",
    "es": "es",
    "fsx": "fsx",
    "glue": "glue",
    "kinesis": "kinesis",
    "kinesisvideo": "kinesisvideo",
    "lambda": "lambda",
    "memorydb": "memorydb",
    "rds": "rds",
    "redshift": "redshift",
    "s3": "s3",
    "secretsmanager": "secretsmanager",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "workspaces": "workspaces",
    "xray": "xray",
}

PREDEFINED_ALIASES = tuple(sorted(PREFIX + name for name in _SERVICES))
"""The aliases that every account and Region shows before their keys exist."""

_USES = (
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncrypt*",
    "kms:GenerateDataKey*",
    "kms:CreateGrant",
    "kms:DescribeKey",
)


def description(alias: str) -> str:
    """The description of the key behind a predefined alias."""
    return f"Default key that protects my {alias.removeprefix(PREFIX)} data when no other key is defined"


def policy(alias: str, region: str, account_id: str) -> str:
    """The fixed key policy: use through the service alone, reading by the account."""
    service = alias.removeprefix(PREFIX)
    document = {
        "Version": "2012-10-17",
        "Id": f"auto-{service}-1",
        "Statement": [
            {
                "Sid": f"Allow access through {service} for all authorized principals of the account",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": list(_USES),
                "Resource": "*",
                "Condition": {
                    "StringEquals": {
                        "kms:CallerAccount": account_id,
                        "kms:ViaService": f"{_SERVICES[service]}.{region}.amazonaws.com",
                    }
                },
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": root_arn(account_id)},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    }
    return json.dumps(document, indent=2)
