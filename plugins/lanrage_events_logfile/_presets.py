from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import get_args

import yaml

from ._config import FileSettings, PresetName

_SUFFIX = ".yaml"


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets that come along."""
    return get_args(PresetName)


@cache
def load_preset(name: str) -> FileSettings:
    """Return the settings that a preset stands for.

    :param name: one of :func:`preset_names`
    """
    return read_preset(files(__package__ or "") / "presets" / f"{name}{_SUFFIX}")


def read_preset(file: Traversable) -> FileSettings:
    """Return the settings that a YAML file holds.

    :raises OSError: if it cannot be read
    :raises ValueError: if it is no YAML, or not such settings
    """
    try:
        data = yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {error}") from None

    return FileSettings.model_validate(data)


def with_preset(settings: FileSettings) -> FileSettings:
    """Return settings, with what they do not say taken from their preset."""
    if settings.preset is None:
        return settings

    return settings.filled_from(load_preset(settings.preset))
