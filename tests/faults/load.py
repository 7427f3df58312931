"""Load on a service that is being killed: random calls on keys of one's own, remembering every answer."""

from __future__ import annotations

import base64
import random
import threading
import time
from collections.abc import Callable, Collection
from enum import Enum
from typing import Any

from tests.faults.known import Ciphertext, Known, KnownKey, Possible
from tests.support.signed import Access, Client, NotSentError, Refused, UnansweredError

_KEYS_MOST = 12
_UNAVAILABLE = "KMSInternalException"
# What each change of state takes and gives; from any other state it is refused.
_STATE_CHANGES: dict[str, tuple[set[str], str]] = {
    "EnableKey": ({"Enabled", "Disabled"}, "Enabled"),
    "DisableKey": ({"Enabled", "Disabled"}, "Disabled"),
    "ScheduleKeyDeletion": ({"Enabled", "Disabled"}, "PendingDeletion"),
    "CancelKeyDeletion": ({"PendingDeletion"}, "Disabled"),
}
_WRONG_STATE = {"DisabledException", "KMSInvalidStateException"}


class Fate(Enum):
    """What became of a call that has no answer of its own."""

    MAYBE = "it was carried out, or was not"
    REFUSED = "it was refused, so nothing happened"
    NOT_SENT = "nobody listened"


Answer = dict[str, Any] | Fate


