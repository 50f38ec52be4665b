"""Describes the public names of a package, from their signatures and docstrings."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import docstrings

RECORD = Path(__file__).parents[2] / "tests" / "public_names.json"

_LINE_MAX_CHARACTERS = 88


def names(package: str) -> tuple[str, ...]:
    """Return the public names of a package, or of a module, in the order in which they stand there."""
    return tuple(name for name in _sources(package) if not name.startswith("_"))


@cache
def _sources(module: str) -> dict[str, str]:
    """Return the names of a module, each with the module that it comes from."""
    tree = _tree(import_module(module))
    package = module if hasattr(import_module(module), "__path__") else module.rpartition(".")[0]
    if module == "lanrage_events":
        return _sources("lanrage_events._exports")

    parents = package.split(".")
    imported = {
        alias.asname
        or alias.name: f"{'.'.join(parents[: len(parents) - node.level + 1])}.{node.module}"
        for node in _statements(tree)
        if isinstance(node, ast.ImportFrom) and node.level and node.module
        for alias in node.names
    }
    defined = {
        node.name: module for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    documented = {
        target.id: module
        for statement, after in pairwise(tree.body)
        if isinstance(statement, ast.Assign) and _is_text(after)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    # A module that defines something imports the rest for itself.
    return {**defined, **documented} if defined else imported


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield what stands at the top, and what only type checkers see."""
    for node in tree.body:
        yield from node.body if isinstance(node, ast.If) else (node,)


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _definition(module: str, name: str) -> ast.ClassDef | None:
    """Return the class statement of a public name."""
    while True:
        tree = _tree(import_module(module))
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node

        source = {**_sources(module)}.get(name)
        if source in (None, module):
            return None

        module = str(source)


@cache
def _since() -> dict[str, Any]:
    """Return what is recorded of each public name."""
    recorded: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
    return recorded


def lines(package: str, only: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the description of public names, in Markdown.

    :param package: where they are imported from
    :param only: some of its names; all of them by default
    :raises ValueError: if there is no such name, or one says nothing of itself
    """
    yield f"*Import from* `{package}`*:*"
    yield ""
    for name in only or names(package):
        value = getattr(import_module(package), name, None)
        if value is None:
            raise ValueError(f"{package} has no {name}")

        yield f"### {name}"
        yield ""
        yield f"*In* `{package}` *since {_since()[f'{package}.{name}']['since']}*"
        yield ""
        if inspect.isclass(value):
            yield from _class(package, name, value)
        elif inspect.isfunction(value):
            yield from _function(name, value)
        else:
            yield from _data(package, name)


def _code(prefix: str, name: str, function: Any, *, returns: bool = True) -> Iterator[str]:
    """Yield the signature of a function as its source has it, without ``self``."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    [node] = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    parts = list(_parts(node.args))
    result = f" -> {ast.unparse(node.returns)}" if returns and node.returns is not None else ""
    line = f"{prefix}{name}({', '.join(parts)}){result}"
    yield "```python"
    if len(line) <= _LINE_MAX_CHARACTERS:
        yield line
    else:
        yield f"{prefix}{name}("
        yield from (f"    {part}," for part in parts)
        yield f"){result}"

    yield "```"
    yield ""


def _parts(arguments: ast.arguments) -> Iterator[str]:
    """Yield the parameters as they are written, one after another."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    for index, (argument, default) in enumerate(zip(positional, defaults, strict=True), start=1):
        if argument.arg not in ("self", "cls"):
            yield _part(argument, default)

        if index == len(arguments.posonlyargs):
            yield "/"

    if arguments.vararg is not None:
        yield f"*{_part(arguments.vararg, None)}"
    elif arguments.kwonlyargs:
        yield "*"

    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _part(argument, default)

    if arguments.kwarg is not None:
        yield f"**{_part(arguments.kwarg, None)}"


def _part(argument: ast.arg, default: ast.expr | None) -> str:
    text = ast.unparse(argument)
    equals = " = " if argument.annotation is not None else "="
    return text if default is None else f"{text}{equals}{ast.unparse(default)}"


def _function(name: str, value: Any) -> Iterator[str]:
    function = inspect.unwrap(value)
    yield from _code(f"{'async ' if _is_async(function) else ''}def ", name, function)
    documentation = inspect.getdoc(value)
    if not documentation:
        raise ValueError(f"{name} says nothing of itself")

    yield from docstrings.lines(documentation)


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _class(package: str, name: str, cls: type[Any]) -> Iterator[str]:
    documentation = inspect.getdoc(cls)
    if not documentation or documentation.startswith(f"{name}("):
        raise ValueError(f"{package}.{name} says nothing of itself")

    bases = ", ".join(base.__name__ for base in cls.__bases__ if _is_public(base))
    yield "```python"
    yield f"class {name}({bases})" if bases else f"class {name}"
    yield "```"
    yield ""
    yield from docstrings.lines(documentation)
    if "__init__" in vars(cls) and not (dataclasses.is_dataclass(cls) or _is_model(cls)):
        yield from _code("", name, vars(cls)["__init__"], returns=False)

    yield from _attributes(package, name, cls)
    for key, member in _methods(cls):
        yield f"#### {name}.{key}"
        yield ""
        if isinstance(member, property):
            yield from docstrings.lines(inspect.getdoc(member) or "")
        else:
            yield from _function(key, member)


def _is_model(cls: type[Any]) -> bool:
    return hasattr(cls, "model_fields")


def _is_public(base: type[Any]) -> bool:
    return not base.__name__.startswith("_") and base is not object and base.__name__ != "Generic"


def _attributes(package: str, name: str, cls: type[Any]) -> Iterator[str]:
    """Yield the fields that have a comment below them, with their types and defaults."""
    node = _definition(package, name)
    body = [] if node is None else node.body
    found = []
    for statement, after in zip(body, [*body[1:], None], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            comment = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                comment = str(after.value.value)

            key = statement.target.id
            if key.startswith("_"):
                continue

            kind = ast.unparse(statement.annotation)
            default = "" if statement.value is None else f" = {ast.unparse(statement.value)}"
            text = " ".join(docstrings.text(comment).split())
            found.append(f"- `{key}: {kind}{default}`{': ' if text else ''}{text}")

    if found:
        yield from (*found, "")


def _methods(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    seen = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("lanrage_events"):
            continue

        for key, member in vars(base).items():
            value = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            is_own = inspect.isfunction(value) or isinstance(value, property)
            if (
                is_own
                and not key.startswith("_")
                and key not in seen
                and inspect.getdoc(getattr(cls, key))
            ):
                seen.add(key)
                yield key, value


def _data(package: str, name: str) -> Iterator[str]:
    """Yield the description of a value that is no class, which stands as a text below it."""
    source = package
    while (further := _sources(source).get(name, source)) != source:
        source = further

    body = _tree(import_module(source)).body
    for statement, after in pairwise(body):
        targets = (
            statement.targets
            if isinstance(statement, ast.Assign)
            else [statement.target]
            if isinstance(statement, ast.AnnAssign)
            else []
        )
        is_it = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        if is_it and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            first, *rest = docstrings.lines(textwrap.dedent(str(after.value.value)))
            yield from (docstrings.sentence(first) if not rest[1:] else first, *rest)
            return

    raise ValueError(f"{package}.{name} says nothing of itself: write a text below it")
