"""The agenda: which card is due next."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count

from .card import Card


class Agenda:
    """Cards with the times at which they are due, each at most once.

    Times are those of the event loop's clock, in seconds.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, float, int, Card]] = []
        """when each is due and since when; those that were put again are outdated"""
        self._due: dict[Card, tuple[float, float]] = {}
        self._ordinals = count()

    def __bool__(self) -> bool:
        return bool(self._due)

    def put(self, card: Card, at: float, since: float | None = None) -> None:
        """Make a card due, unless it is so earlier.

        :param since: since when it has been due, which says who goes first of those that are due at the
            same time; since ``at`` by default
        """
        if card in self._due and self._due[card][0] <= at:
            return

        since = at if since is None else since
        self._due[card] = at, since
        heappush(self._heap, (at, since, next(self._ordinals), card))

    def next_at(self) -> float | None:
        """Return when the next card is due, None if none is."""
        while self._heap and self._due.get(self._heap[0][3]) != self._heap[0][:2]:
            heappop(self._heap)

        return self._heap[0][0] if self._heap else None

    def pop(self) -> tuple[Card, float]:
        """Remove the card that is due next, and return it with since when it has been due."""
        self.next_at()
        _, since, _, card = heappop(self._heap)
        del self._due[card]
        return card, since

    def hurry(self, at: float) -> None:
        """Let all cards be due at a time at the latest."""
        for card, (due, since) in list(self._due.items()):
            self.put(card, min(due, at), since)
