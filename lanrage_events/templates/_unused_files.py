"""The files in template folders that nothing reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.resources.abc import Traversable

from .._exceptions import TemplateError
from .._hints import did_you_mean
from ._words import WORDS_FILE


def unused_files(folder: Traversable, kind: str, known: Collection[str]) -> Iterator[TemplateError]:
    """Yield a problem for each file in a template folder that is probably meant as a template.

    :param kind: the name of the consumer's folder
    :param known: the names of all event types
    :raises OSError: if the folder cannot be read
    """
    if not folder.is_dir():
        yield TemplateError(str(folder), "there is no such folder")
        return

    own = folder / kind
    if not own.is_dir():
        for file in _sorted(folder):
            if file.name.endswith(".yaml") and file.name.removesuffix(".yaml") in known:
                message = f"is not used: move it into a folder '{kind}' beside it"
                yield TemplateError(str(file), message)

        return

    for file in _sorted(own):
        stem, _, suffix = file.name.rpartition(".")
        if suffix == "yml":
            yield TemplateError(str(file), "is not used: the name of a template ends in .yaml")
        elif file.name == WORDS_FILE:
            yield TemplateError(str(file), f"is not used: move it beside the folder '{kind}'")
        elif suffix == "yaml" and stem not in known:
            hint = did_you_mean(stem, known)
            message = f"is not used: there is no event type '{stem}'{hint}"
            yield TemplateError(str(file), message)


def _sorted(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda entry: entry.name)
