"""GenerateDataKey, GenerateDataKeyWithoutPlaintext and GenerateRandom.

Source: KMS API reference, the operations of the same names.
"""

from __future__ import annotations

from hearthkms.core.errors import ServiceError
from hearthkms.kms import errors
from hearthkms.kms.access import on_account, refuse_grant_tokens, use_of
from hearthkms.kms.environment import Environment
from hearthkms.kms.model.key import Key
from hearthkms.kms.ports import KeyView, Sealed
from hearthkms.kms.use import check_use, encryption_context, refuse_recipient
from hearthkms.service.call import Call
from hearthkms.service.operation import Mode, Needs, Operation, Outcome, Request, logged_flat

Env = Environment[KeyView]

_SIZES = {"AES_128": 16, "AES_256": 32}


def _size(request: Request) -> int:
    """The data key's size in bytes: by KeySpec or by NumberOfBytes, never both."""
    spec, size = request.get("KeySpec"), request.get("NumberOfBytes")
    if (spec is None) == (size is None):
        raise errors.validation("Please specify either number of bytes or key spec.")
    return _SIZES[spec] if spec is not None else int(size or 0)


async def _needs(env: Env, call: Call, request: Request) -> Needs:
    size = _size(request)
    refuse_grant_tokens(request)
    needs = await use_of(env, call, request["KeyId"])
    return Needs(needs.demands, needs.resources, size)


async def _generate(env: Env, call: Call, request: Request, needs: Needs) -> tuple[Key, bytes, Sealed]:
    key: Key = needs.resources[0]
    check_use(call.operation, key)
    context = encryption_context(request)
    refuse_recipient(request)
    if request.get("DryRun"):
        raise errors.dry_run()
    store = env.store_of(key)
    plaintext = store.random(needs.detail)
    return key, plaintext, await store.encrypt(env.view, key, plaintext, context)


async def _data_key(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key, plaintext, sealed = await _generate(env, call, request, needs)
    return Outcome(
        {
            "CiphertextBlob": sealed.blob,
            "Plaintext": plaintext,
            "KeyId": key.arn,
            "KeyMaterialId": sealed.material_id,
        },
        additional={"keyMaterialId": sealed.material_id},
    )


async def _data_key_without_plaintext(env: Env, call: Call, request: Request, needs: Needs) -> Outcome:
    key, _, sealed = await _generate(env, call, request, needs)
    return Outcome(
        {"CiphertextBlob": sealed.blob, "KeyId": key.arn, "KeyMaterialId": sealed.material_id},
        additional={"keyMaterialId": sealed.material_id},
    )


async def _random_needs(env: Env, call: Call, request: Request) -> Needs:
    if "NumberOfBytes" not in request:
        raise errors.validation("NumberOfBytes is required.")
    return await on_account(env, call, request)


async def _random(env: Env, _call: Call, request: Request, _needs: Needs) -> Outcome:
    if "CustomKeyStoreId" in request:
        raise ServiceError(
            "CustomKeyStoreNotFoundException",
            f"Custom key store {request['CustomKeyStoreId']} does not exist.",
        )
    refuse_recipient(request)
    return Outcome({"Plaintext": env.services.stores["AWS_KMS"].random(request["NumberOfBytes"])})


_TRAIL = logged_flat("KeyId", "KeySpec", "NumberOfBytes", "EncryptionContext")

OPERATIONS = (
    Operation("GenerateDataKey", Mode.HOT, _needs, _data_key, _TRAIL, read_only=True, cryptographic=True),
    Operation(
        "GenerateDataKeyWithoutPlaintext",
        Mode.HOT,
        _needs,
        _data_key_without_plaintext,
        _TRAIL,
        read_only=True,
        cryptographic=True,
    ),
    Operation("GenerateRandom", Mode.HOT, _random_needs, _random, logged_flat(), read_only=True),
)
