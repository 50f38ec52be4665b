"""The built-in sets of templates, each in one language."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from .._hints import did_you_mean

PREFIX = "builtin:"
_CODE_CHARACTERS = 3
"""of a language"""
_DEFAULT = "en"


def builtin_sets() -> dict[str, Path]:
    """Return the folders of the built-in sets of templates by language, such as ``de``."""
    root = Path(str(files("lanrage_events_templates")))
    others = sorted(path for path in root.iterdir() if (path / "discord").is_dir())
    return {_DEFAULT: root, **{path.name: path for path in others}}


def template_folder(name: str | Path) -> Path:
    """Return the folder that a name stands for, such as ``builtin:de`` for the German set.

    :param name: the name of a built-in set, or a path, which is returned as it is
    :raises ValueError: if there is no such set
    """
    text = str(name)
    if not text.startswith(PREFIX):
        return Path(name)

    sets = {f"{PREFIX}{language}": folder for language, folder in builtin_sets().items()}
    if text not in sets:
        known = " and ".join(sets)
        # A word such as "german" resembles none of the codes, but all of the names.
        is_code = len(text) <= len(PREFIX) + _CODE_CHARACTERS
        hint = (is_code and did_you_mean(text, sets)) or "."
        raise ValueError(f"there is no built-in set of templates '{text}'{hint} There are {known}")

    return sets[text]
