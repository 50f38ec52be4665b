"""The updater: keep the activity in Discord up to date."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio

from lanrage_events.backoff import Backoff

from ._activity import Activity
from ._connection import ActivityRejected, Connection, DiscordUnreachable

logger = logging.getLogger("lanrage_events.presence")

# An outage whose reason keeps changing must not fill the log.
MAX_LOGGED_REASONS = 5

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""opens a connection, or raises DiscordUnreachable; closes it within a bounded time"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How often Discord is contacted, in seconds."""

    # https://qwertyquerty.github.io/pypresence/html/info/quickstart.html: "You can only update your
    # presence every 15 seconds"
    update_interval: float = 15.0
    settle: float = 1.0
    """how long a change waits for more: a party is created, and its players join at once"""
    first_retry: float = 1.0
    longest_retry: float = 30.0
    """how long users who start Discord during a party have to wait at most"""
    rejected_retry: float = 300.0
    """after Discord did not know the application, which seldom changes"""


class PresenceUpdater:
    """Keep Discord showing the latest activity, within its limit for updates.

    It sleeps without a timer while Discord shows the latest activity, or while Discord is away and
    there is nothing to show.

    :param connect: opens a connection to Discord
    :param wanted: returns the activity to show, ``None`` for nothing; call :meth:`wake` when it may
        have changed
    :param counts: counts accepted ``updates``, ``rejections`` and ``connections``
    :param pacing: how often to contact Discord
    """

    def __init__(
        self,
        connect: Connect,
        wanted: Callable[[], Activity | None],
        counts: Counter[str],
        pacing: Pacing | None = None,
    ) -> None:
        self._connect = connect
        self._wanted = wanted
        self._counts = counts
        self._pacing = pacing or Pacing()
        self._wake = anyio.Event()
        self._waiting: anyio.CancelScope | None = None
        """cancelled by :meth:`wake` while connected"""
        self._next_update = -math.inf
        self._backoff = Backoff(self._pacing.first_retry, self._pacing.longest_retry)
        self._logged: set[str] = set()
        """the logged reasons of the current outage"""
        self._is_up = False
        """whether the last log line said that it works"""
        self._was_up = False
        self.is_connected = False
        self.shown: Activity | None = None
        """the activity that Discord was last sent"""
        self.problem = ""
        """why Discord is unreachable; empty while connected and before the first attempt"""
        self.rejection = ""
        """why Discord rejected the latest activity; empty if it did not"""

    def wake(self) -> None:
        """Check which activity to show."""
        self._wake.set()
        if self._waiting is not None:
            self._waiting.cancel()

    async def run(self) -> None:
        """Keep the activity up to date until cancelled."""
        while True:
            connected_at = math.inf
            at_least = 0.0
            failure: DiscordUnreachable | None = None
            try:
                async with self._connect() as connection:
                    connected_at = anyio.current_time()
                    self.is_connected = True
                    self._counts["connections"] += 1
                    await self._keep_shown(connection)
            except DiscordUnreachable as error:
                failure = error
                if error.kind == "rejected":
                    at_least = self._pacing.rejected_retry
                elif anyio.current_time() - connected_at > self._pacing.longest_retry:
                    self._backoff.reset()

            finally:
                self.is_connected = False
                self.shown = None

            delay = self._backoff.next(at_least)
            if failure is not None:
                self._note_problem(failure, delay)

            await self._wait_for_retry(delay)

    async def _wait_for_retry(self, delay: float) -> None:
        retry_at = anyio.current_time() + delay
        while True:
            while self._wanted() is None:
                self._wake = anyio.Event()
                await self._wake.wait()

            if anyio.current_time() >= retry_at:
                return

            await anyio.sleep_until(retry_at)

    async def _keep_shown(self, connection: Connection) -> None:
        """Keep the activity up to date until the connection ends."""
        while True:
            wanted = self._wanted()
            if wanted == self.shown:
                self._note_success()
                await self._wait(connection, math.inf)
                settled = anyio.current_time() + self._pacing.settle
                self._next_update = max(self._next_update, settled)
            elif (pause := self._next_update - anyio.current_time()) > 0:
                await self._wait(connection, pause)
            else:
                await self._update(connection, wanted)

    async def _wait(self, connection: Connection, seconds: float) -> None:
        """Wait for a time, or without limit until something changes.

        :raises DiscordUnreachable: when the connection ends
        """
        with anyio.move_on_after(seconds) as scope:
            # The latest state wins, so changes during a pause do not wake it.
            self._waiting = scope if seconds == math.inf else None
            try:
                raise await connection.wait_closed()
            finally:
                self._waiting = None

    async def _update(self, connection: Connection, wanted: Activity | None) -> None:
        self._next_update = anyio.current_time() + self._pacing.update_interval
        try:
            await connection.show(wanted)
        except ActivityRejected as error:
            self._counts["rejections"] += 1
            self._note_rejection(str(error))
        else:
            self._counts["updates"] += 1
            self.rejection = ""

        # A rejected activity would be rejected again.
        self.shown = wanted

    def _note_success(self) -> None:
        if not self._is_up:
            logger.info("connected to Discord%s", " again" if self._was_up else "")

        self._is_up = self._was_up = True
        self.problem = ""
        self._logged = set()

    def _note_problem(self, error: DiscordUnreachable, delay: float) -> None:
        self._is_up = False
        self.problem = error.reason
        if error.kind == "absent":
            is_news = not self._logged
        else:
            is_news = error.reason not in self._logged and len(self._logged) < MAX_LOGGED_REASONS

        if is_news:
            self._logged.add(error.reason)
            longest = max(delay, self._pacing.longest_retry)
            logger.warning(
                "%s, so there is no Rich Presence; while there is something to show, it tries again "
                "in %g s, and then silently at least every %g s",
                error.reason,
                delay,
                longest,
            )

    def _note_rejection(self, reason: str) -> None:
        if reason != self.rejection:
            logger.error("Discord rejected the activity: %s", reason)

        self.rejection = reason
