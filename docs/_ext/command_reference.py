"""Describes every command with its arguments and options, in the Markdown that cyclopts writes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

from cyclopts import App

from lanrage_events._cli import make_app as make_own_app
from lanrage_events._discovery import COMMANDS_GROUP

PROGRAM = "lanrage-events"
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"

_HEADING = re.compile(rf"^# {PROGRAM} ?(.*)$", re.MULTILINE)
_USAGE = f"```console\n{PROGRAM}"
# What cyclopts adds, such as *[default: 3]*, is no description.
_OPTION = re.compile(r"^\* `(.+?)`: ([^*\s].*(?:\n    .+)*)", re.MULTILINE)


def make_app() -> App:
    """Return the command line with the commands of the built-in plugins."""
    app = make_own_app()
    project = tomllib.loads(_PROJECT.read_text("utf-8"))["project"]
    # Not those that are installed: an editable installation may be older than the file.
    for name, target in sorted(project["entry-points"][COMMANDS_GROUP].items()):
        app.command(EntryPoint(name, target, COMMANDS_GROUP).load(), name=name)

    return app


def commands() -> dict[str, str]:
    """Return the description of every command.

    The keys are their names, with the command that they belong to, such as ``outbox list``.
    """
    # What stands before the first command is about the program.
    _, _, _, *parts = _HEADING.split(make_app().generate_docs(flatten_commands=True))
    described = dict(zip(parts[::2], parts[1::2], strict=True))
    return {name: text for name, text in described.items() if _USAGE in text}


def lines(name: str) -> Iterator[str]:
    """Yield the description of one command, in Markdown.

    :param name: as in :func:`commands`
    :raises ValueError: if there is no such command, or it has a parameter without a description
    """
    text = commands().get(name)
    if text is None:
        raise ValueError(f"there is no command {name!r}")

    described = {match[1] for match in _OPTION.finditer(text)}
    for option in re.findall(r"^\* `(.+?)`", text, re.MULTILINE):
        if option not in described:
            raise ValueError(f"{name}: {option} has no description")

    yield from text.strip().splitlines()
