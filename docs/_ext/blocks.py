"""The parts of a page that are generated, and the others."""

from __future__ import annotations

import re
from collections.abc import Callable

_BLOCK = re.compile(
    r"(?P<begin>^<!-- generated: (?P<words>.+?) -->\n)"
    r"(?P<text>.*?)"
    r"(?P<end>^<!-- end of generated -->$)",
    re.MULTILINE | re.DOTALL,
)


def generated(text: str) -> list[tuple[str, str]]:
    """Return what is generated on a page: the words that ask for it, and what stands there."""
    return [(match["words"], match["text"]) for match in _BLOCK.finditer(text)]


def written(text: str) -> str:
    """Return what is not generated on a page."""
    return _BLOCK.sub("", text)


def renewed(text: str, generate: Callable[[str], str]) -> str:
    """Return a page with its generated parts made again.

    :param generate: makes a part of the words that ask for it
    """
    return _BLOCK.sub(
        lambda match: f"{match['begin']}\n{generate(match['words'])}\n\n{match['end']}", text
    )
