"""Domain keys under a root of trust: how they are wrapped, and what binds them."""

from __future__ import annotations

from hearthkms.core.errors import SealedError
from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.crypto.sealing import bind
from hearthkms.keystores.default.root import RootOfTrust
from hearthkms.kms.ports import DomainKey

DOMAIN_KEY_BYTES = 32

SERVICE_DOMAIN = "hearthkms"
"""The domain of the service's own secrets; all others are AWS Region names."""


def wrap(root: RootOfTrust, region: str, version: int, creation_date: float, secret: Secret) -> DomainKey:
    """The domain key `secret` sealed under `root`, bound to its Region and version."""
    return DomainKey(region, version, root.seal(secret, _aad(region, version)), root.id, creation_date)


def unwrap(root: RootOfTrust, row: DomainKey) -> Secret:
    """The domain key in `row`.

    Raises SealedError where another root sealed it, AuthenticityError where it is damaged or out of place.
    """
    if row.root_id != root.id:
        raise SealedError(
            f"the domain key {row.version} of {row.region} is sealed under {row.root_id}, "
            f"but the root of trust given is {root.id}"
        )
    try:
        secret = root.open(row.sealed, _aad(row.region, row.version))
    except AuthenticityError as error:
        raise AuthenticityError(
            f"the domain key {row.version} of {row.region} does not open: {error}"
        ) from None
    if len(secret) != DOMAIN_KEY_BYTES:
        raise AuthenticityError(f"the domain key {row.version} of {row.region} has not its size")
    return secret


def _aad(region: str, version: int) -> bytes:
    return bind("domain-key", region, version)
