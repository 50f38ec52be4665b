"""The time that a stop of the daemon may take, and what happens when it takes longer."""

from __future__ import annotations

import logging
import threading

from .._bus import EventBus
from .._exit import ExitGuard, lasting_threads
from .._threads import position_of
from ..cli import ExitCode
from ..outbox import close_outboxes

logger = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""how long whatever was cancelled may take to end, and then the event loop and its threads"""
_CLOSING_SECONDS = 0.7


class StopDeadline:
    """Ends the process when a stop takes a second longer than the drain timeout.

    :param guard: ends it, even if something blocks the event loop
    """

    def __init__(self, guard: ExitGuard) -> None:
        self.drain_timeout = 4.0
        """seconds that stopping may take; before there is a configuration, a short time"""
        self.bus: EventBus | None = None
        """the bus that is stopped"""
        self._is_noticed = False
        self._guard = guard

    def begin(self) -> None:
        """Give the daemon its time to stop, since the event loop knows that it has to."""
        self._is_noticed = True
        self.request()

    def request(self) -> None:
        """Give the daemon its time to stop; the handler of a signal may call this."""
        self._guard.end_after(self.drain_timeout + GRACE_SECONDS, ExitCode.FAILED, self._give_up)

    def end(self, code: int) -> None:
        """Give the event loop a second to end, since everything else has.

        :param code: the exit code
        """
        self._guard.end_after(GRACE_SECONDS, code, log_lasting_threads)

    def cancel(self) -> None:
        """Let the process live on, such as for a test."""
        self._guard.cancel()

    def _give_up(self) -> None:
        left = close_outboxes(_CLOSING_SECONDS)
        logger.critical(
            "not stopped within %g seconds: %s; the process ends now, %s",
            self.drain_timeout + GRACE_SECONDS,
            self._waited_for(),
            f"the outboxes {', '.join(map(str, left))} are still open"
            if left
            else "its outboxes are closed",
        )

    def _waited_for(self) -> str:
        if self.bus is None:
            return "the configuration is still being loaded"

        if not self._is_noticed:
            position = position_of(threading.main_thread().ident)
            return f"the event loop is blocked at {position}"

        plugins = self.bus.statistics().plugins
        names = [name for name, statistics in plugins.items() if statistics.state != "stopped"]
        if names:
            return f"still waiting for the plugins {', '.join(names)}"

        return "something outside of the plugins does not end"


def log_lasting_threads() -> None:
    """Log which threads a plugin left behind, which do not keep the process from ending."""
    names = ", ".join(lasting_threads()) or "none that is known"
    logger.warning("the process ends although threads still run: %s", names)
