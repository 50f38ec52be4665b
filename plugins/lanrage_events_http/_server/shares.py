"""Shares: how much of something limited each client may hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .addresses import TrustedProxies, is_own, source_of


class Shares:
    """Counts what each client holds of something limited, so that none of them takes all.

    A client may hold half. An address of this machine or of a trusted proxy stands for many, so it
    may hold nine tenths. A tenth is kept for this machine, and a tenth for the others; nothing of less
    than ten.

    :param limit: how many there are
    :param proxies: those that are trusted
    :param name: what they are, such as ``connections``
    """

    def __init__(self, limit: int, proxies: TrustedProxies, name: str) -> None:
        self.limit = limit
        self._proxies = proxies
        self._name = name
        self._kept = limit // 10
        self._held: Counter[str] = Counter()
        self._own = 0
        """how many this machine holds"""

    @property
    def total(self) -> int:
        """How many are held."""
        return self._held.total()

    @property
    def kept(self) -> int:
        """How many are kept for this machine, and as many for the others."""
        return self._kept

    def of(self, address: str) -> int:
        """Return how many an address may hold."""
        if self._proxies.owns(address):
            return self.limit - self._kept

        return max(1, self.limit // 2)

    def lack(self, address: str) -> str | None:
        """Return why an address may not hold one more, None if it may."""
        source, limit, total = source_of(address), self.limit, self.total
        if self._held[source] >= self.of(address):
            return (
                f"{source} has {self._held[source]} {self._name}, and one address may not have more"
            )

        if total >= limit:
            return f"all {limit} {self._name} are taken"

        own = is_own(address)
        held = self._own if own else total - self._own
        if held < limit - self._kept:
            return None

        who, others = ("this machine", "others") if own else ("other machines", "this one")
        have = "has" if own else "have"
        return f"{who} {have} {held} of {limit} {self._name}, and the rest is kept for {others}"

    def add(self, address: str) -> None:
        """Count one more."""
        self._held[source_of(address)] += 1
        self._own += is_own(address)

    def remove(self, address: str) -> None:
        """Count one less."""
        source = source_of(address)
        self._own -= is_own(address)
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
