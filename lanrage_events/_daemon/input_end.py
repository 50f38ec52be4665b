"""The end of an input: how long the daemon waits until all of it is delivered."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import suppress

import anyio

from .._bus import EventBus
from .._containment import call
from .progress import Progress
from .stdin import LineFeed

logger = logging.getLogger(__name__)

INPUT_TIMEOUT = 300.0
"""how long nothing may be delivered after the end of the input; longer than usual outages of Discord,
and shorter than the pause between two runs of a job of cron"""

_LOOK_SECONDS = 1.0
_EXPLAIN_SECONDS = 5.0


class InputEnd:
    """Waits while plugins deliver what was read, and gives up when nothing leaves them any more.

    :param bus: delivers the events
    :param feed: reads them
    :param progress: knows what each plugin has not delivered
    :param seconds: how long nothing may be delivered
    """

    def __init__(self, bus: EventBus, feed: LineFeed, progress: Progress, seconds: float) -> None:
        self.seconds = seconds
        self.is_over = False
        """whether it has given up"""
        self._bus = bus
        self._feed = feed
        self._progress = progress
        self._least: dict[str, float] = {}
        """the least that waited so far, by where"""

    async def wait(self) -> None:
        """Return when nothing was delivered for too long; log once what is waited for."""
        await self._feed.ended.wait()
        since = anyio.current_time()
        is_explained = False
        while True:
            now = anyio.current_time()
            if self._has_progress():
                since = now

            if now - since >= self.seconds:
                self.is_over = True
                return

            if now - since >= _EXPLAIN_SECONDS and not is_explained:
                is_explained = self._explain()

            await anyio.sleep(min(_LOOK_SECONDS, since + self.seconds - now))

    def _has_progress(self) -> bool:
        found = False
        for place, count in self._counts():
            if count < self._least.get(place, math.inf):
                self._least[place] = count
                found = True

        return found

    def _counts(self) -> Iterator[tuple[str, float]]:
        """Yield what waits where, and whether the plugins still run."""
        health = self._bus.health()
        for name, plugin in self._bus.statistics().plugins.items():
            yield f"mailbox of {name}", plugin.pending
            yield f"task of {name}", plugin.state != "stopped"
            if name in health:
                yield f"plugin {name}", health[name].undelivered

        for name, storage in self._bus.query("outbox").items():
            # What a hook returns may be anything.
            with suppress(Exception):
                yield f"outbox of {name}", call(storage.statistics).pending

    def _explain(self) -> bool:
        """Log what is waited for, for how long, and what becomes of it; return whether anything waits."""
        waiting = self._progress.waiting()
        if not waiting:
            return False

        storages = self._bus.query("outbox")
        kept = [n for n, storage in storages.items() if getattr(storage, "durable", False) is True]
        fate = "it is lost then, since no outbox on disk holds it"
        if kept:
            fate = f"the outbox of {', '.join(kept)} keeps it for the next start"

        logger.warning(
            "still to deliver: %s; this ends with exit code 1 when nothing is delivered for %g seconds, "
            "or on Ctrl-C, and %s",
            ", ".join(waiting),
            self.seconds,
            fate,
        )
        return True
