"""Tokens, by which programs and users of the page prove what they may do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import get_args

from lanrage_events.http import Scope

ALL_SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
_FINGERPRINT_PURPOSE = b"lanrage_events_http session 2"


@dataclass(frozen=True, slots=True)
class Token:
    """A configured token."""

    name: str
    secret: str = field(repr=False)
    scopes: frozenset[Scope] = ALL_SCOPES

    @property
    def fingerprint(self) -> str:
        """A text that shows whether a session belongs to this token."""
        return hmac.new(self.secret.encode(), _FINGERPRINT_PURPOSE, hashlib.sha256).hexdigest()


class Tokens:
    """The configured tokens.

    :param tokens: each with another secret
    """

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = tuple(tokens)
        self._digests = tuple(_digest(token.secret) for token in self._tokens)

    def __iter__(self) -> Iterator[Token]:
        return iter(self._tokens)

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def find(self, text: str) -> Token | None:
        """Return the token that a text is, in a time that does not depend on which it is."""
        digest = _digest(text)
        found = None
        for token, known in zip(self._tokens, self._digests, strict=True):
            if hmac.compare_digest(digest, known):
                found = token

        return found


def _digest(text: str) -> bytes:
    # Digests have equal length, so that comparing does not reveal the token's.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
