"""Access keys of the account's root: made, opened for verification, listed."""

from __future__ import annotations

import base64
import os
from typing import Protocol

from hearthkms.core.clock import millis
from hearthkms.core.ids import root_arn
from hearthkms.core.secret import Secret
from hearthkms.iam.ports import AccessKey, AccessKeys
from hearthkms.keystores.default.domainkey import SERVICE_DOMAIN
from hearthkms.keystores.default.keyring import ACCESS_KEY, DomainKeySource, Keyring
from hearthkms.kms.ports import Repository

_ID_BYTES, _SECRET_BYTES = 10, 30


class Store(Repository, AccessKeys, Protocol):
    """A transaction, as far as credentials need it."""


async def make_root_key(
    store: Store, keyring: Keyring, account_id: str, now: float
) -> tuple[AccessKey, Secret]:
    """A new access key for the account's root user: id of 20 characters, secret of 40, as AWS's are."""
    access_key_id = "AKIA" + base64.b32encode(os.urandom(_ID_BYTES)).decode()
    secret = Secret(base64.b64encode(os.urandom(_SECRET_BYTES)))
    sealed, version = await keyring.seal(store, SERVICE_DOMAIN, ACCESS_KEY, access_key_id, secret)
    access_key = AccessKey(
        access_key_id=access_key_id,
        account_id=account_id,
        principal_arn=root_arn(account_id),
        sealed_secret=sealed,
        domain_version=version,
        active=True,
        creation_date=millis(now),
    )
    await store.insert_access_key(access_key)
    return access_key, secret


async def open_secret(source: DomainKeySource, keyring: Keyring, access_key: AccessKey) -> Secret:
    """The secret of an access key. `source` reads domain keys."""
    return await keyring.open(
        source,
        SERVICE_DOMAIN,
        ACCESS_KEY,
        access_key.access_key_id,
        access_key.sealed_secret,
        access_key.domain_version,
    )
