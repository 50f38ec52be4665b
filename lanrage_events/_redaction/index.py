"""The index of secrets, which finds them in a text in any encoding."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

MIN_CHARACTERS = 6
"""shorter values occur in ordinary words"""

_MIN_URL_PART_CHARACTERS = 20  # longer than the words of a path, shorter than any token
# Up to this many, searching for each value is faster than looking up each position of the text.
_FEW = 100
# Characters that no encoding changes.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class SecretIndex:
    """Secrets, indexed by a part that no encoding changes, which is mostly their token.

    The encoded forms of a secret are searched for only where that part is found. It may be used
    from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, tuple[str, ...]] = {}
        """by their unchanging part"""
        self._by_end: dict[str, tuple[str, ...]] = {}
        """the unchanging parts by their last characters"""

    def __len__(self) -> int:
        return sum(map(len, tuple(self._values.values())))

    def add(self, value: str) -> None:
        """Add a value, and the parts of it that are secrets in their own right."""
        for part in dict.fromkeys(_parts(value)):
            plain = max(_PLAIN.findall(part), key=len, default="")
            if len(plain) >= MIN_CHARACTERS:
                self._add(part if plain == part else plain, part)
            else:
                for form in dict.fromkeys(encodings(part)):
                    self._add(form, form)

    def _add(self, plain: str, value: str) -> None:
        with self._lock:
            known = self._values.get(plain, ())
            if value not in known:
                self._values[plain] = (*known, value)

            if not known:
                end = plain[-MIN_CHARACTERS:]
                self._by_end[end] = (*self._by_end.get(end, ()), plain)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Return the start and end of each secret in a text, in order; they may overlap."""
        spans = {
            span
            for plain in self._present(text)
            for value in self._values[plain]
            for form in encodings(value)
            for span in _spans(form, text)
        }
        return sorted(spans)

    def _present(self, text: str) -> Iterable[str]:
        """Return the unchanging parts that occur in a text."""
        if len(self._values) <= _FEW:
            return [plain for plain in tuple(self._values) if plain in text]

        by_end = self._by_end
        return {
            plain
            for end in range(MIN_CHARACTERS, len(text) + 1)
            for plain in by_end.get(text[end - MIN_CHARACTERS : end], ())
            if text.endswith(plain, 0, end)
        }


def _spans(form: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _parts(value: str) -> Iterator[str]:
    """Yield a value and its secret parts, as far as they are long enough."""
    for part in (*_url_tokens(value), value.strip(), value):
        if len(part) >= MIN_CHARACTERS:
            yield part
            if "\n" in part:
                # A log may split it into lines and put a prefix before each.
                yield from (line for line in part.splitlines() if len(line) >= MIN_CHARACTERS)


def encodings(value: str) -> Iterator[str]:
    """Yield the encoded forms of a value."""
    yield value
    for quoted in (quote(value, safe="", errors="replace"), quote(value, errors="replace")):
        yield quoted
        yield _lower_escapes(quoted)

    yield quote_plus(value, errors="replace")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]


def _lower_escapes(quoted: str) -> str:
    head, *escapes = quoted.split("%")
    return "%".join([head, *(escape[:2].lower() + escape[2:] for escape in escapes)])


def _url_tokens(value: str) -> Iterator[str]:
    """Yield the secret parts of a URL, nothing for other values."""
    if "://" not in value:
        return

    try:
        url = urlsplit(value.strip())
        password = url.password
        queries = parse_qsl(url.query)
    except ValueError:
        return

    if password:
        yield password

    for part in (*url.path.split("/"), url.fragment, *(query for _, query in queries)):
        # Ids of digits occur in many places and give no access.
        if len(part) >= _MIN_URL_PART_CHARACTERS and not part.isdecimal():
            yield part
