from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import get_args

from lanrage_events.config import validate
from lanrage_events.yaml import read

from ._config import FileSettings, PresetName


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets that come along."""
    return get_args(PresetName)


@cache
def load_preset(name: str) -> FileSettings:
    """Return the settings that a preset stands for.

    :param name: one of :func:`preset_names`
    """
    return validate(read(files(__package__ or "") / "presets" / f"{name}.yaml"), FileSettings)


def with_preset(settings: FileSettings) -> FileSettings:
    """Return settings, with what they do not say taken from their preset."""
    if settings.preset is None:
        return settings

    return settings.filled_from(load_preset(settings.preset))
