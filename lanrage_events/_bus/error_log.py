"""Logs what hooks raise, without a line for each of a thousand events that fail alike."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import monotonic

from .._events import Event

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_ALIKE = 1.0
SECONDS_UNTIL_FORGOTTEN = 60.0
"""after so long without one, the next failure is shown with its traceback again"""


@dataclass(slots=True)
class _Seen:
    logged_at: float
    unsaid: int = 0
    """failures since then that were not logged"""


class FailureLog:
    """The failures of one plugin's hooks: the first with its traceback, alike ones counted.

    Failures are alike if the same hook raises the same type of exception.

    :param plugin: its name
    """

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin
        self._seen: dict[tuple[str, type[Exception]], _Seen] = {}

    def add(self, hook: str, event: Event, error: Exception) -> None:
        """Log a failure, at most one line a second for those that are alike."""
        now = monotonic()
        seen = self._seen.get((hook, type(error)))
        is_new = seen is None or now - seen.logged_at > SECONDS_UNTIL_FORGOTTEN
        if seen is not None and now - seen.logged_at < SECONDS_BETWEEN_ALIKE:
            seen.unsaid += 1
            return

        logger.error(
            "plugin '%s': hook '%s' failed on %s %s%s",
            self._plugin,
            hook,
            event.type,
            event.id,
            "" if is_new or seen is None else f", after {seen.unsaid} more like it: {error}",
            exc_info=error if is_new else None,
        )
        self._seen[hook, type(error)] = _Seen(now)

    def finish(self) -> None:
        """Log how many failures were not logged."""
        for (hook, kind), seen in self._seen.items():
            if seen.unsaid:
                logger.error(
                    "plugin '%s': hook '%s' failed on %d more events with %s",
                    self._plugin,
                    hook,
                    seen.unsaid,
                    kind.__name__,
                )

        self._seen.clear()
