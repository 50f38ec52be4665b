"""Limits on wrong tokens: how often an address may guess."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque

import anyio

from .addresses import source_of
from .connections import SECONDS_BETWEEN_WARNINGS

logger = logging.getLogger(__name__)

MAX_FAILURES = 10
FAILURE_SECONDS = 60.0
_MAX_SOURCES = 1_000


class FailureLimit:
    """Counts the wrong tokens of each address, of which it may send a few within a minute.

    An address that guesses locks out no other. The least recent addresses are forgotten.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._warned_at = -SECONDS_BETWEEN_WARNINGS

    def add(self, address: str) -> None:
        """Count a wrong token."""
        source = source_of(address)
        now = anyio.current_time()
        failures = self._failures.setdefault(source, deque(maxlen=MAX_FAILURES))
        failures.append(now)
        self._failures.move_to_end(source)
        if len(self._failures) > _MAX_SOURCES:
            self._failures.popitem(last=False)

        if self.seconds_to_wait(address) and now - self._warned_at >= SECONDS_BETWEEN_WARNINGS:
            self._warned_at = now
            logger.warning(
                "%d wrong tokens came from %s within %g seconds: it has to wait before the next",
                MAX_FAILURES,
                source or "an unknown address",
                FAILURE_SECONDS,
            )

    def seconds_to_wait(self, address: str) -> float:
        """Return the seconds until the next wrong token is allowed, 0 if it is now."""
        failures = self._failures.get(source_of(address), deque[float]())
        if len(failures) < MAX_FAILURES:
            return 0

        return max(0, failures[0] + FAILURE_SECONDS - anyio.current_time())
