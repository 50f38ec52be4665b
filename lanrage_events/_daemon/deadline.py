"""The time that a stop of the daemon may take, and what happens when it takes longer."""

from __future__ import annotations

import logging
import threading
from functools import partial

import anyio.from_thread
from anyio.lowlevel import EventLoopToken, current_token

from .._bus import EventBus
from .._exit import ExitGuard, lasting_threads
from .._threads import ThreadCall, position_of
from ..cli import ExitCode
from ..outbox import close_outboxes

logger = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""how long whatever was cancelled may take to end, and then the event loop and its threads"""

# Both fit into the second that the guard gives.
_ANSWER_SECONDS = 0.2
_CLOSING_SECONDS = 0.6
# After this time without an answer, a signal is logged from outside of the event loop.
_NOTICE_SECONDS = 0.3


class StopDeadline:
    """Ends the process when a stop takes a second longer than the drain timeout.

    :param guard: ends it, even if something blocks the event loop
    """

    def __init__(self, guard: ExitGuard) -> None:
        self.drain_timeout = 4.0
        """seconds that stopping may take; before there is a configuration, a short time"""
        self._guard = guard
        self._bus: EventBus | None = None
        self._token: EventLoopToken | None = None
        self._noticed = threading.Event()

    def watch(self, bus: EventBus) -> None:
        """Name the plugins of this bus, which runs in the current event loop."""
        self._bus = bus
        self._token = current_token()

    def begin(self) -> None:
        """Give the daemon its time to stop; the handler of a signal may call this."""
        self._guard.end_after(self.drain_timeout + GRACE_SECONDS, ExitCode.FAILED, self._give_up)

    def begin_by_signal(self, name: str) -> None:
        """Do as :meth:`begin`, and log the signal if nothing notices it; its handler may call this.

        :param name: of the signal
        """
        self._guard.call(partial(self._log_unless_noticed, name))
        self.begin()

    def notice(self) -> None:
        """Record that the event loop, or whatever the main thread does, has noticed the signal."""
        self._noticed.set()

    def _log_unless_noticed(self, name: str) -> None:
        if self._noticed.wait(_NOTICE_SECONDS):
            return

        waited_for = self._waited_for()
        if not self._noticed.is_set():
            logger.warning(
                "stopping within %g seconds because of %s, but %s; another one stops at once",
                self.drain_timeout,
                name,
                waited_for,
            )

    def end(self, code: int) -> None:
        """Give the event loop a second to end, since everything else has.

        :param code: the exit code
        """
        self._guard.end_after(GRACE_SECONDS, code, _log_lasting_threads)

    def cancel(self) -> None:
        """Let the process live on, such as for a test."""
        self._noticed.set()
        self._guard.cancel()

    def _give_up(self) -> None:
        waited_for = self._waited_for()
        left = ", ".join(map(str, close_outboxes(_CLOSING_SECONDS)))
        logger.critical(
            "not stopped within %g seconds: %s; the process ends now, %s",
            self.drain_timeout + GRACE_SECONDS,
            waited_for,
            f"although these outboxes are open: {left}" if left else "its outboxes are closed",
        )

    def _waited_for(self) -> str:
        bus = self._bus
        if bus is None:
            return f"the main thread is at {position_of(threading.main_thread().ident)}"

        def ask() -> str:
            return anyio.from_thread.run_sync(_running, bus, token=self._token)

        answer = ThreadCall(ask, "asking the event loop")
        if not answer.wait(_ANSWER_SECONDS):
            position = position_of(threading.main_thread().ident)
            return f"the event loop is blocked at {position}"

        names = answer.outcome()
        return f"still waiting for {names}" if names else "something that is no plugin does not end"


def _running(bus: EventBus) -> str:
    plugins = bus.statistics().plugins
    return ", ".join(name for name, plugin in plugins.items() if plugin.state != "stopped")


def _log_lasting_threads() -> None:
    names = ", ".join(lasting_threads()) or "none that is known"
    logger.warning("the process ends although threads still run: %s", names)