class Caller(threading.Thread):
    """One client. It goes on until `stop` is set, and never takes part in killing."""

    def __init__(self, number: int, access: Callable[[], Access], stop: threading.Event, seed: int) -> None:
        super().__init__(name=f"caller {number}")
        self.known = Known()
        self._prefix = f"c{number}"
        self._client = Client(access)
        self._stop_event = stop
        self._random = random.Random(f"{seed}/{number}")
        self._count = 0
        self._steps: list[tuple[int, Callable[[KnownKey], None]]] = [
            (40, self._encrypt),
            (15, self._data_key),
            (10, self._decrypt),
            (5, self._re_encrypt),
            (6, self._describe),
            (5, self._tag),
            (4, self._untag),
            (4, self._update_description),
            (4, self._alias),
            (4, self._change_state),
            (2, self._rotate),
            (2, self._switch_rotation),
        ]

    def run(self) -> None:
        """Call until told to stop."""
        weights = [weight for weight, _ in self._steps]
        steps = [step for _, step in self._steps]
        try:
            while not self._stop_event.is_set():
                keys = self.known.keys
                if not keys or (len(keys) < _KEYS_MOST and self._random.random() < 0.03):
                    self._create()
                else:
                    self._random.choices(steps, weights)[0](self._random.choice(keys))
        finally:
            self._client.close()

    # the calls

    def _create(self) -> None:
        token = self._fresh("key")
        tags = {self._fresh("tag"): "at creation"} if self._random.random() < 0.5 else {}
        given = [{"TagKey": name, "TagValue": value} for name, value in tags.items()]
        answer = self._call("CreateKey", set(), Description=token, Tags=given)
        if isinstance(answer, dict):
            key = KnownKey(answer["KeyMetadata"]["KeyId"], Possible(token))
            key.tags = {name: Possible[str | None](value) for name, value in tags.items()}
            self.known.keys.append(key)
        elif answer is Fate.MAYBE:
            self.known.creations_unanswered.add(token)

    def _encrypt(self, key: KnownKey) -> None:
        plaintext = base64.b64encode(self._random.randbytes(32)).decode()
        context = {"tenant": self._fresh("t")} if self._random.random() < 0.5 else {}
        answer = self._use(key, "Encrypt", KeyId=key.key_id, Plaintext=plaintext, EncryptionContext=context)
        if isinstance(answer, dict):
            key.ciphertexts.append(Ciphertext(answer["CiphertextBlob"], plaintext, context, None))

    def _data_key(self, key: KnownKey) -> None:
        operation = self._random.choice(["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"])
        answer = self._use(key, operation, KeyId=key.key_id, KeySpec="AES_256")
        if isinstance(answer, dict):
            blob, plaintext = answer["CiphertextBlob"], answer.get("Plaintext")
            key.ciphertexts.append(Ciphertext(blob, plaintext, {}, answer["KeyMaterialId"]))

    def _decrypt(self, key: KnownKey) -> None:
        if key.ciphertexts:
            sealed = self._random.choice(key.ciphertexts)
            answer = self._use(key, "Decrypt", CiphertextBlob=sealed.blob, EncryptionContext=sealed.context)
            if isinstance(answer, dict):
                self._check(sealed.plaintext in (None, answer["Plaintext"]), "Decrypt gave another plaintext")

    def _re_encrypt(self, key: KnownKey) -> None:
        if key.ciphertexts:
            sealed = self._random.choice(key.ciphertexts)
            context = {"moved": self._fresh("m")}
            answer = self._use(
                key,
                "ReEncrypt",
                CiphertextBlob=sealed.blob,
                SourceEncryptionContext=sealed.context,
                DestinationKeyId=key.key_id,
                DestinationEncryptionContext=context,
            )
            if isinstance(answer, dict):
                material = answer["DestinationKeyMaterialId"]
                key.ciphertexts.append(
                    Ciphertext(answer["CiphertextBlob"], sealed.plaintext, context, material)
                )

    def _describe(self, key: KnownKey) -> None:
        answer = self._call("DescribeKey", set(), KeyId=key.key_id)
        if isinstance(answer, dict):
            state, text = answer["KeyMetadata"]["KeyState"], answer["KeyMetadata"]["Description"]
            self._check(state in key.state.values, f"{state} is not {key.state}")
            self._check(text in key.description.values, f"{text} is not {key.description}")

    def _tag(self, key: KnownKey) -> None:
        name = self._random.choice(list(key.tags)) if len(key.tags) > 8 else self._fresh("tag")
        value = self._fresh("value")
        possible = key.tags.setdefault(name, Possible(None))
        tags = [{"TagKey": name, "TagValue": value}]
        self._change(key, possible, value, "TagResource", KeyId=key.key_id, Tags=tags)

    def _untag(self, key: KnownKey) -> None:
        if key.tags:
            name = self._random.choice(list(key.tags))
            self._change(key, key.tags[name], None, "UntagResource", KeyId=key.key_id, TagKeys=[name])

    def _update_description(self, key: KnownKey) -> None:
        text = self._fresh("text")
        given = {"KeyId": key.key_id, "Description": text}
        self._change(key, key.description, text, "UpdateKeyDescription", **given)

    def _alias(self, key: KnownKey) -> None:
        aliases = self.known.aliases
        operation = self._random.choice(["CreateAlias", "UpdateAlias", "UpdateAlias", "DeleteAlias"])
        if len(aliases) < 6:
            name, operation = f"alias/{self._fresh('alias')}", "CreateAlias"
        else:
            name = self._random.choice(list(aliases))
        possible = aliases.setdefault(name, Possible(None))
        allowed = set()
        if operation != "CreateAlias" and None in possible.values:
            allowed.add("NotFoundException")
        if operation == "CreateAlias" and possible.values != {None}:
            allowed.add("AlreadyExistsException")
        if operation == "DeleteAlias":
            self._change(key, possible, None, operation, allowed, AliasName=name)
        else:
            self._change(
                key, possible, key.key_id, operation, allowed, AliasName=name, TargetKeyId=key.key_id
            )

    def _change_state(self, key: KnownKey) -> None:
        operation = self._random.choice(list(_STATE_CHANGES))
        if operation in ("DisableKey", "ScheduleKeyDeletion") and self._random.random() < 0.5:
            return  # Most keys are to be usable most of the time.
        takes, gives = _STATE_CHANGES[operation]
        given = {"PendingWindowInDays": 7} if operation == "ScheduleKeyDeletion" else {}
        allowed = set() if key.state.values <= takes else _WRONG_STATE
        answer = self._call(operation, allowed, KeyId=key.key_id, **given)
        if isinstance(answer, dict):
            self._check(bool(key.state.values & takes), f"{operation} was done to a key that is {key.state}")
            key.state.answered(gives)
        elif answer is Fate.MAYBE:
            key.state.unanswered(gives)

    def _rotate(self, key: KnownKey) -> None:
        allowed = {"LimitExceededException"} if key.rotations + key.rotations_unanswered >= 25 else set()
        answer = self._use(key, "RotateKeyOnDemand", allowed, KeyId=key.key_id)
        if isinstance(answer, dict):
            key.rotations += 1
        elif answer is Fate.MAYBE:
            key.rotations_unanswered += 1

    def _switch_rotation(self, key: KnownKey) -> None:
        on = self._random.random() < 0.6
        answer = self._use(key, "EnableKeyRotation" if on else "DisableKeyRotation", KeyId=key.key_id)
        _apply(key.rotates, on, answer)

    # asking

    def _change(
        self,
        key: KnownKey,
        possible: Possible[Any],
        value: object,
        operation: str,
        allowed: Collection[str] = (),
        **parameters: Any,
    ) -> None:
        """A change that every state of the key allows but PendingDeletion."""
        refusals = set(allowed)
        if "PendingDeletion" in key.state.values:
            refusals.add("KMSInvalidStateException")
        _apply(possible, value, self._call(operation, refusals, **parameters))

    def _use(self, key: KnownKey, operation: str, allowed: Collection[str] = (), **parameters: Any) -> Answer:
        """A call that needs the key enabled."""
        usable = key.state.values == {"Enabled"}
        answer = self._call(operation, {*allowed, *(() if usable else _WRONG_STATE)}, **parameters)
        if isinstance(answer, dict):
            self._check("Enabled" in key.state.values, f"{operation} with a key that is {key.state}")
        return answer

    def _call(self, operation: str, allowed: Collection[str], **parameters: Any) -> Answer:
        """What became of a call, which may end in the errors that are `allowed`."""
        known = self.known
        while not self._stop_event.is_set():
            try:
                answer = self._client.call(operation, **parameters)
            except NotSentError:
                time.sleep(0.01)
                continue
            except UnansweredError:
                known.unanswered += 1
                return Fate.MAYBE
            except Refused as refused:
                if refused.status >= 500:
                    self._check(refused.code == _UNAVAILABLE, str(refused))
                    known.excuses.add(refused.message)
                    known.unavailable += 1
                    return Fate.MAYBE
                known.requests.append((operation, refused.request_id))
                self._check(refused.code in allowed, f"{operation}: {refused}; allowed: {allowed or 'none'}")
                return Fate.REFUSED
            known.requests.append((operation, self._client.request_id))
            return answer
        return Fate.NOT_SENT

    def _check(self, right: bool, what: str) -> None:
        if not right:
            self.known.wrong.append(f"{self.name}: {what}")

    def _fresh(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}-{kind}-{self._count}"


def _apply(possible: Possible[Any], value: object, answer: Answer) -> None:
    if isinstance(answer, dict):
        possible.answered(value)
    elif answer is Fate.MAYBE:
        possible.unanswered(value)
