"""Hiding people: their names in fields, and in free text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address
from unicodedata import normalize

from .key import HidingKey
from .patterns import WILDCARD, Pattern, fold, fold_character

PSEUDONYM = "pseudonym"
ADDRESS = "[address]"
_REMEMBERED_MAX = 10_000
_REMEMBERED_MAX_CHARACTERS = 128

# Scripts above U+0E00 put no blanks between words, so what is next to a name says nothing there.
_LETTER = re.compile(r"[^\W_\u0e00-\U0010ffff]")
_WORD = re.compile(r"[\w.\-\xad\u200b-\u200f\u2060\ufeff]+")
_PART = re.compile(r"[^.\-]+")
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
        self._lengths: dict[str, list[int]] = {}
        """those of the names that begin with a character, longest first"""
        self._starts = _starts(())
        for name in self._literal:
            self._add_length(name)

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
        folded = text.lower()
        origins: Sequence[int] = range(len(text))
        if not text.isascii():
            text = normalize("NFC", text)
            pieces = [fold_character(character) for character in text]
            folded = "".join(pieces)
            origins = [index for index, piece in enumerate(pieces) for _ in piece]

        parts: list[str] = []
        done = next_start = 0
        for match in self._starts.finditer(folded):
            start = match.start()
            end = 0 if start < next_start else self._end_of_name(folded, start)
            if end:
                first, last = origins[start], origins[end - 1] + 1
                parts += text[done:first], self._stand_in(text[first:last])
                done, next_start = last, end

        found = "".join((*parts, text[done:]))
        if self._words:
            found = _WORD.sub(self._replace_word, found)

        return given if found == text else found

    def _end_of_name(self, text: str, start: int) -> int:
        """Return where the name ends that begins somewhere in a folded text, 0 if none does."""
        for length in self._lengths[text[start]]:
            end = start + length
            name = text[start:end]
            if (
                len(name) == length
                and (name in self._literal or name in self._seen)
                and not (_LETTER.match(text[end - 1]) and _LETTER.match(text, end))
            ):
                return end

        return 0

    def _replace_word(self, match: re.Match[str]) -> str:
        word: str = match[0]
        name = word.strip(".-")
        for one in (name, word):
            if self._is_word(one):
                return word.replace(one, self._stand_in(one))

        return _PART.sub(lambda part: self._stand_in_for_word(part[0]), word)

    def _stand_in_for_word(self, word: str) -> str:
        return self._stand_in(word) if self._is_word(word) else word

    def _is_word(self, word: str) -> bool:
        if self._shown == PSEUDONYM and self._key.is_part(word):
            return False

        folded = fold(word)
        return any(pattern.matches(folded) for pattern in self._words)

    def _stand_in(self, name: str) -> str:
        if self._shown != PSEUDONYM:
            return self._shown

        return name if self._key.is_pseudonym(name) else self._key.pseudonym(name)

    def _remember(self, name: str) -> None:
        if self._seen.pop(name, name) is None:  # it becomes the latest
            self._seen[name] = None
        elif name and name != fold(self._shown) and len(name) <= _REMEMBERED_MAX_CHARACTERS:
            while len(self._seen) >= _REMEMBERED_MAX:
                del self._seen[next(iter(self._seen))]

            self._seen[name] = None
            self._add_length(name)

    def _add_length(self, name: str) -> None:
        if name:
            is_new = name[0] not in self._lengths
            lengths = {*self._lengths.get(name[0], ()), len(name)}
            self._lengths[name[0]] = sorted(lengths, reverse=True)
            if is_new:
                self._starts = _starts(self._lengths)


def _starts(characters: Iterable[str]) -> re.Pattern[str]:
    """Return what finds where words begin in a text, with one of some characters."""
    letters = "".join(c for c in characters if _LETTER.match(c))
    others = "".join(re.escape(c) for c in characters if not _LETTER.match(c))
    ways = [f"(?<!{_LETTER.pattern})[{letters}]"] if letters else []
    return re.compile("|".join([*ways, f"[{others}]"] if others else ways) or "(?!)")


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
