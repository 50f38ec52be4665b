"""Where everything lives: packages with faces, few floors, and tests that mirror them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
CORE = "lanrage_events"
PACKAGES = [CORE, *sorted(path.name for path in (ROOT / "plugins").iterdir() if path.is_dir())]
FLOORS_MAX = 10
MODULES_MAX = 18
"""modules in one folder: with more of them, there is a room that nobody made"""
OTHER_TESTS = {"acceptance", "benchmarks", "docs", "plugins"}


class Import(NamedTuple):
    importer: str
    imported: str


def folder_of(package: str) -> Path:
    return ROOT / package if package == CORE else ROOT / "plugins" / package


@cache
def modules() -> dict[str, Path]:
    """Return the files of all modules by their names."""
    found = {}
    for package in PACKAGES:
        folder = folder_of(package)
        for path in folder.rglob("*.py"):
            name = ".".join([package, *path.relative_to(folder).with_suffix("").parts])
            found[name.removesuffix(".__init__")] = path

    return found


def is_package(module: str) -> bool:
    return modules()[module].name == "__init__.py"


@cache
def names_of(package: str) -> set[str]:
    """Return the names that a face has from its modules; one may be called like its module."""
    return {
        alias.asname or alias.name
        for node in ast.parse(modules()[package].read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom) and is_package(package) and node.level == 1
        for alias in node.names
    }


@cache
def imports() -> tuple[Import, ...]:
    """Return what our modules import of each other, for type checkers and inside functions, too."""
    return tuple(sorted({found for module in modules() for found in imports_of(module)}))


def imports_of(module: str) -> Iterator[Import]:
    own = module.split(".") if is_package(module) else module.split(".")[:-1]
    for node in ast.walk(ast.parse(modules()[module].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = own[: len(own) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                target = f"{source}.{alias.name}"
                if target not in modules() or alias.name in names_of(source):
                    target = source

                if target in modules():
                    yield Import(module, target)


@pytest.mark.slow
def test_nobody_imports_more_than_the_face_of_a_private_package() -> None:
    found = []
    for importer, imported in imports():
        package = imported.rpartition(".")[0]
        is_private = any(part.startswith("_") for part in package.split(".")[1:])
        is_inside = f"{importer}.".startswith(f"{package}.")
        if is_private and not is_inside:
            found.append(f"{importer} imports {imported}")

    assert found == []


@pytest.mark.slow
def test_the_core_has_few_floors() -> None:
    below: dict[str, set[str]] = {}
    for importer, imported in imports():
        rooms = [name.split(".")[1] for name in (importer, imported) if name.startswith(f"{CORE}.")]
        if len(rooms) == 2 and rooms[0] != rooms[1]:
            below.setdefault(rooms[0], set()).add(rooms[1])

    @cache
    def floors(room: str) -> int:
        return 1 + max(map(floors, below.get(room, ())), default=0)

    assert max(map(floors, below)) <= FLOORS_MAX


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_has_so_many_modules_that_one_has_to_search(package: str) -> None:
    folders = {path.parent for name, path in modules().items() if name.startswith(package)}
    crowded = {
        str(folder.relative_to(ROOT)): len(list(folder.glob("*.py")))
        for folder in folders
        if folder.name != "testing" and len(list(folder.glob("*.py"))) > MODULES_MAX
    }

    assert crowded == {}


@pytest.mark.slow
def test_every_module_says_in_one_line_what_it_is() -> None:
    silent = [
        name
        for name, path in modules().items()
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]

    assert silent == []


def mirrored() -> Iterator[tuple[Path, Path]]:
    """Yield each folder of tests with the package that it is about."""
    for package in PACKAGES:
        tests = ROOT / "tests"
        if package != CORE:
            tests = tests / "plugins" / package.removeprefix(f"{CORE}_")

        for folder in sorted(path for path in tests.iterdir() if path.is_dir()):
            if folder.name not in {*OTHER_TESTS, "browser", "__pycache__"}:
                yield folder, folder_of(package) / folder.name


def test_the_tests_mirror_the_packages() -> None:
    lost = [
        str(tests.relative_to(ROOT))
        for tests, package in mirrored()
        if not (package.is_dir() or package.with_name(f"_{package.name}").is_dir())
    ]

    assert lost == []
    tested = {package.name.removeprefix("_") for _, package in mirrored()}
    rooms = {
        name.rpartition(".")[2].removeprefix("_")
        for name, path in modules().items()
        if is_package(name) and name.count(".") == 1 and path.parent.name != "testing"
    }
    assert rooms <= tested
