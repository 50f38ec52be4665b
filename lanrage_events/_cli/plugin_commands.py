"""The commands of plugins; only the one that is called is imported."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from .._discovery import PluginCommand
from .._exceptions import format_error
from .._files import read_file
from .._hints import install_hint
from .errors import CommandLoadError

_MAX_BYTES = 1_000_000


def load_command(command: PluginCommand) -> Callable[..., object]:
    """Import the function of a command.

    :raises CommandLoadError: if it cannot be used
    """
    if command.problem:
        raise CommandLoadError(command, command.problem)

    try:
        function: object = command.origin.entry_point.load()
    except (Exception, SystemExit) as error:
        reason = install_hint(error, command.origin.distribution) or format_error(error)
        raise CommandLoadError(command, reason) from error

    if not callable(function):
        raise CommandLoadError(command, f"'{command.target}' is not a function")

    return function


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
    """Return the source of a module without importing its packages."""
    package, *inner = module.split(".")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise OSError(f"there is no module {package}")

    path = Path(spec.origin)
    for name in inner:
        folder = path.parent / name
        path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")

    return read_file(path, _MAX_BYTES)
