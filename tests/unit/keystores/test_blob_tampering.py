"""Nothing in a blob, its context or its key can change: one error, without a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.support.default_store import DUBLIN, FRANKFURT, KEY_ID, MRK_ID, OTHER_ID, Setup

from hearthkms.core.eager import finish
from hearthkms.core.errors import ServiceError
from hearthkms.core.secret import Secret
from hearthkms.crypto.aead import AuthenticityError
from hearthkms.kms.model.key import Key

CONTEXT = {"tenant": "acme", "purpose": "invoice"}


def refused(setup: Setup, key: Key, blob: bytes, context: Mapping[str, str] = CONTEXT) -> None:
    """Assert that `blob` does not open, and says nothing about why."""
    with pytest.raises(ServiceError) as caught:
        finish(setup.store.decrypt(setup.repository, key, blob, context))
    assert caught.value.name == "InvalidCiphertextException"
    assert caught.value.message is None


@pytest.fixture
def blob(setup: Setup, key: Key) -> bytes:
    """A blob of `key` under CONTEXT."""
    made = setup.encrypt(key, b"the plaintext", **CONTEXT)
    assert setup.decrypt(key, made, **CONTEXT) == b"the plaintext"
    return made


def test_no_bit_of_header_nonce_iv_ciphertext_or_tag_can_change(setup: Setup, key: Key, blob: bytes) -> None:
    for bit in range(8 * len(blob)):
        changed = bytearray(blob)
        changed[bit // 8] ^= 1 << bit % 8
        refused(setup, key, bytes(changed))


def test_no_byte_can_be_missing_or_added(setup: Setup, key: Key, blob: bytes) -> None:
    for size in range(len(blob)):
        refused(setup, key, blob[:size])
    for changed in (blob + b"\0", b"\0" + blob, blob + blob, b"", bytes(6144), bytes(100_000)):
        refused(setup, key, changed)


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"tenant": "acme"},
        {"tenant": "acme", "purpose": "invoice", "more": ""},
        {"tenant": "acme", "purpose": "invoicf"},
        {"tenant": "acme", "Purpose": "invoice"},
        {"tenant": "invoice", "purpose": "acme"},
        {"tenanta": "cme", "purpose": "invoice"},
        {"tenant": "acme", "purpose": "invoice "},
    ],
)
def test_the_context_is_exact(setup: Setup, key: Key, blob: bytes, context: dict[str, str]) -> None:
    refused(setup, key, blob, context)


def test_the_order_of_the_context_is_not(setup: Setup, key: Key, blob: bytes) -> None:
    turned = dict(reversed(CONTEXT.items()))
    assert list(turned) != list(CONTEXT)
    assert setup.decrypt(key, blob, **turned) == b"the plaintext"


def test_no_context_is_an_empty_one_and_never_a_given_one(setup: Setup, key: Key) -> None:
    bare = setup.encrypt(key, b"bare")
    assert setup.decrypt(key, bare) == b"bare"
    refused(setup, key, bare, CONTEXT)
    refused(setup, key, bare, {"": ""})


def test_unicode_forms_of_one_text_differ(setup: Setup, key: Key) -> None:
    made = setup.encrypt(key, b"x", name="\u00e9")
    refused(setup, key, made, {"name": "e\u0301"})


@pytest.mark.parametrize("cached", [True, False])
def test_another_key_does_not_open_it(setup: Setup, key: Key, blob: bytes, cached: bool) -> None:
    other = setup.add_key(OTHER_ID)
    if cached:
        setup.encrypt(other)
    refused(setup, other, blob)


def test_the_same_id_of_the_other_kind_does_not_open_it(setup: Setup, key: Key, blob: bytes) -> None:
    refused(setup, setup.add_key(MRK_ID), blob)


def test_the_same_id_in_another_region_does_not_open_it(setup: Setup, key: Key, blob: bytes) -> None:
    refused(setup, setup.add_key(KEY_ID, DUBLIN), blob)


def test_parts_of_two_blobs_do_not_mix(setup: Setup, key: Key, blob: bytes) -> None:
    other = setup.encrypt(key, b"THE PLAINTEXT", **CONTEXT)
    for cut in (58, 66, 78, len(blob) - 16):
        refused(setup, key, blob[:cut] + other[cut:])


def test_material_in_the_place_of_another_key_s_is_found_out(setup: Setup, key: Key) -> None:
    other = setup.add_key(OTHER_ID)
    blob, mine, theirs = setup.encrypt(key), setup.material_of(key), setup.material_of(other)
    setup.repository.materials[FRANKFURT, KEY_ID, mine.material_id] = replace(mine, sealed=theirs.sealed)
    with pytest.raises(AuthenticityError, match=mine.material_id):
        setup.restarted().decrypt(key, blob)
    with pytest.raises(AuthenticityError):
        setup.restarted().encrypt(key)


def test_other_bytes_sealed_under_a_material_s_name_are_found_out(setup: Setup, key: Key) -> None:
    material = setup.material_of(key)
    name = f"{KEY_ID}/{material.material_id}"
    sealed, _ = finish(
        setup.keyring.seal(setup.repository, FRANKFURT, "backing-key", name, Secret(bytes(32)))
    )
    setup.repository.materials[FRANKFURT, KEY_ID, material.material_id] = replace(material, sealed=sealed)
    with pytest.raises(AuthenticityError, match="has not the bytes it is named for"):
        setup.restarted().encrypt(key)


def test_older_material_in_the_place_of_newer_is_found_out(setup: Setup, key: Key) -> None:
    older = setup.material_of(key)
    rotated = setup.add_material(key)
    newer = setup.material_of(rotated)
    setup.repository.materials[FRANKFURT, KEY_ID, newer.material_id] = replace(newer, sealed=older.sealed)
    with pytest.raises(AuthenticityError):
        setup.restarted().encrypt(rotated)


def test_material_under_a_domain_key_of_another_region_is_found_out(setup: Setup, key: Key) -> None:
    material = setup.material_of(key)
    moved = replace(key, region=DUBLIN)
    setup.add_key(OTHER_ID, DUBLIN)
    setup.repository.materials[DUBLIN, KEY_ID, material.material_id] = replace(material, region=DUBLIN)
    with pytest.raises(AuthenticityError):
        setup.restarted().encrypt(moved)


def test_a_domain_key_of_another_region_is_found_out(setup: Setup, key: Key) -> None:
    setup.add_key(OTHER_ID, DUBLIN)
    rows = setup.repository.domain_keys
    rows[FRANKFURT, 1] = rows[DUBLIN, 1]._replace(region=FRANKFURT)
    with pytest.raises(AuthenticityError, match="domain key 1 of eu-central-1"):
        setup.restarted().encrypt(key)


def test_material_cut_short_is_found_out_and_named(setup: Setup, key: Key) -> None:
    material = setup.material_of(key)
    for size in (0, 1, 29, 44, len(material.sealed) - 1):
        short = replace(material, sealed=material.sealed[:size])
        setup.repository.materials[FRANKFURT, KEY_ID, material.material_id] = short
        with pytest.raises(AuthenticityError, match=KEY_ID):
            setup.restarted().encrypt(key)
