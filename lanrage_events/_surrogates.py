"""Lone surrogates: halves of characters, which JSON may hold and text in UTF-8 may not."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LONE = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")


def lone_surrogate(value: object) -> tuple[str, str] | None:
    """Find the first lone surrogate in values that were read from JSON.

    :param value: what the JSON says, nested at will
    :return: the path to the text that has it, such as ``players.0``, and what is wrong with it; None
        if there is none
    """
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, str):
            if not item.isascii() and (match := _LONE.search(item)):
                return path, _describe(match)

        elif isinstance(item, Mapping):
            for key in item:
                if isinstance(key, str) and (match := _LONE.search(key)):
                    return path, f"the name of a field has a {_describe(match)}"

            waiting += reversed([(_join(path, key), one) for key, one in item.items()])
        elif isinstance(item, (list, tuple)):
            waiting += reversed([(_join(path, index), one) for index, one in enumerate(item)])

    return None


def _describe(match: re.Match[str]) -> str:
    code = f"\\u{ord(match.group()):04x}"
    return f"lone surrogate {code}, which is half of a character: send the whole character"


def _join(path: str, part: object) -> str:
    return f"{path}.{part}" if path else str(part)
