"""What the source does not do: swallow errors, print, reveal secrets in passing, leave work for later."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import TypeVar

from tests.architecture.sources import name, python_files, tree

Node = TypeVar("Node", bound=ast.AST)

_SOURCES = python_files("src")
_EVERYTHING = {"Exception", "BaseException"}

CATCHES_EVERYTHING = {
    "src/hearthkms/service/execute.py": "the door: whatever a handler raises is refused, audited and logged",
    "src/hearthkms/core/eager.py": "hands what it catches to the coroutine it steps",
    "src/hearthkms/app/processes.py": "the end of a child process, which shows what ended it",
}
"""Where an error of any kind may be caught without being raised again, and why."""

REVEALS = {
    "src/hearthkms/app/instance.py": "prints the root credential that `--dev` or `--ready-file` asked for",
    "src/hearthkms/app/streams.py": "splits the audit trail's secret into its two keys",
    "src/hearthkms/audit/head.py": "keys the MAC of a stream's head",
    "src/hearthkms/cli/access_keys.py": "prints a new access key, this once",
    "src/hearthkms/cli/root.py": "sends the passphrase over the control socket",
    "src/hearthkms/crypto/ed25519.py": "loads a private key into OpenSSL",
    "src/hearthkms/crypto/kdf.py": "keys the MAC from which everything else is derived",
    "src/hearthkms/crypto/passphrase.py": "gives the passphrase to Argon2id",
    "src/hearthkms/crypto/sealing.py": "seals a secret",
    "src/hearthkms/crypto/x509.py": "loads the development certificate's key into OpenSSL",
    "src/hearthkms/kms/operations/symmetric.py": "the plaintext of Decrypt, and of ReEncrypt on its way",
    "src/hearthkms/sigv4/canonical.py": "derives a signing key",
    "src/hearthkms/wire/encode.py": "writes an answer that carries a secret",
    "src/hearthkms/wire/http/tls.py": "writes the development certificate's key to its file",
}
"""The files that may look into a Secret, and what for."""


def _nodes(kind: type[Node]) -> Iterator[tuple[str, Node]]:
    for path in _SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, kind):
                yield name(path), node


def _calls_of(attribute: str) -> Iterator[tuple[str, ast.Call]]:
    for path, call in _nodes(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr == attribute:
            yield path, call


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(one, ast.Name) and one.id in _EVERYTHING for one in caught)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_nothing_swallows_every_error() -> None:
    swallowing = {
        path
        for path, handler in _nodes(ast.ExceptHandler)
        if _is_broad(handler) and not _raises_again(handler)
    }
    assert swallowing == set(CATCHES_EVERYTHING)


def test_nothing_suppresses_every_error() -> None:
    suppressing = [
        path
        for path, call in _calls_of("suppress")
        if {ast.unparse(argument) for argument in call.args} & _EVERYTHING
    ]
    assert suppressing == []


def test_secrets_are_revealed_where_that_is_the_purpose() -> None:
    assert {path for path, _ in _calls_of("reveal")} == set(REVEALS)


def test_nothing_prints() -> None:
    printing = [
        f"{path}:{call.lineno}"
        for path, call in _nodes(ast.Call)
        if isinstance(call.func, ast.Name) and call.func.id == "print"
    ]
    assert printing == []


def test_nothing_is_left_for_later() -> None:
    left = [path for path, used in _nodes(ast.Name) if used.id == "NotImplementedError"]
    for path in _SOURCES:
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        remarks = (token.string for token in tokens if token.type in (tokenize.COMMENT, tokenize.STRING))
        left += [name(path) for remark in remarks if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", remark)]
    assert left == []


def test_names_say_what_a_module_is_about() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    assert [name(path) for path in python_files("src", "tests", "tools") if path.stem in vague] == []
