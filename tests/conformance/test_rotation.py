"""EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand and ListKeyRotations.

Rotation that happens by itself is tested in test_due_dates.py.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.conformance.answers import constraint, describe, refusal
from tests.conformance.calls import Sample

DAY = 86_400


def status(kms: Any, sample: Sample) -> dict[str, Any]:
    """The rotation status, without what every answer has."""
    answer: dict[str, Any] = kms.get_key_rotation_status(KeyId=sample.key_id)
    answer.pop("ResponseMetadata")
    assert answer.pop("KeyId") == sample.arn
    return answer


class TestAutomatic:
    """Turning automatic rotation on and off."""

    def test_off_at_first(self, kms: Any, sample: Sample) -> None:
        assert status(kms, sample) == {"KeyRotationEnabled": False}

    @pytest.mark.parametrize("days", [None, 90, 365, 2560])
    def test_on_and_off(self, kms: Any, sample: Sample, days: int | None) -> None:
        given = {} if days is None else {"RotationPeriodInDays": days}
        before = time.time()
        kms.enable_key_rotation(KeyId=sample.key_id, **given)
        shown = status(kms, sample)
        due = shown.pop("NextRotationDate").timestamp()
        assert shown == {"KeyRotationEnabled": True, "RotationPeriodInDays": days or 365}
        assert abs(due - before - (days or 365) * DAY) < 5
        kms.disable_key_rotation(KeyId=sample.key_id)
        assert status(kms, sample) == {"KeyRotationEnabled": False}
        kms.disable_key_rotation(KeyId=sample.key_id)

    def test_enabling_again_starts_the_schedule_anew(self, kms: Any, sample: Sample) -> None:
        kms.enable_key_rotation(KeyId=sample.key_id, RotationPeriodInDays=90)
        first = status(kms, sample)["NextRotationDate"]
        kms.enable_key_rotation(KeyId=sample.key_id, RotationPeriodInDays=100)
        second = status(kms, sample)
        assert second["RotationPeriodInDays"] == 100
        assert 10 * DAY <= (second["NextRotationDate"] - first).total_seconds() < 10 * DAY + 5
        kms.enable_key_rotation(KeyId=sample.key_id)
        assert status(kms, sample)["RotationPeriodInDays"] == 365

    @pytest.mark.parametrize(
        ("days", "rule"),
        [
            (89, "Member must have value greater than or equal to 90"),
            (2561, "Member must have value less than or equal to 2560"),
        ],
    )
    def test_periods_that_are_refused(self, loose: Any, sample: Sample, days: int, rule: str) -> None:
        answer = refusal(loose.enable_key_rotation, KeyId=sample.key_id, RotationPeriodInDays=days)
        assert answer == constraint("rotationPeriodInDays", rule, f"'{days}'")

    def test_a_disabled_key_keeps_its_schedule(self, kms: Any, sample: Sample) -> None:
        kms.enable_key_rotation(KeyId=sample.key_id, RotationPeriodInDays=90)
        before = status(kms, sample)
        kms.disable_key(KeyId=sample.key_id)
        assert status(kms, sample) == before
        kms.enable_key(KeyId=sample.key_id)
        assert status(kms, sample) == before

    def test_a_key_pending_deletion_says_that_it_does_not_rotate(self, kms: Any, sample: Sample) -> None:
        kms.enable_key_rotation(KeyId=sample.key_id, RotationPeriodInDays=90)
        before = status(kms, sample)
        kms.schedule_key_deletion(KeyId=sample.key_id)
        assert status(kms, sample) == {"KeyRotationEnabled": False}
        kms.cancel_key_deletion(KeyId=sample.key_id)
        assert status(kms, sample) == before


class TestOnDemand:
    """RotateKeyOnDemand, and what ListKeyRotations then shows."""

    def test_new_material_and_old_ciphertexts(self, kms: Any, sample: Sample) -> None:
        first = describe(kms, sample.key_id)
        answer = kms.rotate_key_on_demand(KeyId=sample.key_id)
        assert answer["KeyId"] == sample.arn
        second = describe(kms, sample.key_id)
        assert second.pop("CurrentKeyMaterialId") != first.pop("CurrentKeyMaterialId")
        assert second == first
        assert status(kms, sample) == {"KeyRotationEnabled": False}
        assert kms.decrypt(CiphertextBlob=sample.ciphertext)["Plaintext"] == b"sample"

    def test_it_does_not_move_the_schedule(self, kms: Any, sample: Sample) -> None:
        kms.enable_key_rotation(KeyId=sample.key_id, RotationPeriodInDays=90)
        before = status(kms, sample)
        kms.rotate_key_on_demand(KeyId=sample.key_id)
        assert status(kms, sample) == before

    def test_twenty_five_times_with_every_ciphertext_readable(self, kms: Any, sample: Sample) -> None:
        key, context = sample.key_id, {"turn": "any"}
        materials = [describe(kms, key)["CurrentKeyMaterialId"]]
        blobs = [kms.encrypt(KeyId=key, Plaintext=b"0", EncryptionContext=context)["CiphertextBlob"]]
        for turn in range(1, 26):
            kms.rotate_key_on_demand(KeyId=key)
            made = kms.generate_data_key(KeyId=key, KeySpec="AES_128")
            materials.append(made["KeyMaterialId"])
            text = str(turn).encode()
            blobs.append(kms.encrypt(KeyId=key, Plaintext=text, EncryptionContext=context)["CiphertextBlob"])
        assert len(set(materials)) == 26
        expected = (
            "LimitExceededException",
            "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations "
            f"can be performed for this key: {sample.arn}",
        )
        assert refusal(kms.rotate_key_on_demand, KeyId=key) == expected
        for turn, blob in enumerate(blobs):
            opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)
            assert opened["Plaintext"] == str(turn).encode()
            assert opened["KeyMaterialId"] == materials[turn]
        listed = kms.list_key_rotations(KeyId=key)["Rotations"]
        assert [entry["KeyMaterialId"] for entry in listed] == materials[1:]
        moved = kms.re_encrypt(CiphertextBlob=blobs[0], SourceEncryptionContext=context, DestinationKeyId=key)
        assert moved["SourceKeyMaterialId"] == materials[0]
        assert moved["DestinationKeyMaterialId"] == materials[25]


class TestListKeyRotations:
    """Completed rotations; with ALL_KEY_MATERIAL the first material too, which no rotation made."""

    def test_no_rotation_yet(self, kms: Any, sample: Sample) -> None:
        for given in ({}, {"IncludeKeyMaterial": "ROTATIONS_ONLY"}):
            answer = kms.list_key_rotations(KeyId=sample.key_id, **given)
            assert answer["Rotations"] == []
            assert answer["Truncated"] is False
        (only,) = kms.list_key_rotations(KeyId=sample.key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")[
            "Rotations"
        ]
        material = describe(kms, sample.key_id)["CurrentKeyMaterialId"]
        assert only == {"KeyId": sample.arn, "KeyMaterialId": material, "KeyMaterialState": "CURRENT"}

    def test_members(self, kms: Any, sample: Sample) -> None:
        materials = [describe(kms, sample.key_id)["CurrentKeyMaterialId"]]
        before = time.time()
        for _ in range(2):
            kms.rotate_key_on_demand(KeyId=sample.key_id)
            materials.append(describe(kms, sample.key_id)["CurrentKeyMaterialId"])
        everything = kms.list_key_rotations(KeyId=sample.arn, IncludeKeyMaterial="ALL_KEY_MATERIAL")
        rotations = kms.list_key_rotations(KeyId=sample.key_id)["Rotations"]
        assert everything["Rotations"][1:] == rotations
        first = everything["Rotations"][0]
        assert first == {
            "KeyId": sample.arn,
            "KeyMaterialId": materials[0],
            "KeyMaterialState": "NON_CURRENT",
        }
        for entry, material, state in zip(rotations, materials[1:], ["NON_CURRENT", "CURRENT"], strict=True):
            assert abs(entry.pop("RotationDate").timestamp() - before) < 5
            assert entry == {
                "KeyId": sample.arn,
                "KeyMaterialId": material,
                "KeyMaterialState": state,
                "RotationType": "ON_DEMAND",
            }
