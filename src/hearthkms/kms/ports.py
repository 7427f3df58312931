"""What the KMS domain needs from outside: a view of the keys, a repository to change them, key stores.

Every method is `async` so that one handler serves three places: the worker's snapshot in memory (which waits
only when it has to load), and read and write transactions (which never wait: they already run in the
storage's thread).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from hearthkms.core.secret import Secret
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key, LastUsage, Material


class KeyView(Protocol):
    """Reading keys by name: all that the hot path needs."""

    @property
    def memo(self) -> dict[Any, Any]:
        """For what was worked out from this view: a dictionary that is replaced as soon as anything changes.

        Take it before reading what an entry depends on, and put the entry into the one that was taken.
        """
        ...

    async def key(self, region: str, key_id: str) -> Key | None:
        """The key with this id in this Region, of any account; None where there is none."""
        ...

    async def alias(self, region: str, account_id: str, name: str) -> Alias | None:
        """The alias `name` (`alias/...`) of this account and Region; None where there is none."""
        ...

    async def material(self, region: str, key_id: str, material_id: str) -> Material | None:
        """One version of a key's material; None where there is none."""
        ...


class Repository(KeyView, Protocol):
    """Keys, aliases and tags inside one transaction.

    Listings are sorted, start after `after` ("" for the start) and give at most `limit` items. Every change
    is noted, so that all workers drop what they hold of it once the transaction has committed.
    """

    # keys
    async def insert_key(self, key: Key) -> None:
        """Keep a new key. Raises AlreadyStoredError where its Region and id are taken."""
        ...

    async def update_key(self, key: Key) -> None:
        """Replace the stored key that has the same Region and id."""
        ...

    async def delete_key(self, region: str, key_id: str) -> None:
        """Remove the key and everything that hangs on it: materials, aliases, tags, usage."""
        ...

    async def list_keys(self, region: str, account_id: str, after: str, limit: int) -> Sequence[Key]:
        """Keys by id, in any state."""
        ...

    async def count_keys(self, region: str, account_id: str) -> int:
        """Customer managed keys of this account and Region, in any state."""
        ...

    async def lock_key(self, region: str, key_id: str) -> Key | None:
        """The key, locked against other transactions until this one ends."""
        ...

    async def keys_due(self, now: float, limit: int) -> Sequence[Key]:
        """Keys of any account and Region whose deletion or rotation date has come."""
        ...

    # material
    async def insert_material(self, material: Material) -> None:
        """Keep a new version of a key's material. Raises AlreadyStoredError where it is stored already."""
        ...

    async def update_material(self, material: Material) -> None:
        """Replace the stored material that has the same Region, key and id."""
        ...

    async def list_materials(
        self, region: str, key_id: str, after_sequence: int, limit: int
    ) -> Sequence[Material]:
        """Materials of a key, oldest first."""
        ...

    async def materials_not_under(self, region: str, domain_version: int, limit: int) -> Sequence[Material]:
        """Materials of a Region that another domain key than this one still seals."""
        ...

    # aliases
    async def insert_alias(self, alias: Alias) -> None:
        """Keep a new alias. Raises AlreadyStoredError where its name is taken."""
        ...

    async def update_alias(self, alias: Alias) -> None:
        """Replace the stored alias that has the same Region, account and name."""
        ...

    async def delete_alias(self, region: str, account_id: str, name: str) -> None:
        """Remove an alias. Raises NotStoredError where there is none."""
        ...

    async def list_aliases(
        self, region: str, account_id: str, target_key_id: str | None, after: str, limit: int
    ) -> Sequence[Alias]:
        """Aliases by name; only those of one key where `target_key_id` is given."""
        ...

    async def count_aliases(self, region: str, key_id: str) -> int:
        """How many aliases a key has."""
        ...

    # tags
    async def put_tags(self, region: str, key_id: str, tags: Mapping[str, str]) -> None:
        """Keep tags of a key, replacing the values of those it has."""
        ...

    async def delete_tags(self, region: str, key_id: str, tag_keys: Sequence[str]) -> None:
        """Remove tags of a key; those that it has not are passed over."""
        ...

    async def list_tags(self, region: str, key_id: str, after: str, limit: int) -> Sequence[tuple[str, str]]:
        """Tags by key, as (key, value)."""
        ...

    # usage
    async def put_usage(self, region: str, key_id: str, usage: LastUsage) -> None:
        """Keep `usage` unless a later one is kept already."""
        ...

    async def usage(self, region: str, key_id: str) -> LastUsage | None:
        """The last use of a key; None where none is known."""
        ...

    # principals
    async def principal_exists(self, arn: str) -> bool:
        """Whether the account root, user or role that a policy names exists."""
        ...

    # domain keys
    async def domain_key(self, region: str, version: int | None) -> DomainKey | None:
        """A domain key of the Region: the given version, or the newest."""
        ...

    async def list_domain_keys(self) -> Sequence[DomainKey]:
        """Every domain key of every Region, by Region and version."""
        ...

    async def put_domain_key(self, domain_key: DomainKey) -> None:
        """Keep a new domain key, unless one with its Region and version is kept: that one then stands."""
        ...

    async def delete_domain_key(self, region: str, version: int) -> None:
        """Remove one version of a Region's domain key."""
        ...


class DomainKey(NamedTuple):
    """A Region's domain key, sealed under the root of trust named `root_id`."""

    region: str
    version: int
    sealed: bytes
    root_id: str
    creation_date: float


class NewMaterial(NamedTuple):
    """Fresh, sealed key material that is not stored yet."""

    material_id: str
    sealed: bytes
    domain_version: int


class Sealed(NamedTuple):
    """What an encryption gives: the ciphertext blob and the material that made it."""

    blob: bytes
    material_id: str


class Opened(NamedTuple):
    """What a decryption gives."""

    plaintext: Secret
    material_id: str


class KeyStore(Protocol):
    """Where symmetric key material lives, and where it is used."""

    async def new_material(self, repository: Repository, key: Key) -> NewMaterial:
        """Make fresh material for `key`, inside the transaction that will keep it."""
        ...

    async def encrypt(self, view: KeyView, key: Key, plaintext: bytes, context: Mapping[str, str]) -> Sealed:
        """Encrypt under the key's current material. `context` is the encryption context."""
        ...

    async def decrypt(self, view: KeyView, key: Key, blob: bytes, context: Mapping[str, str]) -> Opened:
        """Open a blob of this key.

        Raises ServiceError InvalidCiphertextException where the blob or the context is not what was sealed.
        """
        ...

    def random(self, size: int) -> bytes:
        """Random bytes from this store's generator."""
        ...
