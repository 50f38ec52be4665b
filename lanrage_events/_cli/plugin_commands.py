"""The commands that plugins bring, of which only the one that is called gets imported."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from .._discovery import COMMANDS_GROUP, PluginCommand
from .._exceptions import format_error
from .._hints import install_hint
from .errors import CommandLoadError


def load_command(command: PluginCommand) -> Callable[..., object]:
    """Import the function of a command.

    :raises CommandLoadError: if it cannot be used
    """
    if command.problem:
        raise CommandLoadError(command, command.problem)

    entry_point = EntryPoint(command.name, command.target, COMMANDS_GROUP)
    try:
        function = entry_point.load()
    except (Exception, SystemExit) as error:
        raise CommandLoadError(command, _reason(error, command)) from error

    if not callable(function):
        raise CommandLoadError(command, f"'{command.target}' is no function")

    loaded: Callable[..., object] = function
    return loaded


def _reason(error: BaseException, command: PluginCommand) -> str:
    hint = install_hint(error, command.distribution) if isinstance(error, ImportError) else ""
    return hint or format_error(error)


def summary(command: PluginCommand) -> str:
    """Return the first line of a command's docstring without importing it, empty if unknown."""
    module, _, function = command.target.partition(":")
    try:
        tree = ast.parse(_source(module))
    except (OSError, ValueError, SyntaxError):
        return ""

    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
            return (ast.get_docstring(node) or "").partition("\n")[0]

    return ""


def _source(module: str) -> bytes:
    """Return the text of a module, found without importing the packages that it is in."""
    package, *inner = module.split(".")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise OSError(f"there is no module {package}")

    path = Path(spec.origin)
    for name in inner:
        folder = path.parent / name
        path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")

    return path.read_bytes()
