from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from lanrage_events.templates import builtin_sets

ROOT = Path(__file__).parents[1]
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = CONFIG["project"]
TOOL: dict[str, Any] = CONFIG["tool"]


def packages_in(folder: str) -> list[str]:
    return sorted(path.parent.name for path in (ROOT / folder).glob("*/__init__.py"))


PLUGINS = packages_in("plugins")
TEMPLATES = packages_in("templates")
EXTRAS_FOR_DEVELOPERS = {"all", "test", "docs", "dev", "bench", "frameworks"}


def contract(name: str) -> dict[str, Any]:
    return next(item for item in TOOL["importlinter"]["contracts"] if item["name"] == name)


def test_there_are_plugins_and_templates() -> None:
    assert "lanrage_events_log" in PLUGINS
    assert TEMPLATES == ["lanrage_events_templates"]


def test_the_wheel_takes_every_package() -> None:
    assert TOOL["hatch"]["build"]["targets"]["wheel"]["packages"] == [
        "lanrage_events",
        *(f"plugins/{name}" for name in PLUGINS),
        *(f"templates/{name}" for name in TEMPLATES),
    ]


def test_the_wheel_has_the_templates_in_each_language() -> None:
    package = ROOT / "templates" / TEMPLATES[0]
    folders = {path.parent for path in package.rglob("words.yaml")}

    assert folders == set(builtin_sets().values())
    assert {folder.name for folder in folders} == {TEMPLATES[0], "de"}


def test_an_editable_install_finds_every_package() -> None:
    assert TOOL["hatch"]["build"]["dev-mode-dirs"] == [".", "plugins", "templates"]
    assert TOOL["mypy"]["mypy_path"][:2] == ["plugins", "templates"]
    assert TOOL["pyright"]["extraPaths"][:2] == ["plugins", "templates"]


def test_the_check_of_the_wheel_knows_every_package() -> None:
    assert TOOL["check-wheel-contents"]["toplevel"] == ["lanrage_events", *PLUGINS, *TEMPLATES]


def test_the_coverage_of_every_package_is_measured() -> None:
    assert TOOL["coverage"]["run"]["source_pkgs"] == ["lanrage_events", *PLUGINS]


def test_the_import_contracts_hold_for_every_plugin() -> None:
    assert TOOL["importlinter"]["root_packages"] == ["lanrage_events", *PLUGINS]
    assert contract("the core imports no plugin")["forbidden_modules"] == PLUGINS
    assert contract("plugins import only public names of the core")["source_modules"] == PLUGINS
    assert contract("plugins do not import each other")["modules"] == PLUGINS


def test_plugins_may_import_exactly_the_public_modules_of_the_core() -> None:
    package = ROOT / "lanrage_events"
    public = sorted(
        path.stem
        for path in [
            *package.glob("*.py"),
            *(init.parent for init in package.glob("*/__init__.py")),
        ]
        if not path.stem.startswith("_")
    )
    ignored = contract("plugins import only public names of the core")["ignore_imports"]

    assert ignored == [f"** -> lanrage_events.{name}" for name in public]


