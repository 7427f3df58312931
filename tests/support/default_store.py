"""A default key store over a repository in memory, and keys in it, for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from hearthkms.core.eager import finish
from hearthkms.core.secret import Secret
from hearthkms.keystores.default import DefaultKeyStore, Keyring, RootOfTrust
from hearthkms.keystores.default.root import SymmetricRoot
from hearthkms.kms.model.key import Key, KeyState, Material
from tests.support.memory import MemoryRepository

FRANKFURT = "eu-central-1"
DUBLIN = "eu-west-1"
ACCOUNT = "111122223333"
ROOT_KEY = bytes(range(32))


class Time:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Setup(NamedTuple):
    """A key store and what it stands on."""

    repository: MemoryRepository
    keyring: Keyring
    store: DefaultKeyStore
    time: Time

    def restarted(self) -> Setup:
        """The same data, seen by a process that has opened nothing yet."""
        return self.under(SymmetricRoot("key-file", Secret(ROOT_KEY)))

    def under(self, root: RootOfTrust) -> Setup:
        """The same data, seen by a process that starts with `root`."""
        keyring = Keyring(root, self.time)
        store = DefaultKeyStore(keyring, self.repository.domain_key)
        return Setup(self.repository, keyring, store, self.time)

    def add_key(self, key_id: str, region: str = FRANKFURT) -> Key:
        """Make a key with its first material."""
        key = Key(
            region=region,
            account_id=ACCOUNT,
            key_id=key_id,
            arn=Key.arn_of(region, ACCOUNT, key_id),
            creation_date=self.time(),
            state=KeyState.ENABLED,
            policy="{}",
        )
        finish(self.repository.insert_key(key))
        return self.add_material(key)

    def add_material(self, key: Key) -> Key:
        """Rotate the key."""
        fresh = finish(self.store.new_material(self.repository, key))
        older = finish(self.repository.list_materials(key.region, key.key_id, 0, 100))
        finish(
            self.repository.insert_material(
                Material(
                    region=key.region,
                    key_id=key.key_id,
                    material_id=fresh.material_id,
                    sequence=len(older) + 1,
                    sealed=fresh.sealed,
                    domain_version=fresh.domain_version,
                    creation_date=self.time(),
                )
            )
        )
        key = replace(key, current_material_id=fresh.material_id)
        finish(self.repository.update_key(key))
        return key

    def material_of(self, key: Key) -> Material:
        """The stored current material."""
        assert key.current_material_id is not None
        return self.repository.materials[key.region, key.key_id, key.current_material_id]

    def encrypt(self, key: Key, plaintext: bytes = b"plaintext", **context: str) -> bytes:
        """A blob."""
        return finish(self.store.encrypt(self.repository, key, plaintext, context)).blob

    def decrypt(self, key: Key, blob: bytes, **context: str) -> bytes:
        """The plaintext of a blob."""
        return finish(self.store.decrypt(self.repository, key, blob, context)).plaintext.reveal()


KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_ID = "0987dcba-09fe-87dc-65ba-ab0987654321"
MRK_ID = "mrk-1234abcd12ab34cd56ef1234567890ab"


def new_setup() -> Setup:
    """An empty key store."""
    repository, time = MemoryRepository(), Time()
    keyring = Keyring(SymmetricRoot("key-file", Secret(ROOT_KEY)), time)
    return Setup(repository, keyring, DefaultKeyStore(keyring, repository.domain_key), time)
