"""Check what is in the wheel and in the source distribution."""

from __future__ import annotations

import argparse
import configparser
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

BUILT_IN_TEMPLATES = (
    "event",
    "party_event",
    "party_created",
    "peer_joined",
    "peer_left",
    "game_started",
    "game_ended",
    "notification",
)
LANGUAGES = ("de",)


def wheel_files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sdist_files(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        names = (PurePosixPath(member.name) for member in archive if member.isfile())
        return {"/".join(name.parts[1:]) for name in names}


def tree_files(tree: Path, folder: str) -> set[str]:
    files = (path for path in (tree / folder).rglob("*") if path.is_file())
    return {path.relative_to(tree).as_posix() for path in files}


def wheel_problems(files: dict[str, bytes], tree: Path, config: dict[str, Any]) -> Iterator[str]:
    packages = config["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    expected: set[str] = set()
    for package in packages:
        parent = PurePosixPath(package).parent
        expected |= {
            PurePosixPath(file).relative_to(parent).as_posix() for file in tree_files(tree, package)
        }
        name = PurePosixPath(package).name
        if name != "lanrage_events_templates" and f"{name}/py.typed" not in files:
            yield f"the wheel lacks py.typed in {package}"

    content = {name for name in files if ".dist-info/" not in name}
    yield from (f"the wheel lacks {name}" for name in sorted(expected - content))
    yield from (f"the wheel should not have {name}" for name in sorted(content - expected))
    for name in BUILT_IN_TEMPLATES:
        if f"lanrage_events_templates/discord/{name}.yaml" not in files:
            yield f"the wheel lacks Discord's template of {name}"

    for language in LANGUAGES:
        if f"lanrage_events_templates/{language}/words.yaml" not in files:
            yield f"the wheel lacks the set of templates 'builtin:{language}'"

    metadata = {name.partition(".dist-info/")[2]: data for name, data in files.items()}
    if metadata.get("licenses/LICENSE") != (tree / "LICENSE").read_bytes():
        yield "the wheel lacks the license"

    entry_points = configparser.ConfigParser()
    entry_points.read_string(metadata.get("entry_points.txt", b"").decode())
    project = config["project"]
    wanted = {"console_scripts": project["scripts"], **project["entry-points"]}
    found = {section: dict(entry_points[section]) for section in entry_points.sections()}
    if found != wanted:
        yield f"the wheel's entry points are {found}, expected {wanted}"

    text = metadata.get("METADATA", b"").decode()
    for line in (
        f"Version: {project['version']}",
        "License-Expression: MIT",
        *(f"Provides-Extra: {extra}" for extra in project["optional-dependencies"]),
    ):
        if line not in text.splitlines():
            yield f"the wheel's METADATA lacks {line!r}"


def sdist_problems(files: set[str], tree: Path, config: dict[str, Any]) -> Iterator[str]:
    include = config["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    expected = {"pyproject.toml"}
    for pattern in include:
        name = pattern.strip("/")
        expected |= {name} if (tree / name).is_file() else tree_files(tree, name)

    yield from (f"the sdist lacks {name}" for name in sorted(expected - files))
    # hatchling adds these by itself.
    extra = files - expected - {"PKG-INFO", ".gitignore"}
    yield from (f"the sdist should not have {name}" for name in sorted(extra))


def problems(arguments: argparse.Namespace) -> Iterator[str]:
    config = tomllib.loads((arguments.tree / "pyproject.toml").read_text("utf-8"))
    files = wheel_files(arguments.wheel)
    yield from wheel_problems(files, arguments.tree, config)
    yield from sdist_problems(sdist_files(arguments.sdist), arguments.tree, config)
    if files != wheel_files(arguments.direct_wheel):
        yield "the wheel made from the sdist differs from the one made from the tree"

    print(f"{arguments.wheel.name}: {len(files)} files")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("--tree", "--wheel", "--sdist", "--direct-wheel"):
        parser.add_argument(option, type=Path, required=True)

    if found := list(problems(parser.parse_args())):
        sys.exit("\n".join(f"error: {problem}" for problem in found))
