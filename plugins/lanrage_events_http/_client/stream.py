"""Prints the live feed of a running daemon."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TextIO

import anyio

from lanrage_events.backoff import Backoff
from lanrage_events.cli import StatusLine, escape_controls
from lanrage_events.events import format_event

from .answers import DaemonError
from .client import DaemonClient
from .sse import Message, MessageTooLong, SSEReader

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0


class FeedPrinter:
    """Prints events as they come, and connects again when the connection is lost.

    :param make_client: makes what asks the daemon
    :param types: the event types to print, all if it is empty
    :param count: how many to print, None to go on for ever
    :param as_json: print each event as JSON
    :param out: where events go
    :param err: where everything else goes
    """

    def __init__(
        self,
        make_client: Callable[[], DaemonClient],
        *,
        types: Sequence[str] = (),
        count: int | None = None,
        as_json: bool = False,
        out: TextIO,
        err: TextIO,
    ) -> None:
        self._make_client = make_client
        self._types = types
        self._left = count
        self._write = json_line if as_json else format_event
        self._out = out
        self._console = StatusLine(err)
        self._last_event_id: str | None = None
        self._backoff = Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, jitter=0.5)
        self._is_away = False

    async def run(self) -> None:
        """Print until there are enough.

        :raises DaemonError: if there is no feed, or none any more that could come back
        """
        async with self._make_client() as client:
            while True:
                problem = await self._follow(client)
                if problem is None:
                    return

                if not self._is_away:
                    self._is_away = True
                    self._console.write(f"{problem.reason}; trying again")

                await anyio.sleep(self._backoff.next(problem.retry_after))

    async def _follow(self, client: DaemonClient) -> DaemonError | None:
        """Read the feed once; return why it ended, None if there is enough."""
        is_open = False
        try:
            async with client.stream(self._types, self._last_event_id) as chunks:
                is_open = True
                if self._is_away:
                    self._is_away = False
                    self._console.write("connected again")

                if await self._print(chunks):
                    return None
        except MessageTooLong as error:
            raise DaemonError(f"the live feed of {client.url} cannot be read: {error}") from None
        except DaemonError as error:
            if not (error.is_passing and (is_open or self._is_away)):
                raise

            return error

        return DaemonError(f"the daemon at {client.url} ended the feed", is_passing=True)

    async def _print(self, chunks: AsyncIterator[bytes]) -> bool:
        """Print what comes until it ends; return whether there is enough."""
        reader = SSEReader()
        async for chunk in chunks:
            for message in reader.feed(chunk):
                self._last_event_id = message.id
                self._backoff.reset()
                self._show(message)
                if self._left == 0:
                    return True

        return False

    def _show(self, message: Message) -> None:
        try:
            data = json.loads(message.data)
        except (ValueError, RecursionError):
            data = None

        if not isinstance(data, dict):
            self._console.write(f"the feed sent what is no event: {message.name}")
        elif "type" in data:
            self._out.write(f"{escape_controls(self._write(data))}\n")
            self._out.flush()
            if self._left is not None:
                self._left -= 1
        elif message.name in ("gap", "overrun"):
            self._console.write(f"some events are missing here: {data.get('detail', '')}")


def json_line(event: dict[str, Any]) -> str:
    """Return an event as one JSON object that ``lanrage-events publish --file`` reads."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))
