from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import types
from itertools import pairwise
from pathlib import Path

import pytest
from blocks import generated

import lanrage_events

ROOT = Path(__file__).parents[1]
API_PAGE = ROOT / "docs" / "api.md"
HEAVY_MODULES = ("httpx", "jinja2", "pydantic", "sqlite3", "yaml")
# Packages whose names are on the page of the API; each is imported only by who needs it.
PACKAGES = (
    "lanrage_events",
    "lanrage_events.abc",
    "lanrage_events.backoff",
    "lanrage_events.cli",
    "lanrage_events.config",
    "lanrage_events.delivery",
    "lanrage_events.events",
    "lanrage_events.forgetting",
    "lanrage_events.http",
    "lanrage_events.outbox",
    "lanrage_events.state",
    "lanrage_events.templates",
    "lanrage_events.yaml",
    "lanrage_events_discord.limits",
    "lanrage_events_discord.markdown",
)
# Words that would say again what publish, subscribe, hook and subscription say.
AVOIDED_WORDS = {"emit", "fire", "trigger", "listener", "observer", "dispatcher", "topic"}


def names_of(package: str) -> list[str]:
    """Return the public names of a package or a module: what it re-exports, or else defines."""
    module = importlib.import_module(package)
    source = (
        importlib.import_module(f"{package}._exports") if package == "lanrage_events" else module
    )
    tree = ast.parse(inspect.getsource(source))
    aliases = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    ]
    defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    # A value is public if a text below it describes it.
    defined += [
        target.id
        for node, below in pairwise(tree.body)
        if isinstance(node, ast.Assign) and isinstance(below, ast.Expr)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    return [
        name
        for name in (aliases if hasattr(module, "__path__") else defined)
        if not name.startswith("_")
    ]


NAMES = [(package, name) for package in PACKAGES for name in names_of(package)]
every_name = pytest.mark.parametrize(("package", "name"), NAMES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_public_name_is_imported_as_itself(package: str) -> None:
    """Type checkers of whoever uses the package take it for public then."""
    module = importlib.import_module(
        f"{package}._exports" if package == "lanrage_events" else package
    )
    if hasattr(module, "__path__") or package == "lanrage_events":
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ImportFrom) and node.level:
                assert [alias.name for alias in node.names] == [a.asname for a in node.names]


def test_there_is_something_to_check() -> None:
    assert {"EventBus", "Event", "hookimpl"} <= set(names_of("lanrage_events"))
    assert all(names_of(package) for package in PACKAGES)


@every_name
def test_a_public_object_shows_the_module_that_a_user_would_write(package: str, name: str) -> None:
    value = getattr(importlib.import_module(package), name)
    if isinstance(value, (type, types.FunctionType)):
        home = value.__module__
        assert home == package or name in names_of(home)


@every_name
def test_a_public_class_or_function_says_what_it_is(package: str, name: str) -> None:
    value = getattr(importlib.import_module(package), name)
    if isinstance(value, (type, types.FunctionType)):
        assert value.__doc__


def test_dir_lists_the_public_names_and_nothing_else() -> None:
    importlib.import_module("lanrage_events.hookspecs")
    listed = {
        name
        for name in dir(lanrage_events)
        if not name.startswith("_")
        and not isinstance(getattr(lanrage_events, name), types.ModuleType)
    }

    assert listed - {"annotations", "TYPE_CHECKING"} == set(names_of("lanrage_events"))


def test_a_name_that_does_not_exist_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'lanrage_events' has no attribute 'EventBuss'"):
        lanrage_events.EventBuss  # type: ignore[attr-defined]  # noqa: B018


def modules_after(statement: str) -> set[str]:
    """Return the modules that a new process has imported after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        # What measures the coverage imports modules of its own.
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    return set(result.stdout.split())


def test_importing_the_package_imports_no_heavy_module() -> None:
    modules = modules_after("import lanrage_events")

    assert "lanrage_events" in modules
    assert modules.isdisjoint(HEAVY_MODULES)


@pytest.mark.slow
def test_the_names_of_the_package_import_nothing_that_the_bus_does_not_need() -> None:
    modules = modules_after("from lanrage_events import *\nfrom lanrage_events import EventBus")

    assert "lanrage_events._bus" in modules
    assert modules.isdisjoint({*HEAVY_MODULES, "importlib.resources", "shutil", "tempfile"})


def test_a_module_of_the_package_can_be_imported_from_it_before_any_name() -> None:
    modules = modules_after("from lanrage_events import cli, hookspecs")

    assert "lanrage_events._bus" not in modules


def test_importing_the_package_imports_nothing_that_is_not_used() -> None:
    modules = modules_after("import lanrage_events")

    assert not [name for name in modules if name.startswith("lanrage_events.")]


def test_importing_the_package_imports_no_plugin() -> None:
    modules = modules_after("import lanrage_events")

    assert not [name for name in modules if name.startswith("lanrage_events_")]


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_can_be_imported_first(package: str) -> None:
    modules_after(f"import {package}")


@every_name
def test_a_public_name_uses_the_words_of_the_project(package: str, name: str) -> None:
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}

    assert words.isdisjoint(AVOIDED_WORDS)


def test_the_api_page_documents_each_public_name_once() -> None:
    parts = [words.split() for words, _ in generated(API_PAGE.read_text("utf-8"))]
    documented = [f"{package}.{name}" for _, package, *names in parts for name in names]

    assert sorted(documented) == sorted(f"{package}.{name}" for package, name in NAMES)
