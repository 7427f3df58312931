"""Generated documents hold what the code gives now."""

from __future__ import annotations

import dataclasses

from tools.generate import DOCUMENTS, ROOT, stale
from tools.settings_reference import meanings

from hearthkms.kms.operations import OPERATIONS
from hearthkms.settings import Settings
from hearthkms.wire.model import load


def test_generated_documents_are_current() -> None:
    assert stale() == [], "run `make docs`"


def test_they_say_that_they_are_generated() -> None:
    for name in DOCUMENTS:
        assert "Do not edit." in (ROOT / name).read_text("utf-8").splitlines()[2]


def test_the_readme_counts_the_operations() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"{len(OPERATIONS)} of the API's {len(load('kms').operation_names)} operations" in readme


def test_every_setting_is_documented() -> None:
    documented = meanings()
    assert set(documented) == {field.name for field in dataclasses.fields(Settings)}
    assert [name for name, text in documented.items() if not text.endswith(".")] == []
