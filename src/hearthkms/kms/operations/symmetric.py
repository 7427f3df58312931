"""Encrypt, Decrypt and ReEncrypt under symmetric encryption keys.

Source: KMS API reference, Encrypt, Decrypt, ReEncrypt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hearthkms.core.errors import ServiceError
from hearthkms.kms import blob, errors
from hearthkms.kms.access import find_key, refuse_grant_tokens, use_of
from hearthkms.kms.environment import Environment
from hearthkms.kms.model.key import Key
from hearthkms.kms.ports import KeyView
from hearthkms.kms.use import SYMMETRIC_DEFAULT, check_use, encryption_context, refuse_recipient
from hearthkms.service.call import Call
from hearthkms.service.operation import Demand, Mode, Needs, Operation, Outcome, Request, logged_flat

Env = Environment[KeyView]


async def _encrypt_needs(env: Env, call: Call, request: Request) -> Needs:
    refuse_grant_tokens(request)
    return await use_of(env, call, request["KeyId"])


async def _encrypt(env: Env, _call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    check_use("Encrypt", key, request.get("EncryptionAlgorithm", SYMMETRIC_DEFAULT))
    context = encryption_context(request)
    if request.get("DryRun"):
        raise errors.dry_run()
    sealed = await env.store_of(key).encrypt(env.view, key, request["Plaintext"], context)
    return Outcome(
        {"CiphertextBlob": sealed.blob, "KeyId": key.arn, "EncryptionAlgorithm": SYMMETRIC_DEFAULT},
        additional={"keyMaterialId": sealed.material_id},
    )


def _modifiers_ignore_ciphertext(request: Request) -> bool:
    modifiers = request.get("DryRunModifiers")
    if not modifiers:
        return False
    if not request.get("DryRun"):
        raise errors.validation("DryRunModifiers can only be specified when DryRun is true.")
    return "IGNORE_CIPHERTEXT" in modifiers


async def _source_needs(env: Env, call: Call, request: Request, member: str) -> tuple[Key, bool]:
    """The key that made the ciphertext, and whether a ciphertext was looked at.

    The key is found from the ciphertext before anything is authorised; whether a key that cannot be told to
    the caller exists stays untold.
    """
    given = request.get(member)
    if _modifiers_ignore_ciphertext(request):
        if given is None:
            raise errors.missing(member[0].lower() + member[1:])
        return await find_key(env, call, given, aliases=True), False
    ciphertext = request.get("CiphertextBlob")
    if ciphertext is None:
        raise errors.missing("ciphertextBlob")
    key: Key | None = await env.view.key(call.region, blob.parse(ciphertext).key_id)
    if key is None:
        raise errors.ciphertext_of_stranger()
    return key, True


async def _check_named(env: Env, call: Call, request: Request, member: str, key: Key) -> None:
    """A key named beside a ciphertext must be the key that made it.

    One of another account is only that: whether it exists there stays untold.
    """
    given = request.get(member)
    if given is None:
        return
    try:
        named = await find_key(env, call, given, aliases=True)
    except ServiceError as error:
        if error.name == "AccessDeniedException":
            raise errors.incorrect_key() from error
        raise
    if named.arn != key.arn:
        raise errors.incorrect_key()


async def _decrypt_needs(env: Env, call: Call, request: Request) -> Needs:
    refuse_grant_tokens(request)
    key, found = await _source_needs(env, call, request, "KeyId")
    return Needs(
        (Demand("kms:Decrypt", key, key.arn),),
        (key,),
        found,
        errors.ciphertext_of_stranger() if found else None,
    )


async def _decrypt(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key: Key = needs.resources[0]
    if needs.detail:
        await _check_named(env, call, request, "KeyId", key)
    check_use("Decrypt", key, request.get("EncryptionAlgorithm", SYMMETRIC_DEFAULT))
    refuse_recipient(request)
    context = encryption_context(request)
    if not needs.detail:
        raise errors.dry_run()
    opened = await env.store_of(key).decrypt(env.view, key, request["CiphertextBlob"], context)
    if request.get("DryRun"):
        raise errors.dry_run()
    return Outcome(
        {
            "KeyId": key.arn,
            "Plaintext": opened.plaintext.reveal(),
            "EncryptionAlgorithm": SYMMETRIC_DEFAULT,
            "KeyMaterialId": opened.material_id,
        },
        additional={"keyMaterialId": opened.material_id},
    )


async def _re_encrypt_needs(env: Env, call: Call, request: Request) -> Needs:
    refuse_grant_tokens(request)
    source, found = await _source_needs(env, call, request, "SourceKeyId")
    destination = await find_key(env, call, request["DestinationKeyId"], aliases=True)
    return Needs(
        (
            Demand("kms:ReEncryptFrom", source, source.arn),
            Demand("kms:ReEncryptTo", destination, destination.arn),
        ),
        (source, destination),
        found,
        errors.ciphertext_of_stranger() if found else None,
    )


async def _re_encrypt(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    source, destination = needs.resources
    if needs.detail:
        await _check_named(env, call, request, "SourceKeyId", source)
    check_use("ReEncrypt", source, request.get("SourceEncryptionAlgorithm", SYMMETRIC_DEFAULT))
    check_use("ReEncrypt", destination, request.get("DestinationEncryptionAlgorithm", SYMMETRIC_DEFAULT))
    old_context = encryption_context(request, "SourceEncryptionContext")
    new_context = encryption_context(request, "DestinationEncryptionContext")
    if not needs.detail:
        raise errors.dry_run()
    opened = await env.store_of(source).decrypt(env.view, source, request["CiphertextBlob"], old_context)
    if request.get("DryRun"):
        raise errors.dry_run()
    sealed = await env.store_of(destination).encrypt(
        env.view, destination, opened.plaintext.reveal(), new_context
    )
    response: dict[str, Any] = {
        "CiphertextBlob": sealed.blob,
        "SourceKeyId": source.arn,
        "KeyId": destination.arn,
        "SourceEncryptionAlgorithm": SYMMETRIC_DEFAULT,
        "DestinationEncryptionAlgorithm": SYMMETRIC_DEFAULT,
        "SourceKeyMaterialId": opened.material_id,
        "DestinationKeyMaterialId": sealed.material_id,
    }
    return Outcome(
        response,
        additional={
            "sourceKeyMaterialId": opened.material_id,
            "destinationKeyMaterialId": sealed.material_id,
        },
    )


def _algorithm_shown(*members: str) -> Any:
    """A trail that shows the algorithm even where the request left it to the default."""
    shown = logged_flat(*(name for name in members if not name.endswith("EncryptionAlgorithm")))
    algorithms = [
        (name, name[0].lower() + name[1:]) for name in members if name.endswith("EncryptionAlgorithm")
    ]

    def trail(request: Request) -> Mapping[str, Any]:
        parameters = shown(request) or {}
        for name, shown_as in algorithms:
            parameters[shown_as] = request.get(name, SYMMETRIC_DEFAULT)
        return parameters

    return trail


OPERATIONS = (
    Operation(
        "Encrypt",
        Mode.HOT,
        _encrypt_needs,
        _encrypt,
        _algorithm_shown("KeyId", "EncryptionContext", "EncryptionAlgorithm"),
        read_only=True,
        cryptographic=True,
    ),
    Operation(
        "Decrypt",
        Mode.HOT,
        _decrypt_needs,
        _decrypt,
        _algorithm_shown("KeyId", "EncryptionContext", "EncryptionAlgorithm"),
        read_only=True,
        cryptographic=True,
    ),
    Operation(
        "ReEncrypt",
        Mode.HOT,
        _re_encrypt_needs,
        _re_encrypt,
        _algorithm_shown(
            "SourceKeyId",
            "DestinationKeyId",
            "SourceEncryptionContext",
            "DestinationEncryptionContext",
            "SourceEncryptionAlgorithm",
            "DestinationEncryptionAlgorithm",
        ),
        read_only=True,
        cryptographic=True,
    ),
)
