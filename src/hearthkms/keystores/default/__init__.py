"""The default key store: root of trust, domain keys, sealed backing keys, one key a message.

    root of trust      32 bytes that this database does not hold: a key file, or a passphrase
      domain key       one per Region and version, sealed under the root
        backing key    one version of a KMS key's material, sealed under a domain key
          message key  derived for a single message, never kept

May import: kms, engines, core.
"""

from hearthkms.keystores.default.domainkey import SERVICE_DOMAIN
from hearthkms.keystores.default.keyfile import KeyFileRoot
from hearthkms.keystores.default.keyring import ACCESS_KEY, AUDIT_KEY, DomainKeySource, Keyring
from hearthkms.keystores.default.passphrase import PassphraseRoot
from hearthkms.keystores.default.root import RootOfTrust
from hearthkms.keystores.default.store import BoundedOpenedKeys, DefaultKeyStore, OpenedKeys
from hearthkms.keystores.default.upkeep import regions_due, reseal, rewrap

__all__ = [
    "ACCESS_KEY",
    "AUDIT_KEY",
    "SERVICE_DOMAIN",
    "BoundedOpenedKeys",
    "DefaultKeyStore",
    "DomainKeySource",
    "KeyFileRoot",
    "Keyring",
    "OpenedKeys",
    "PassphraseRoot",
    "RootOfTrust",
    "regions_due",
    "reseal",
    "rewrap",
]
