"""Whether a plugin that may not be imported has a transform that must not be left out."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .entry_points import PluginEntryPoint

_DECLARATION = re.compile(
    rb"^[^#\n]*\btransform_required\b\s*(?::[^=\n]*)?=(?!=)(?!\s*False\b)", re.MULTILINE
)
_MOST_FILES = 1000


def requires_transform(origin: PluginEntryPoint | Path) -> bool:
    """Return whether the source of a plugin sets ``transform_required``; nothing is imported.

    :param origin: where it comes from; of a distribution, all files of its module or package are read
    """
    files = [origin] if isinstance(origin, Path) else _files(origin.entry_point.module)
    return any(map(_declares, islice(files, _MOST_FILES)))


def _files(module: str) -> Iterator[Path]:
    """Yield the files of a module or package. Only finding one below a package would import that."""
    top, *below = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return

    if spec is None:
        return

    for folder in map(Path, spec.submodule_search_locations or ()):
        place = folder.joinpath(*below)
        yield place.with_name(f"{place.name}.py")
        yield from sorted(place.rglob("*.py"))

    if spec.origin is not None and not below:
        yield Path(spec.origin)


def _declares(file: Path) -> bool:
    try:
        return file.suffix == ".py" and _DECLARATION.search(file.read_bytes()) is not None
    except OSError:
        return False