@pytest.mark.parametrize("folder", ["plugins", "templates", "tests", "docs"])
def test_only_packages_have_an_init(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize("package", ["lanrage_events", *(f"plugins/{name}" for name in PLUGINS)])
def test_every_package_is_marked_as_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def entry_points() -> Iterator[tuple[str, str]]:
    yield from PROJECT["scripts"].items()
    for points in PROJECT["entry-points"].values():
        yield from points.items()


@pytest.mark.parametrize(("name", "target"), [*entry_points()])
def test_an_entry_point_leads_to_something(name: str, target: str) -> None:
    module, _, attribute = target.partition(":")

    assert callable(getattr(importlib.import_module(module), attribute))


def test_every_plugin_has_an_entry_point() -> None:
    points = PROJECT["entry-points"]["lanrage_events"]

    assert sorted({target.partition(":")[0] for target in points.values()}) == PLUGINS
    assert all(f"lanrage_events_{name}:" in target for name, target in points.items())


def test_all_is_every_extra_that_a_user_may_want() -> None:
    extras = PROJECT["optional-dependencies"]
    (everything,) = map(Requirement, extras["all"])

    assert everything.name == PROJECT["name"]
    assert everything.extras == set(extras) - EXTRAS_FOR_DEVELOPERS


def test_every_requirement_has_a_floor() -> None:
    requirements = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        requirements += extra

    for requirement in map(Requirement, requirements):
        assert requirement.name == PROJECT["name"] or ">=" in str(requirement.specifier)


@cache
def imported_packages() -> frozenset[str]:
    """The packages of others that ours import, also within functions and for type checkers."""
    found: set[str] = set()
    for folder in ("lanrage_events", "plugins", "templates"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    found.update(alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                    found.add(node.module.partition(".")[0])

    ours = {"lanrage_events", *PLUGINS, *TEMPLATES}
    # Type checkers bring the last one.
    return frozenset(found - sys.stdlib_module_names - ours - {"_typeshed"})


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# What test kits import, which their users have, and what only type checkers read.
NOT_REQUIRED = {"pytest", "_typeshed"}


@pytest.mark.slow
def test_every_distribution_that_is_imported_is_required() -> None:
    extras = PROJECT["optional-dependencies"]
    texts = [*PROJECT["dependencies"]]
    texts += [text for name in set(extras) - EXTRAS_FOR_DEVELOPERS for text in extras[name]]
    required = {normalized(Requirement(text).name) for text in texts}
    owners = packages_distributions()
    imported = {normalized(owners[name][0]): name for name in imported_packages() - NOT_REQUIRED}

    assert "pydantic-core" in imported
    assert {name: imported[name] for name in set(imported) - required} == {}


@pytest.mark.slow
def test_every_requirement_is_imported() -> None:
    extras = PROJECT["optional-dependencies"]
    texts = [*PROJECT["dependencies"]]
    texts += [text for name in set(extras) - EXTRAS_FOR_DEVELOPERS for text in extras[name]]
    owners = packages_distributions()
    imported = {
        normalized(name)
        for package in imported_packages() - NOT_REQUIRED
        for name in owners[package]
    }

    # It is only data, which Python's zoneinfo reads.
    imported.add("tzdata")
    assert {normalized(Requirement(text).name) for text in texts} <= imported


def text_files() -> Iterator[Path]:
    suffixes = {".py", ".toml", ".md", ".yaml", ".yml", ".json", ".css", ".html", ".txt"}
    suffixes |= {".conf", ".service"}
    for folder in (".ci", "deploy", "docs", "lanrage_events", "plugins", "templates", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            ours = "_build" not in path.parts and "__pycache__" not in path.parts
            if ours and path.is_file() and (path.suffix in suffixes or path.parent.name == ".ci"):
                yield path

    for name in ("Dockerfile", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"):
        yield ROOT / name


FORBIDDEN = re.compile(r"(?<![\w.])/(?:work|root|opt/\w+env)/|TODO\b|FIXME\b|\bXXX\b")


@pytest.mark.slow
def test_no_file_has_a_path_of_somebodys_machine_or_unfinished_work() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in text_files()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if FORBIDDEN.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("line", ["see /work/x", "# TODO: later", "FIXME", "'/root/.cache'"])
def test_the_search_for_unfinished_work_finds_it(line: str) -> None:
    assert FORBIDDEN.search(line)


CHANGELOG_LINE = re.compile(r"- (?:\*\*Breaking:\*\* )?(?:Added|Changed|Fixed) .+")


def changelog_entries() -> list[str]:
    """Return the entries of the changelog, each with its continuation lines in one line."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    return [
        re.sub(r"\s+", " ", entry)
        for entry in re.findall(r"^- (?s:.+?)(?=\n\n|\n-|\n#|\Z)", text, re.MULTILINE)
    ]


def test_every_line_of_the_changelog_says_what_kind_of_change_it_is() -> None:
    entries = changelog_entries()

    assert entries
    assert [entry for entry in entries if not CHANGELOG_LINE.fullmatch(entry)] == []


def test_the_changelog_starts_with_this_version_or_what_is_not_released() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)

    assert headings[0] == "Unreleased" or headings[0].startswith(PROJECT["version"])
