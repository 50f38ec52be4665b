from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import anyio

from ._activity import Activity
from ._connection import ActivityRefused, Connection, DiscordUnreachable

logger = logging.getLogger("lanrage_events.presence")

# https://qwertyquerty.github.io/pypresence/html/info/quickstart.html: "You can only update your
# presence every 15 seconds"
UPDATE_INTERVAL_SECONDS = 15.0

# A party is created, and its players join at once: without this, the first of it would be shown for
# fifteen seconds.
SETTLE_SECONDS = 1.0

FIRST_RETRY_SECONDS = 1.0
# As long as people wait at most who start Discord during a party.
LONGEST_RETRY_SECONDS = 30.0
# Discord asks its servers about an application; one that it does not know is rarely made meanwhile.
REFUSED_RETRY_SECONDS = 300.0

# An outage that always has another reason must not fill the log.
MAX_TOLD_REASONS = 5

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""opens a connection and closes it within a bounded time, or raises DiscordUnreachable"""


class Presenter:
    """Keeps Discord showing the latest activity, as often as it may be told and no more.

    It sleeps without a timer while Discord shows what it should, and while Discord is not there
    and nothing is to be shown.

    :param connect: opens a connection to Discord
    :param wanted: returns what should be shown, ``None`` for nothing; call :meth:`wake` when it may
        have changed
    """

    def __init__(self, connect: Connect, wanted: Callable[[], Activity | None]) -> None:
        self._connect = connect
        self._wanted = wanted
        self._wake = anyio.Event()
        self._waiting: anyio.CancelScope | None = None
        """cancelled by what should wake it while it is connected"""
        self._next_update = -math.inf
        self._retry_delay = FIRST_RETRY_SECONDS
        self._told: set[str] = set()
        """what was said of the present outage"""
        self._is_up = False
        """whether it works, as was last told"""
        self._was_up = False
        self.is_connected = False
        self.shown: Activity | None = None
        """what Discord shows, as far as it told"""
        self.problem = ""
        """why Discord cannot be reached; empty while it can, and before it was tried"""
        self.refusal = ""
        """why Discord did not accept the latest activity; empty if it did"""
        self.updates = 0
        """activities that Discord accepted"""
        self.refused = 0
        """activities that Discord did not accept"""
        self.connections = 0
        """times that a connection was made"""

    def wake(self) -> None:
        """Look at what should be shown."""
        self._wake.set()
        if self._waiting is not None:
            self._waiting.cancel()

    async def run(self) -> None:
        """Show what should be shown until cancelled."""
        while True:
            connected_at = math.inf
            delay = self._retry_delay
            try:
                async with self._connect() as connection:
                    connected_at = anyio.current_time()
                    self.is_connected = True
                    self.connections += 1
                    await self._keep_shown(connection)
            except DiscordUnreachable as error:
                self._note_problem(error)
                if error.kind == "refused":
                    delay = REFUSED_RETRY_SECONDS
                elif anyio.current_time() - connected_at > LONGEST_RETRY_SECONDS:
                    delay = FIRST_RETRY_SECONDS

            finally:
                self.is_connected = False
                self.shown = None

            await self._wait_for_retry(delay)
            self._retry_delay = min(2 * delay, LONGEST_RETRY_SECONDS)

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
        """Show what should be shown until the connection ends."""
        while True:
            wanted = self._wanted()
            if wanted == self.shown:
                self._note_success()
                await self._wait(connection, math.inf)
                settled = anyio.current_time() + SETTLE_SECONDS
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
            # The latest state wins, so what changes during a pause need not be looked at.
            self._waiting = scope if seconds == math.inf else None
            try:
                raise await connection.wait_closed()
            finally:
                self._waiting = None

    async def _update(self, connection: Connection, wanted: Activity | None) -> None:
        self._next_update = anyio.current_time() + UPDATE_INTERVAL_SECONDS
        try:
            await connection.show(wanted)
        except ActivityRefused as error:
            self.refused += 1
            self._note_refusal(str(error))
        else:
            self.updates += 1
            self.refusal = ""

        # What was refused would be refused again.
        self.shown = wanted

    def _note_success(self) -> None:
        if not self._is_up:
            logger.info("connected to Discord%s", " again" if self._was_up else "")

        self._is_up = self._was_up = True
        self.problem = ""
        self._told = set()

    def _note_problem(self, error: DiscordUnreachable) -> None:
        self._is_up = False
        self.problem = error.reason
        if error.kind == "absent":
            is_news = not self._told
        else:
            is_news = error.reason not in self._told and len(self._told) < MAX_TOLD_REASONS

        if is_news:
            self._told.add(error.reason)
            logger.warning(
                "%s, so there is no Rich Presence; it is tried again, silently, while there is "
                "something to show",
                error.reason,
            )

    def _note_refusal(self, reason: str) -> None:
        if reason != self.refusal:
            logger.error("Discord refused what Rich Presence should show: %s", reason)

        self.refusal = reason
