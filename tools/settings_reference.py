"""docs/settings.md: every setting, from the docstrings of hearthkms.settings and the options of `serve`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import click

from hearthkms import settings as module
from hearthkms.cli.serve import serve
from hearthkms.settings import Settings

_INTRODUCTION = """\
# Settings

<!-- Written by `make docs` from src/hearthkms/settings.py. Do not edit. -->

A setting comes from the command line, else from the settings file (`--settings FILE`, which every command
takes), else it has its default. The settings file is TOML, with these names at its top level; an unknown name
or a value of the wrong kind is an error. Sizes are bytes, times are seconds unless the name says otherwise.
Relative paths start at the folder in which the command runs. [commands.md](commands.md) has the options of
every command.

```toml
data = "/var/lib/hearthkms"
host = "0.0.0.0"
workers = 4
tls_cert = "/etc/hearthkms/server.pem"
tls_key = "/etc/hearthkms/server.key"
```

| setting | kind | default | option of `serve` | meaning |
|---|---|---|---|---|
"""

_KINDS = {
    "bool": "boolean",
    "float": "number",
    "int": "integer",
    "str": "text",
    "Path": "path",
    "tuple[str, ...]": "list of text",
}


def document() -> str:
    """The text of docs/settings.md."""
    return _INTRODUCTION + "".join(_rows())


def meanings() -> dict[str, str]:
    """The docstring of each setting: the string that follows it in the class."""
    body = ast.parse(inspect.getsource(module)).body
    (found,) = (node for node in body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    documented: dict[str, str] = {}
    for field, following in zip(found.body, found.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = following.value if isinstance(following, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                documented[field.target.id] = " ".join(text.value.split())
    return documented


def _rows() -> Iterator[str]:
    documented = meanings()
    options = {option.name: option.opts[0] for option in serve.params if isinstance(option, click.Option)}
    for field in dataclasses.fields(Settings):
        option = f"`{options[field.name]}`" if field.name in options else ""
        kind = _KINDS[str(field.type).removesuffix(" | None")]
        meaning = documented[field.name].replace("|", "\\|")
        yield f"| `{field.name}` | {kind} | {_default(field.default)} | {option} | {meaning} |\n"


def _default(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`"
