"""Every module can be imported by itself, and the import rules hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from tests.architecture.sources import ROOT, SOURCE, Function, name, python_files, tree

Code = Function | ast.ClassDef

_EACH_ALONE = """
import importlib, os, sys
# What each child would import anew, and cannot be part of a cycle.
import alembic.command, botocore.loaders, click, cryptography.x509
import httptools, msgspec, psycopg, sqlalchemy, uvloop
failed = []
for module in sys.argv[1:]:
    pid = os.fork()
    if pid == 0:
        try:
            importlib.import_module(module)
        except BaseException as error:
            print(f"{module}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        failed.append(module)
sys.exit(1 if failed else 0)
"""


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_each_module_imports_alone() -> None:
    """A cycle of imports shows only to whoever enters it at the wrong module: each is entered first once."""
    modules = [_module(path) for path in python_files("src") if path.stem != "__main__"]
    modules = [module for module in modules if ".versions." not in module]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", _EACH_ALONE, *modules], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr


def test_import_contracts_are_kept() -> None:
    command = Path(sys.executable).parent / "lint-imports"
    if not command.exists():
        pytest.skip("import-linter is not installed")
    ended = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


def test_package_files_hold_no_code() -> None:
    """`__init__.py` says what the package is, and re-exports; two of them also hold an index."""
    indexes = {"src/hearthkms/cli/__init__.py", "src/hearthkms/kms/operations/__init__.py"}
    packages = [path for path in python_files("src") if path.name == "__init__.py"]
    with_code = {name(path) for path in packages if any(isinstance(n, Code) for n in tree(path).body)}
    assert with_code - indexes == set()
