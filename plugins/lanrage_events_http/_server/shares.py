"""Shares: how much of something limited each client may hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .addresses import TrustedProxies, source_of


class Shares:
    """Counts what each client holds of something limited, so that none of them takes all.

    A client may hold half. An address of this machine or of a trusted proxy stands for many, so it
    may hold nine tenths. The last tenth is kept for this machine.

    :param limit: how many there are
    :param proxies: those that are trusted
    """

    def __init__(self, limit: int, proxies: TrustedProxies) -> None:
        self.limit = limit
        self._proxies = proxies
        self._kept = limit // 10
        self._held: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many are held."""
        return self._held.total()

    @property
    def is_full(self) -> bool:
        """Whether all of them are held."""
        return self.total >= self.limit

    def of(self, address: str) -> int:
        """Return how many an address may hold."""
        if self._proxies.owns(address):
            return self.limit - self._kept

        return max(1, self.limit // 2)

    def has_room(self, address: str) -> bool:
        """Return whether an address may hold one more."""
        is_own = self._proxies.owns(address)
        limit = self.limit if is_own else self.limit - self._kept
        return self.total < limit and self._held[source_of(address)] < self.of(address)

    def add(self, address: str) -> None:
        """Count one more."""
        self._held[source_of(address)] += 1

    def remove(self, address: str) -> None:
        """Count one less."""
        source = source_of(address)
        self._held[source] -= 1
        if not self._held[source]:
            del self._held[source]

    @contextmanager
    def holding(self, address: str) -> Iterator[None]:
        """Count one for as long as the context lasts."""
        self.add(address)
        try:
            yield
        finally:
            self.remove(address)
