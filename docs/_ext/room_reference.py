"""Describes the rooms of the source: packages and modules, floor by floor.

The floors are the layers of the import contracts in ``pyproject.toml``, what a room is for is the
first line of its docstring.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import docstrings

ROOT = Path(__file__).parents[2]


def floors(package: str) -> list[list[str]]:
    """Return the names of the rooms on each floor of a package, the highest first.

    :raises ValueError: if no contract says which floors it has
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and contract["containers"] == [package]:
            return [
                layer.replace("(", "").replace(")", "").split(" | ") for layer in contract["layers"]
            ]

    raise ValueError(f"no contract of type layers has the container {package}")


def source(package: str, room: str) -> Path:
    """Return the file of a room, of a package that of its face."""
    folder = ROOT / package if (ROOT / package).is_dir() else ROOT / "plugins" / package
    return folder / room / "__init__.py" if (folder / room).is_dir() else folder / f"{room}.py"


def purpose(file: Path) -> str:
    """Return the first line of a room's docstring.

    :raises ValueError: if it has none
    """
    text = ast.get_docstring(ast.parse(file.read_text("utf-8")))
    if not text:
        raise ValueError(f"{file} says nothing of itself")

    return docstrings.text(text.partition("\n")[0])


def lines(package: str) -> Iterator[str]:
    """Yield a table of the rooms of a package, in Markdown."""
    yield "| Floor | Room | What it is for |"
    yield "|---|---|---|"
    for number, rooms in enumerate(floors(package), start=1):
        for room in rooms:
            file = source(package, room)
            link = f"../{file.relative_to(ROOT).as_posix()}"
            yield f"| {number} | [`{room}`]({link}) | {purpose(file)} |"

    yield ""
