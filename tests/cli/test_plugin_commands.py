from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent

import pytest

from lanrage_events._cli import CommandLoadError, load_command, summary
from lanrage_events._discovery import COMMANDS_GROUP, PluginCommand, PluginEntryPoint
from lanrage_events.cli import install_command

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Return a function that writes a module which can be imported during the test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def write_module(name: str, source: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")

    yield write_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def command(target: str, problem: str = "") -> PluginCommand:
    entry_point = EntryPoint("shout", target, COMMANDS_GROUP)
    return PluginCommand(PluginEntryPoint(entry_point, "shout-dist", "1.0"), problem)


MODULE = '''
    1 / 0

    def shout(word):
        """Shout a word.

        Very loud.
        """

    async def whisper():
        """Whisper."""

    def mute():
        pass
'''


def test_the_function_of_a_command_is_imported(write: Write) -> None:
    write("shouting.py", "class Group:\n    def shout(word): return word.upper()\n")
    function = load_command(command("shouting:Group.shout"))
    assert function("hey") == "HEY"


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("1 / 0", "shouting:shout", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "shouting:shout", "SystemExit: 3"),
        ("", "shouting:shout", "AttributeError: module 'shouting' has no attribute 'shout'"),
        ("", "no_such_module_here:shout", "ModuleNotFoundError: No module named"),
        ("import structlog_not_there", "shouting:shout", "ModuleNotFoundError: No module named"),
        ("shout = 3", "shouting:shout", "'shouting:shout' is not a function"),
    ],
)
def test_a_command_that_cannot_be_imported_names_its_distribution(
    write: Write, source: str, target: str, reason: str
) -> None:
    write("shouting.py", source)
    with pytest.raises(CommandLoadError) as caught:
        load_command(command(target))

    message = f"the command 'shout' of shout-dist 1.0 cannot be used: {reason}"
    assert str(caught.value).startswith(message)


def test_a_package_that_an_extra_brings_is_named_with_what_to_install(write: Write) -> None:
    write("shouting.py", "raise ModuleNotFoundError('no', name='structlog')")
    with pytest.raises(CommandLoadError, match=re.escape(install_command("daemon"))):
        load_command(command("shouting:shout"))


def test_a_command_with_a_known_problem_is_not_imported(write: Write) -> None:
    write("shouting.py", "")
    with pytest.raises(CommandLoadError, match="cannot be used: two bring it"):
        load_command(command("shouting:shout", "two bring it"))

    assert "shouting" not in sys.modules


@pytest.mark.parametrize(
    ("function", "text"),
    [("shout", "Shout a word."), ("whisper", "Whisper."), ("mute", ""), ("missing", "")],
)
def test_what_a_command_does_is_read_without_importing_it(
    write: Write, function: str, text: str
) -> None:
    write("shouting.py", MODULE)
    write("package/__init__.py", "1 / 0")
    write("package/inner/__init__.py", MODULE)
    write("package/inner/commands.py", MODULE)
    for module in ("shouting", "package.inner", "package.inner.commands"):
        assert summary(command(f"{module}:{function}")) == text

    assert not {"shouting", "package"} & set(sys.modules)


@pytest.mark.parametrize(
    "target", ["no_such_module_here:f", "sys:f", ":f", "shouting.inner:f", "broken:f", "not a:f"]
)
def test_nothing_is_said_of_a_command_that_cannot_be_read(write: Write, target: str) -> None:
    write("shouting.py", "")
    write("broken.py", "def f(:")
    assert summary(command(target)) == ""
