"""The bundled presets: the known log lines of game servers."""

from __future__ import annotations

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
