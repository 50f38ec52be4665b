"""The bundled presets: the known log lines of game servers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import get_args

from lanrage_events.config import validate
from lanrage_events.yaml import read

from ._config import FileConfig, FileSettings, PresetName


def preset_names() -> tuple[str, ...]:
    """Return the names of the bundled presets."""
    return get_args(PresetName)


@cache
def load_preset(name: str) -> FileSettings:
    """Return the settings of a preset.

    :param name: one of :func:`preset_names`
    """
    return validate(read(files(__package__ or "") / "presets" / f"{name}.yaml"), FileSettings)


def with_preset(config: FileConfig) -> FileConfig:
    """Return the settings of a file, completed with those of its preset."""
    return config if config.preset is None else config.filled_from(load_preset(config.preset))


def with_parties(files: Sequence[FileConfig]) -> tuple[FileConfig, ...]:
    """Return the settings of files, where servers of one game are parties of their own.

    Those without a name and an id are named after the folder, or the file, in which they differ.
    """
    alike: dict[str, list[FileConfig]] = defaultdict(list)
    for file in files:
        if file.party_name is None and file.party_id is None:
            alike[with_preset(file).party].append(file)

    return tuple(
        file
        if len(same := alike[party := with_preset(file).party]) < 2 or file not in same
        else file.model_copy(update={"party_name": f"{party} ({_own_name(file, same)})"})
        for file in files
    )


def _own_name(file: FileConfig, files: Sequence[FileConfig]) -> str:
    """Return the last part of a path that the other paths do not have, or the whole path."""
    others = {part for other in files if other is not file for part in _parts(other)}
    return next((part for part in _parts(file) if part not in others), str(file.path))


def _parts(file: FileConfig) -> list[str]:
    """Return the parts of a path that can be names, the last one first."""
    path = file.path.absolute()
    parts = [path.stem.strip("*?-_."), *reversed(path.parent.parts)]
    return [part for part in parts if part not in ("", "logs")]
