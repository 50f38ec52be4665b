"""Turns the docstrings of the code, which are reStructuredText, into Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

_ROLE = re.compile(r":(?:py:)?(?:class|exc|func|meth|attr|data|mod|obj):`(?:~?[\w.]*\.)?([\w]+)`")
_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
_FIELD = re.compile(r"^:(param|returns|raises|yields)(?: ([\w.]+))?:[ \n]", re.MULTILINE)
_TITLES = {"param": "Parameters", "returns": "Returns", "yields": "Yields", "raises": "Raises"}


def text(docstring: str) -> str:
    """Return a piece of a docstring with its markup as Markdown."""
    return _LITERAL.sub(r"`\1`", _ROLE.sub(r"`\1`", docstring))


def sentence(description: str) -> str:
    """Return a description that begins in lower case as a sentence."""
    words = " ".join(text(description).split())
    return words[:1].upper() + words[1:] + "." * (not words.endswith((".", ":")))


def summary(docstring: str) -> str:
    """Return the first paragraph in one line."""
    return " ".join(text(inspect.cleandoc(docstring)).partition("\n\n")[0].split())


def lines(docstring: str) -> Iterator[str]:
    """Yield a docstring as Markdown, its parameters, results and errors as lists."""
    body, *parts = _FIELD.split(inspect.cleandoc(docstring))
    yield from _paragraphs(body)
    fields: dict[str, list[str]] = {}
    for kind, name, description in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        shown = " ".join(text(description).split())
        fields.setdefault(kind, []).append(f"- `{name}`: {shown}" if name else shown)

    for kind, found in fields.items():
        if kind in ("returns", "yields"):
            yield f"{_TITLES[kind]} {found[0]}."
        else:
            yield from (f"{_TITLES[kind]}:", "", *found)

        yield ""


def _paragraphs(body: str) -> Iterator[str]:
    for paragraph in text(body).strip().split("\n\n"):
        if paragraph:
            yield from paragraph.splitlines()
            yield ""
