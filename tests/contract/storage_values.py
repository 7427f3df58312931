"""Values to store."""

from __future__ import annotations

import uuid
from typing import Any

from hearthkms.core.ids import root_arn
from hearthkms.iam.ports import AccessKey
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key, KeyState, Material
from hearthkms.kms.ports import DomainKey

REGION = "eu-central-1"
ACCOUNT = "111122223333"
POLICY = '{"Version":"2012-10-17","Statement":[]}'


def a_key(**fields: Any) -> Key:
    """A key; what the test does not care about has some value."""
    values: dict[str, Any] = {
        "region": REGION,
        "account_id": ACCOUNT,
        "key_id": str(uuid.uuid4()),
        "creation_date": 1_700_000_000.123,
        "state": KeyState.ENABLED,
        "policy": POLICY,
    }
    values |= fields
    values["arn"] = Key.arn_of(values["region"], values["account_id"], values["key_id"])
    return Key(**values)


def a_material(key: Key, sequence: int = 1, **fields: Any) -> Material:
    """A version of `key`'s material."""
    values: dict[str, Any] = {
        "region": key.region,
        "key_id": key.key_id,
        "material_id": uuid.uuid4().hex * 2,
        "sequence": sequence,
        "sealed": bytes(range(256)),
        "domain_version": 1,
        "creation_date": 1_700_000_000.123,
    }
    return Material(**(values | fields))


def an_alias(key: Key, name: str = "alias/test") -> Alias:
    """An alias of `key`."""
    return Alias(key.region, key.account_id, name, key.key_id, 1_700_000_000.5, 1_700_000_001.25)


def an_access_key(**fields: Any) -> AccessKey:
    """An access key of the account's root."""
    values: dict[str, Any] = {
        "access_key_id": f"AKIA{uuid.uuid4().hex[:16].upper()}",
        "account_id": ACCOUNT,
        "principal_arn": root_arn(ACCOUNT),
        "sealed_secret": b"\x00sealed\xff",
        "domain_version": 3,
        "active": True,
        "creation_date": 1_700_000_000.0,
    }
    return AccessKey(**(values | fields))


def a_domain_key(version: int = 1, region: str = REGION, sealed: bytes = b"sealed") -> DomainKey:
    """A domain key."""
    return DomainKey(region, version, sealed, "root-1", 1_700_000_000.0)
