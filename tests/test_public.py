from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import NamedTuple

import pytest

import lanrage_events

ROOT = Path(__file__).parents[1]
API_PAGE = ROOT / "docs" / "api.md"
HEAVY_MODULES = ("httpx", "jinja2", "pydantic", "yaml")
# Words that would say again what publish, subscribe, hook and subscription say.
AVOIDED_WORDS = {"emit", "fire", "trigger", "listener", "observer", "dispatcher", "topic"}


class Export(NamedTuple):
    name: str
    alias: str | None
    heavy: bool


def exports(package: types.ModuleType) -> list[Export]:
    """Return what the package's ``__init__`` shows to type checkers of its modules."""
    tree = ast.parse(Path(inspect.getfile(package)).read_text("utf-8"))
    found = []
    for block in (node for node in tree.body if isinstance(node, ast.If)):
        for node in block.body:
            if isinstance(node, ast.ImportFrom) and node.level:
                found += [
                    Export(alias.name, alias.asname, alias.name in package._HEAVY)
                    for alias in node.names
                ]

    return found


EXPORTS = exports(lanrage_events)
NAMES = [export.name for export in EXPORTS]
HEAVY_NAMES = [export.name for export in EXPORTS if export.heavy]


def test_there_is_something_to_check() -> None:
    assert {"EventBus", "Event", "hookimpl"} <= set(NAMES)
    assert HEAVY_NAMES


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_a_public_name_is_exported_as_itself(export: Export) -> None:
    assert export.alias == export.name
    assert not export.name.startswith("_")


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(lanrage_events, name) is not None


@pytest.mark.parametrize("name", NAMES)
def test_a_public_object_shows_the_module_that_a_user_would_write(name: str) -> None:
    value = getattr(lanrage_events, name)
    if isinstance(value, (type, types.FunctionType)):
        assert value.__module__ == "lanrage_events"


@pytest.mark.parametrize("name", NAMES)
def test_a_public_class_or_function_says_what_it_is(name: str) -> None:
    value = getattr(lanrage_events, name)
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

    assert listed - {"annotations", "TYPE_CHECKING"} == set(NAMES)


def test_a_name_that_does_not_exist_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'lanrage_events' has no attribute 'EventBuss'"):
        lanrage_events.EventBuss  # type: ignore[attr-defined]  # noqa: B018


def modules_after(statement: str) -> set[str]:
    """Return the modules that a new process has imported after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8", timeout=60
    )
    return set(result.stdout.split())


def test_importing_the_package_imports_no_heavy_module() -> None:
    modules = modules_after("import lanrage_events")

    assert "lanrage_events" in modules
    assert modules.isdisjoint(HEAVY_MODULES)


def test_the_names_that_are_not_heavy_import_no_heavy_module() -> None:
    names = ", ".join(name for name in NAMES if name not in HEAVY_NAMES)

    assert modules_after(f"from lanrage_events import {names}").isdisjoint(HEAVY_MODULES)


def test_importing_the_package_imports_nothing_that_is_not_used() -> None:
    modules = modules_after("import lanrage_events")

    assert not [name for name in modules if name.startswith("lanrage_events.")]


def test_importing_the_package_imports_no_plugin() -> None:
    modules = modules_after("import lanrage_events")

    assert not [name for name in modules if name.startswith("lanrage_events_")]


@pytest.mark.parametrize("name", HEAVY_NAMES)
def test_a_heavy_name_can_be_imported_first(name: str) -> None:
    modules_after(f"from lanrage_events import {name}")


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_uses_the_words_of_the_project(name: str) -> None:
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}

    assert words.isdisjoint(AVOIDED_WORDS)


def test_the_api_page_documents_each_public_name_once() -> None:
    documented = re.findall(
        r"^\.\. (?:auto\w+|py:data):: lanrage_events\.(\w+)$",
        API_PAGE.read_text("utf-8"),
        re.MULTILINE,
    )

    assert sorted(documented) == sorted(NAMES)
