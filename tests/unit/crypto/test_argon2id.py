"""Keys from passphrases, against published vectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearthkms.core.secret import Secret
from hearthkms.crypto.passphrase import Cost, Parameters, argon2id, derive

VECTORS = Path(__file__).parents[2] / "vectors" / "argon2id" / "argon2id.txt"
CHEAP = Cost(iterations=1, lanes=1, memory_kib=19_456)


def published() -> list[dict[str, str]]:
    """The cases without secret and associated data, which we never give."""
    cases = []
    for block in VECTORS.read_text().split("COUNT = ")[1:]:
        lines = [line.partition("=") for line in block.splitlines() if "=" in line and line[0] != "#"]
        case = {name.strip(): value.strip() for name, _, value in lines}
        if "secret" not in case:
            cases.append(case)
    return cases


@pytest.mark.parametrize("case", published(), ids=lambda case: case["output"][:8])
def test_published_vectors(case: dict[str, str]) -> None:
    cost = Cost(int(case["iter"]), int(case["lanes"]), int(case["memcost"]))
    password, salt = Secret(bytes.fromhex(case["pass"])), bytes.fromhex(case["salt"])
    assert argon2id(password, salt, cost, int(case["length"])).hex() == case["output"]


def test_there_are_five_published_vectors() -> None:
    assert len(published()) == 5


def test_the_key_depends_on_passphrase_salt_and_cost() -> None:
    parameters = Parameters(bytes(16), CHEAP)
    key = derive(Secret(b"passphrase"), parameters)
    assert len(key) == 32
    assert derive(Secret(b"passphrase"), parameters) == key
    assert derive(Secret(b"Passphrase"), parameters) != key
    assert derive(Secret(b"passphrase"), Parameters(bytes(15) + b"\1", CHEAP)) != key
    assert derive(Secret(b"passphrase"), Parameters(bytes(16), Cost(2, 1, 19_456))) != key


def test_fresh_parameters_have_a_salt_of_their_own() -> None:
    assert Parameters.fresh().salt != Parameters.fresh().salt


@pytest.mark.parametrize(
    ("salt", "cost"),
    [
        (bytes(15), CHEAP),
        (bytes(16), Cost(0, 1, 19_456)),
        (bytes(16), Cost(65, 1, 19_456)),
        (bytes(16), Cost(1, 0, 19_456)),
        (bytes(16), Cost(1, 65, 19_456)),
        (bytes(16), Cost(1, 1, 19_455)),
        (bytes(16), Cost(1, 1, 4_194_305)),
    ],
)
def test_refuses_weak_and_impossible_parameters(salt: bytes, cost: Cost) -> None:
    with pytest.raises(ValueError):
        Parameters(salt, cost)
