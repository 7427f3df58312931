"""KeyMetadata and the other shapes in which keys are shown.

Source: KMS API reference, KeyMetadata; which members are present when, as observed.
"""

from __future__ import annotations

from typing import Any

from hearthkms.core.ids import alias_arn
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key, KeyState
from hearthkms.service.operation import lower_camel
from hearthkms.service.trail import date_text


def key_metadata(key: Key) -> dict[str, Any]:
    """The KeyMetadata of a symmetric encryption key."""
    shown: dict[str, Any] = {
        "AWSAccountId": key.account_id,
        "KeyId": key.key_id,
        "Arn": key.arn,
        "CreationDate": key.creation_date,
        "Enabled": key.state is KeyState.ENABLED,
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": key.state.value,
        "Origin": key.origin,
        "KeyManager": key.manager,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": key.multi_region,
    }
    if key.current_material_id is not None:
        shown["CurrentKeyMaterialId"] = key.current_material_id
    if key.state is KeyState.PENDING_DELETION:
        shown["DeletionDate"] = key.deletion_date
    return shown


def key_on_trail(key: Key) -> dict[str, Any]:
    """The KeyMetadata of a new key as its audit record shows it: lower camel case, and dates as text."""
    shown: dict[str, Any] = lower_camel(key_metadata(key))
    del shown["aWSAccountId"]
    return {"AWSAccountId": key.account_id, **shown, "creationDate": date_text(key.creation_date)}


def alias_entry(alias: Alias) -> dict[str, Any]:
    """An entry of ListAliases."""
    return {
        "AliasName": alias.name,
        "AliasArn": alias.arn,
        "TargetKeyId": alias.target_key_id,
        "CreationDate": alias.creation_date,
        "LastUpdatedDate": alias.last_updated_date,
    }


def unused_alias_entry(region: str, account_id: str, name: str) -> dict[str, Any]:
    """The entry of a predefined alias whose AWS managed key does not exist yet."""
    return {"AliasName": name, "AliasArn": alias_arn(region, account_id, name)}
