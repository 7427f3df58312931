"""The counter KDF against NIST's vectors, Wycheproof's, and the library's own KDF."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from hearthkms.core.secret import Secret
from hearthkms.crypto.kdf import CounterKdf, Prf

VECTORS = Path(__file__).parents[2] / "vectors"
COUNTER = bytes.fromhex("00000001")


def nist_cases() -> Iterator[tuple[bytes, bytes, bytes]]:
    """Key, fixed input and output of each case."""
    case: dict[str, str] = {}
    for line in (VECTORS / "sp800-108" / "kdfctr-hmac-sha256.rsp").read_text().splitlines():
        name, equals, value = line.strip().partition(" = ")
        if equals:
            case[name] = value
        if name == "KO":
            yield bytes.fromhex(case["KI"]), bytes.fromhex(case["FixedInputData"]), bytes.fromhex(value)


def test_nist_cavp() -> None:
    # Longer outputs begin with the one block that we derive, shorter ones are its beginning.
    cases = list(nist_cases())
    assert len(cases) == 40
    for key, fixed, output in cases:
        block = Prf(Secret(key), COUNTER).digest(fixed)
        assert len(block) == 32
        assert block[: len(output)] == output[:32]


def test_nist_cavp_wherever_the_saved_beginning_ends() -> None:
    key, fixed, output = next(case for case in nist_cases() if len(case[2]) == 32)
    for cut in range(len(fixed) + 1):
        assert Prf(Secret(key), COUNTER + fixed[:cut]).digest(fixed[cut:]) == output


def test_wycheproof_hmac() -> None:
    groups = json.loads((VECTORS / "hmac-sha256" / "hmac-sha256.json").read_text())["testGroups"]
    cases = [case for group in groups for case in group["tests"]]
    assert len(cases) == 87
    assert {case["result"] for case in cases} == {"valid", "invalid"}
    for case in cases:
        key, message = bytes.fromhex(case["key"]), bytes.fromhex(case["msg"])
        middle = len(message) // 2
        tag = Prf(Secret(key), message[:middle]).digest(message[middle:])
        assert (tag == bytes.fromhex(case["tag"])) is (case["result"] == "valid"), case["tcId"]


@given(
    key=st.binary(min_size=32, max_size=100),
    label=st.binary(min_size=1, max_size=40).filter(lambda label: b"\0" not in label),
    context=st.binary(max_size=80),
)
def test_equals_the_library_s_kdf(key: bytes, label: bytes, context: bytes) -> None:
    reference = KBKDFHMAC(
        algorithm=SHA256(),
        mode=Mode.CounterMode,
        length=32,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=label,
        context=context,
        fixed=None,
    )
    assert CounterKdf(Secret(key), label).derive(context) == reference.derive(key)


def test_derivations_do_not_depend_on_earlier_ones() -> None:
    kdf = CounterKdf(Secret(bytes(32)), b"label")
    first = kdf.derive(b"one")
    kdf.derive(b"two")
    assert kdf.derive(b"one") == first
    assert kdf.derive(b"two") != first


@pytest.mark.parametrize(("key", "label"), [(bytes(31), b"label"), (bytes(32), b""), (bytes(32), b"a\0b")])
def test_refuses_short_keys_and_ambiguous_labels(key: bytes, label: bytes) -> None:
    with pytest.raises(ValueError):
        CounterKdf(Secret(key), label)
