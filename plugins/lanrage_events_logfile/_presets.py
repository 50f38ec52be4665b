"""The bundled presets: the known log lines of game servers."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import get_args

from lanrage_events.config import validate
from lanrage_events.yaml import read

from ._config import FileSettings, PresetName


def preset_names() -> tuple[str, ...]:
    """Return the names of the bundled presets."""
    return get_args(PresetName)


@cache
def load_preset(name: str) -> FileSettings:
    """Return the settings of a preset.

    :param name: one of :func:`preset_names`
    """
    return validate(read(files(__package__ or "") / "presets" / f"{name}.yaml"), FileSettings)
