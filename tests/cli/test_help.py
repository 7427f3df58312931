"""What the command says of itself, and how it takes mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from tests.cli.conftest import Cli

from hearthkms import __version__
from hearthkms.cli import hearthkms


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += _commands(command, (*path, name))
    return found


def _lookup(path: tuple[str, ...]) -> click.Command:
    command: click.Command = hearthkms
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


def test_the_commands_come_in_the_order_a_newcomer_needs(cli: Cli) -> None:
    text = cli("--help").stdout
    listed = re.findall(r"^  ([a-z-]+)  ", text.partition("Commands:")[2], re.MULTILINE)
    assert listed[:5] == ["serve", "access-key", "audit", "root", "unseal"]
    assert "hearthkms serve --dev" in text
    assert "Exit codes:" in text
    assert cli("-h").stdout == text
    assert cli("--version").stdout == f"hearthkms, version {__version__}\n"


@pytest.mark.parametrize("path", _commands(hearthkms), ids=" ".join)
def test_every_command_and_option_explains_itself(path: tuple[str, ...]) -> None:
    command = _lookup(path)
    assert command.help, "a command without a word of help"
    assert command.help.split("\n\n")[0].rstrip().endswith(".")
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.opts[0]} says nothing of itself"


def test_examples_name_real_commands_and_options(cli: Cli) -> None:
    """Each example of a help text is at least understood: its command and its options exist."""
    examples = []
    for path in _commands(hearthkms):
        for line in (_lookup(path).epilog or "").splitlines():
            for found in re.findall(r"hearthkms ((?:[a-z]+(?:-[a-z]+)* ?)+)((?:--?[a-z-]+[^|&)`]*)?)", line):
                examples.append((tuple(found[0].split()), re.findall(r"--[a-z-]+", found[1])))
    assert len(examples) >= 8
    for words, options in examples:
        path = words
        while path not in _commands(hearthkms):
            path = path[:-1]
        known = {name for option in _lookup(path).params for name in option.opts}
        assert set(options) <= known, (words, options)


def test_mistakes_are_explained_with_exit_code_2(cli: Cli) -> None:
    assert "No such command 'sevre'" in cli("sevre", code=2).stderr
    assert "No such option" in cli("serve", "--prot", "1", code=2).stderr
    assert "Missing argument 'ACCESS_KEY_ID'" in cli("access-key", "disable", code=2).stderr
    assert "'nowhere.pem' does not exist" in cli("serve", "--tls-cert", "nowhere.pem", code=2).stderr
    assert "Missing option '--to'" in cli("root", "rewrap", code=2).stderr
    both = cli("root", "rewrap", "--to", "passphrase", "--new-root-key-file", "k", code=2).stderr
    assert "--new-root-key-file goes with --to key-file" in both


def test_commands_on_data_that_is_not_there_leave_nothing_behind(cli: Cli, tmp_path: Path) -> None:
    for words in (
        ("access-key", "list"),
        ("audit", "tail"),
        ("root", "rewrap", "--to", "key-file"),
        ("unseal",),
    ):
        said = cli(*words, "--data", "nowhere", code=1)
        assert said.stderr == "hearthkms: There is no data folder nowhere; name it with --data.\n"
    for words in (("audit", "verify"), ("root", "status"), ("root", "rewrap", "--to", "key-file")):
        said = cli(*words, "--data", ".", code=1)
        assert said.stderr.startswith("hearthkms: No service has been started with the data folder .")
    assert list(tmp_path.iterdir()) == []
