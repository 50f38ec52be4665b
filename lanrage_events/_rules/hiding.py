"""Hiding people: their names in fields, and in free text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from ipaddress import IPv6Address

from .key import HidingKey
from .patterns import WILDCARD, Pattern, fold

PSEUDONYM = "pseudonym"
ADDRESS = "[address]"
_REMEMBERED_MAX = 200

# Scripts above U+0E00 put no blanks between words, so what is next to a name says nothing there.
_LETTER = r"[^\W_\u0e00-\U0010ffff]"
_WORD = re.compile(r"[\w.\-]+")
_IS_WORD = re.compile(r"[\w.\-*]+")

_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)(?::\d{1,5}(?!\d))?")
# What may be one; at most the longest address with a zone.
_IPV6 = re.compile(
    r"\[([0-9A-Fa-f:.]{2,45})(?:%[\w.\-]+)?\](?::\d{1,5}(?!\d))?"
    r"|(?<![\w:.])([0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,44})(?![\w:])(?:%[\w.\-]+)?"
)


class Hiding:
    """Whose names are hidden, and what is shown instead.

    :param names: names, in which ``*`` stands for any characters; case does not matter
    :param shown: the text that is shown, or :data:`PSEUDONYM`
    """

    def __init__(self, names: Sequence[str], shown: str, key: HidingKey) -> None:
        self._shown = shown
        self._key = key
        self._literal = {fold(name): None for name in names if WILDCARD not in name}
        wildcards = [name for name in names if WILDCARD in name]
        self._patterns = [Pattern(name, folded=True) for name in wildcards]
        # A pattern for one word can be looked for in a text. Who else it stands for is known once
        # their name was seen.
        self._words = [
            Pattern(name, folded=True)
            for name in wildcards
            if _IS_WORD.fullmatch(name) and name.strip(WILDCARD)
        ]
        self._seen: dict[str, None] = {}
        self._in_text: re.Pattern[str] | None = None

    def hides(self, name: str) -> bool:
        """Return whether a name is hidden."""
        folded = fold(name)
        if folded in self._literal:
            return True

        if any(pattern.matches(folded) for pattern in self._patterns):
            self._remember(folded)
            return True

        return False

    def replace(self, name: str) -> str:
        """Return what is shown for a name: the name itself if it is not hidden."""
        if name == self._shown or not self.hides(name):
            return name

        return self._stand_in(name)

    def replace_in(self, text: str) -> str:
        """Return a text without the hidden names; the text itself if it has none."""
        given = text
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)

        if self._in_text is None:
            names = sorted({*self._literal, *self._seen}, key=len, reverse=True)
            any_name = "|".join(map(re.escape, names)) or r"(?!)"
            self._in_text = re.compile(f"(?<!{_LETTER})(?:{any_name})(?!{_LETTER})", re.IGNORECASE)

        found = self._in_text.sub(lambda match: self._stand_in(match[0]), text)
        if self._words:
            found = _WORD.sub(self._replace_word, found)

        return given if found == text else found

    def _replace_word(self, match: re.Match[str]) -> str:
        word = fold(match[0])
        if self._shown == PSEUDONYM and self._key.is_part(match[0]):
            return match[0]

        if any(pattern.matches(word) for pattern in self._words):
            return self._stand_in(match[0])

        return match[0]

    def _stand_in(self, name: str) -> str:
        if self._shown != PSEUDONYM:
            return self._shown

        return name if self._key.is_pseudonym(name) else self._key.pseudonym(name)

    def _remember(self, name: str) -> None:
        if name in self._seen or not name or name == fold(self._shown):
            return

        while len(self._seen) >= _REMEMBERED_MAX:
            del self._seen[next(iter(self._seen))]

        self._seen[name] = None
        self._in_text = None


def without_addresses(text: str) -> str:
    """Return a text in which IP addresses, with their ports, are :data:`ADDRESS`.

    It is the text itself if it has none.
    """
    found = _IPV6.sub(_replace_ipv6, text) if ":" in text else text
    found = _IPV4.sub(_replace_ipv4, found)
    return text if found == text else found


def _replace_ipv6(match: re.Match[str]) -> str:
    candidate = match[1] or match[2]
    address = candidate.rstrip(".:") if match[2] and not candidate.endswith("::") else candidate
    try:
        IPv6Address(address)
    except ValueError:
        return match[0]

    if not address.strip(":"):
        return match[0]  # two colons, as programs write them

    return ADDRESS + candidate[len(address) :]


def _replace_ipv4(match: re.Match[str]) -> str:
    numbers = match[0].partition(":")[0].split(".")
    return ADDRESS if all(int(number) <= 255 for number in numbers) else match[0]
