"""docs/spec, followed to the letter by code that shares nothing with the project's.

The decryptor below starts from the root key and the stored rows, and uses the standard library and the
`cryptography` package alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import struct
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.default_store import KEY_ID, MRK_ID, ROOT_KEY, Setup

from hearthkms.core.eager import finish
from hearthkms.core.secret import Secret
from hearthkms.keystores.default import ACCESS_KEY, SERVICE_DOMAIN, KeyFileRoot
from hearthkms.keystores.default.backing import BackingKey
from hearthkms.kms.model.key import Key, Material

DOCS = Path(__file__).parents[3] / "docs" / "spec"

CONTEXTS = [
    {},
    {"purpose": "invoice"},
    {"tenant": "acme", "purpose": "invoice", "": ""},
    {"é": "ü", "z": "\U0001f511", "\uffff": "before", "\U00010000": "after"},
    {"long": "x" * 4000, "y" * 4000: "z"},
]


def kdf(key: bytes, label: str, context: bytes) -> bytes:
    message = b"\x00\x00\x00\x01" + label.encode("ascii") + b"\x00" + context + b"\x00\x00\x01\x00"
    return hmac.new(key, message, hashlib.sha256).digest()


def prefixed(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def canonical(context: dict[str, str]) -> bytes:
    pairs = sorted((name.encode("utf-8"), value.encode("utf-8")) for name, value in context.items())
    return struct.pack(">I", len(pairs)) + b"".join(prefixed(n) + prefixed(v) for n, v in pairs)


def binding(*fields: str | int) -> bytes:
    return b"".join(
        prefixed(field.encode("utf-8") if isinstance(field, str) else struct.pack(">Q", field))
        for field in fields
    )


def open_record(key: bytes, label: str, record: bytes, bound: bytes) -> bytes:
    assert record[0] == 1
    record_key = kdf(key, label, record[1:17])
    return AESGCM(record_key).decrypt(record[17:29], record[29:], record[:29] + bound)


def open_blob(backing_key: bytes, blob: bytes, context: dict[str, str]) -> bytes:
    message_key = kdf(backing_key, "HearthKMS message key v1", blob[50:66])
    return AESGCM(message_key).decrypt(blob[66:78], blob[78:], blob[:78] + canonical(context))


def domain_key(setup: Setup, region: str, version: int) -> bytes:
    row = setup.repository.domain_keys[region, version]
    return open_record(ROOT_KEY, "HearthKMS root seal v1", row.sealed, binding("domain-key", region, version))


def backing_key(setup: Setup, material: Material) -> bytes:
    region, version = material.region, material.domain_version
    name = f"{material.key_id}/{material.material_id}"
    return open_record(
        domain_key(setup, region, version),
        "HearthKMS domain key v1",
        material.sealed,
        binding("sealed-record", region, "backing-key", name, version),
    )


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("size", [1, 32, 4096])
def test_the_specification_opens_a_blob_from_the_root_key(
    setup: Setup, key: Key, context: dict[str, str], size: int
) -> None:
    plaintext = bytes(i % 256 for i in range(size))
    blob = finish(setup.store.encrypt(setup.repository, key, plaintext, context)).blob
    material = setup.material_of(key)
    assert len(blob) == size + 94
    assert blob[:2].hex() == "0100"
    assert blob[2:18].hex() == key.key_id.replace("-", "")
    assert blob[18:50].hex() == material.material_id
    raw = backing_key(setup, material)
    assert open_blob(raw, blob, context) == plaintext
    with pytest.raises(InvalidTag):
        open_blob(raw, blob, {**context, "more": ""})


def test_the_specification_opens_what_was_sealed_anew(setup: Setup, key: Key) -> None:
    finish(setup.keyring.rotate(setup.repository, key.region))
    rotated = setup.add_material(key)
    assert setup.material_of(rotated).domain_version == 2
    assert open_blob(backing_key(setup, setup.material_of(rotated)), setup.encrypt(rotated, b"new"), {}) == (
        b"new"
    )


@pytest.mark.parametrize(("key_id", "kind"), [(KEY_ID, "00"), (MRK_ID, "01")])
def test_the_material_id_is_derived_as_specified(setup: Setup, key_id: str, kind: str) -> None:
    key = setup.add_key(key_id)
    material = setup.material_of(key)
    raw_id = bytes.fromhex(kind + key_id.removeprefix("mrk-").replace("-", ""))
    derived = kdf(backing_key(setup, material), "HearthKMS key material id v1", raw_id)
    assert derived.hex() == material.material_id
    assert setup.encrypt(key)[1:18] == raw_id


def test_the_specification_opens_the_service_s_own_secrets(setup: Setup) -> None:
    sealed, version = finish(
        setup.keyring.seal(setup.repository, SERVICE_DOMAIN, ACCESS_KEY, "AKIAEXAMPLE", Secret(b"secret"))
    )
    bound = binding("sealed-record", "hearthkms", "access-key", "AKIAEXAMPLE", version)
    raw = domain_key(setup, "hearthkms", version)
    assert open_record(raw, "HearthKMS domain key v1", sealed, bound) == b"secret"


def test_the_root_id_is_derived_as_specified(tmp_path: Path) -> None:
    made = KeyFileRoot.create(tmp_path / "root.key")
    raw = (tmp_path / "root.key").read_bytes()
    assert made.id == "key-file:" + kdf(raw, "HearthKMS root id v1", b"")[:4].hex()


def example() -> dict[str, str]:
    """The fields of the worked example in the specification."""
    text = (DOCS / "ciphertext.md").read_text()
    block = text[text.index("## Example") :].split("```")[1]
    joined = re.sub(r"\n +", "", block)
    return dict(re.split(r"  +| (?=[0-9{])", line, maxsplit=1) for line in joined.strip().splitlines())


def test_the_worked_example_opens() -> None:
    given = example()
    raw = bytes.fromhex(given["backing key"])
    context = json.loads(given["context"])
    blob = bytes.fromhex(given["blob"])
    assert canonical(context).hex() == given["canonical"]
    assert kdf(raw, "HearthKMS message key v1", blob[50:66]).hex() == given["message key"]
    assert open_blob(raw, blob, context).hex() == given["plaintext"]


def test_the_worked_example_is_what_the_key_store_makes() -> None:
    given = example()
    backing = BackingKey(given["key id"], Secret(bytes.fromhex(given["backing key"])))
    made = backing.encrypt(
        bytes.fromhex(given["plaintext"]), json.loads(given["context"]), bytes.fromhex(given["random"])
    )
    assert backing.material_id == given["material id"]
    assert made.hex() == given["blob"]
