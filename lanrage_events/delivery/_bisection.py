"""Bisection: the search for the entry of a request that the receiver rejects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Bisection:
    """Finds the one entry of a request that is rejected, by sending halves.

    A restart begins the search again, which costs a few requests and delivers nothing twice.
    """

    def __init__(self) -> None:
        self.at_most: int | None = None
        """how many entries the next request may have; None if there is no search"""
        self._suspects: frozenset[int] = frozenset()

    def find(self, sent: Sequence[int]) -> set[int]:
        """Return the id of the rejected entry; none if it takes another request to find it.

        :param sent: the ids of the entries of the rejected request
        """
        if len(sent) == 1:
            return {sent[0]}

        self._suspects = frozenset(sent)
        self.at_most = len(sent) // 2
        return set()

    def removed(self, waiting: Iterable[int]) -> None:
        """Send whole requests again once no suspect waits any more.

        :param waiting: the ids of what still waits
        """
        if self.at_most is not None and self._suspects.isdisjoint(waiting):
            self.at_most, self._suspects = None, frozenset()
