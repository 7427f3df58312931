"""What the jobs do to a key: only what is due, once, and never to a key whose state forbids it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.default_store import FRANKFURT, KEY_ID, OTHER_ID, Setup, new_setup

from hearthkms.core.clock import DAY
from hearthkms.core.eager import finish
from hearthkms.kms import jobs
from hearthkms.kms.creation import rotate_key
from hearthkms.kms.jobs import Done
from hearthkms.kms.model.alias import Alias
from hearthkms.kms.model.key import Key, KeyState, LastUsage, Rotation


@pytest.fixture
def setup() -> Setup:
    return new_setup()


def keep(setup: Setup, key: Key) -> Key:
    finish(setup.repository.update_key(key))
    return key


def perform(setup: Setup, key_id: str = KEY_ID) -> Done | None:
    return finish(jobs.perform(setup.repository, setup.store, FRANKFURT, key_id, setup.time()))


def due(setup: Setup) -> list[str]:
    return [key.key_id for key in finish(jobs.due(setup.repository, setup.time()))]


def stored(setup: Setup, key_id: str = KEY_ID) -> Key:
    return setup.repository.keys[FRANKFURT, key_id]


class TestDeletion:
    """A key is deleted once its date has come, with everything that hangs on it."""

    @pytest.fixture
    def pending(self, setup: Setup) -> Key:
        key = setup.add_key(KEY_ID)
        date = setup.time() + 7 * DAY
        return keep(setup, replace(key, state=KeyState.PENDING_DELETION, deletion_date=date))

    @pytest.mark.parametrize(("seconds", "deleted"), [(-0.001, False), (0.0, True), (DAY, True)])
    def test_to_the_moment(self, setup: Setup, pending: Key, seconds: float, deleted: bool) -> None:
        setup.time.now += 7 * DAY + seconds
        assert due(setup) == ([KEY_ID] if deleted else [])
        done = perform(setup)
        assert ((FRANKFURT, KEY_ID) in setup.repository.keys) is not deleted
        assert done == (Done("DeleteKey", pending) if deleted else None)

    def test_nothing_is_left(self, setup: Setup, pending: Key) -> None:
        repository = setup.repository
        setup.add_material(pending)
        keep(setup, pending)
        other = setup.add_key(OTHER_ID)
        for key in (pending, other):
            name = f"alias/{key.key_id}"
            finish(repository.insert_alias(Alias(FRANKFURT, key.account_id, name, key.key_id, 0.0, 0.0)))
            finish(repository.put_tags(FRANKFURT, key.key_id, {"a": "b"}))
            finish(repository.put_usage(FRANKFURT, key.key_id, LastUsage("Encrypt", 1.0, "e", "r")))
        setup.time.now += 7 * DAY
        assert perform(setup) is not None
        left = [repository.keys, repository.materials, repository.tags, repository.usages]
        assert {name[1] for kept in left for name in kept} == {OTHER_ID}
        assert [alias.target_key_id for alias in repository.aliases.values()] == [OTHER_ID]

    def test_once(self, setup: Setup, pending: Key) -> None:
        setup.time.now += 7 * DAY
        assert perform(setup) is not None
        assert perform(setup) is None

    @pytest.mark.parametrize("state", [KeyState.DISABLED, KeyState.ENABLED])
    def test_cancelled_in_between(self, setup: Setup, pending: Key, state: KeyState) -> None:
        """It was found due, but before it was locked somebody cancelled the deletion."""
        setup.time.now += 7 * DAY
        assert due(setup) == [KEY_ID]
        kept = keep(setup, replace(pending, state=state, deletion_date=None))
        assert perform(setup) is None
        assert stored(setup) == kept

    def test_postponed_in_between(self, setup: Setup, pending: Key) -> None:
        setup.time.now += 7 * DAY
        keep(setup, replace(pending, deletion_date=setup.time() + 7 * DAY))
        assert perform(setup) is None

    def test_a_key_pending_deletion_does_not_rotate(self, setup: Setup, pending: Key) -> None:
        keep(setup, replace(pending, rotation=Rotation(True, 90, setup.time())))
        assert perform(setup) is None
        assert stored(setup).current_material_id == pending.current_material_id


class TestRotation:
    """An enabled key gets new material once its date has come, and the date of the next rotation."""

    @pytest.fixture
    def key(self, setup: Setup) -> Key:
        rotation = Rotation(True, 90, setup.time() + 90 * DAY)
        return keep(setup, replace(setup.add_key(KEY_ID), rotation=rotation))

    @pytest.mark.parametrize(("seconds", "rotated"), [(-0.001, False), (0.0, True), (DAY, True)])
    def test_to_the_moment(self, setup: Setup, key: Key, seconds: float, rotated: bool) -> None:
        setup.time.now += 90 * DAY + seconds
        done = perform(setup)
        now = stored(setup)
        assert (now.current_material_id != key.current_material_id) is rotated
        if rotated:
            expected = Done("RotateKey", now, key.current_material_id, now.current_material_id)
            assert done == expected
            assert now.rotation == Rotation(True, 90, round(setup.time() + 90 * DAY, 3))
        else:
            assert done is None
            assert now == key

    def test_old_ciphertexts_open_and_new_ones_use_the_new_material(self, setup: Setup, key: Key) -> None:
        blobs = [setup.encrypt(key, b"0")]
        for turn in range(1, 6):
            setup.time.now += 90 * DAY
            assert perform(setup) is not None
            blobs.append(setup.encrypt(stored(setup), str(turn).encode()))
        materials = {blob[18:50] for blob in blobs}
        assert len(materials) == 6
        for number, blob in enumerate(blobs):
            assert setup.decrypt(stored(setup), blob) == str(number).encode()

    def test_materials_are_numbered_and_dated(self, setup: Setup, key: Key) -> None:
        setup.time.now += 90 * DAY
        perform(setup)
        finish(
            rotate_key(
                setup.repository, setup.store, stored(setup), now=setup.time(), rotation_type="ON_DEMAND"
            )
        )
        listed = finish(setup.repository.list_materials(FRANKFURT, KEY_ID, 0, 10))
        assert [material.sequence for material in listed] == [1, 2, 3]
        assert [material.rotation_type for material in listed] == [None, "AUTOMATIC", "ON_DEMAND"]
        assert [material.rotation_date for material in listed] == [None, setup.time(), setup.time()]
        assert stored(setup).current_material_id == listed[-1].material_id

    def test_once_even_if_several_periods_have_passed(self, setup: Setup, key: Key) -> None:
        setup.time.now += 1000 * DAY
        assert perform(setup) is not None
        assert perform(setup) is None
        assert len(setup.repository.materials) == 2

    def test_on_demand_rotation_leaves_the_schedule(self, setup: Setup, key: Key) -> None:
        setup.time.now += 10 * DAY
        rotated = finish(
            rotate_key(setup.repository, setup.store, key, now=setup.time(), rotation_type="ON_DEMAND")
        )
        assert rotated.rotation == key.rotation

    @pytest.mark.parametrize("state", sorted(set(KeyState) - {KeyState.ENABLED}))
    def test_in_no_other_state(self, setup: Setup, key: Key, state: KeyState) -> None:
        setup.time.now += 90 * DAY
        kept = keep(setup, replace(key, state=state))
        assert perform(setup) is None
        assert stored(setup) == kept

    def test_not_when_it_was_turned_off_in_between(self, setup: Setup, key: Key) -> None:
        setup.time.now += 90 * DAY
        assert due(setup) == [KEY_ID]
        kept = keep(setup, replace(key, rotation=Rotation()))
        assert perform(setup) is None
        assert stored(setup) == kept


def test_a_key_that_is_gone(setup: Setup) -> None:
    assert perform(setup) is None
