"""Describes every command with its arguments and options, from the functions that run them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cyclopts import App
from cyclopts.argument import Argument

from lanrage_events._cli.app import _make_app
from lanrage_events._cli.plugin_commands import load_command
from lanrage_events._discovery import plugin_commands

PROGRAM = "lanrage-events"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the command line."""

    name: str
    """with the command that it belongs to, such as ``outbox list``"""
    app: App
    description: str
    parameters: dict[str, str]
    """descriptions by the names in Python"""


def commands() -> list[Command]:
    """Return every command, those of the built-in plugins too."""
    app = _make_app()
    for command in plugin_commands():
        if command.distribution == PROGRAM:
            app.command(load_command(command), name=command.name)

    return list(_commands_of(app, ""))


def _commands_of(app: App, above: str) -> Iterator[Command]:
    for name in app:
        if name.startswith("-"):
            continue

        inner = app[name]
        if inner.default_command is None:
            yield from _commands_of(inner, f"{above}{name} ")
            continue

        doc = inspect.getdoc(inner.default_command) or ""
        description, *parts = re.split(r"^:param (\w+):", doc, flags=re.MULTILINE)
        parameters = {
            key: " ".join(text.split()) for key, text in zip(parts[::2], parts[1::2], strict=True)
        }
        yield Command(f"{above}{name}", inner, description.strip(), parameters)


def lines(name: str | None = None) -> Iterator[str]:
    """Yield the description of one command, or of all, in reStructuredText.

    :param name: as in :class:`Command`
    :raises ValueError: if there is no such command, or it has a parameter without a description
    """
    found = [command for command in commands() if name in (None, command.name)]
    if not found:
        raise ValueError(f"there is no command {name!r}")

    for command in found:
        yield from _describe(command)


def _describe(command: Command) -> Iterator[str]:
    arguments = [*command.app.assemble_argument_collection()]
    words = [PROGRAM, *command.name.split(), *map(_usage, arguments)]
    yield ".. code-block:: text"
    yield ""
    yield f"   {' '.join(words)}"
    yield ""
    yield from command.description.splitlines()
    yield ""
    yield f".. program:: {PROGRAM} {command.name}"
    yield ""
    for argument in arguments:
        description = command.parameters.get(argument.field_info.name)
        if not description:
            raise ValueError(f"{command.name}: {argument.name} has no description")

        yield f".. option:: {_name(argument)}"
        yield ""
        yield f"   {_sentence(description)}{_notes(argument)}"
        yield ""


def _name(argument: Argument) -> str:
    name = argument.name
    if not name.startswith("-"):
        return f"{name}..." if argument.is_var_positional() else name

    return name if argument.is_flag() else f"{name} {_value(argument)}"


def _value(argument: Argument) -> str:
    return argument.name.lstrip("-").upper().replace("-", "_")


def _usage(argument: Argument) -> str:
    text = _name(argument)
    return text if argument.required else f"[{text}]"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." * (not text.endswith("."))


def _notes(argument: Argument) -> str:
    notes = ""
    if choices := argument.get_choices():
        notes += " One of " + ", ".join(f"``{choice}``" for choice in choices) + "."

    default = argument.field_info.default
    if not argument.is_flag() and default not in (None, (), inspect.Parameter.empty):
        notes += f" Default: ``{default}``."

    for variable in argument.parameter.env_var or ():
        notes += f" It can also come from the environment variable ``{variable}``."

    return notes
