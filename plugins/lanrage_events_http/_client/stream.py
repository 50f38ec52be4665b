"""Printing the live feed of a running daemon."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TextIO

import anyio

from lanrage_events.backoff import Backoff, in_words
from lanrage_events.cli import StatusLine, safe_text
from lanrage_events.events import format_event

from .answers import DaemonError
from .client import DaemonClient
from .sse import MESSAGE_MAX_CHARACTERS, Message, MessageTooLong, SSEReader

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0


class FeedPrinter:
    """Prints events as they are published, and reconnects when the connection is lost.

    :param make_client: returns a client of the daemon
    :param types: the event types to print, all if it is empty
    :param count: how many events to print, None for no limit
    :param as_json: print each event as JSON
    :param out: for events
    :param err: for everything else
    :param max_message: the longest message of the feed, in characters
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
        max_message: int = MESSAGE_MAX_CHARACTERS,
    ) -> None:
        self._make_client = make_client
        self._types = types
        self._left = count
        self._write = json_line if as_json else format_event
        self._out = out
        self._console = StatusLine(err)
        self._max_message = max_message
        self._last_event_id: str | None = None
        self._backoff = Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, jitter=0.5)
        self._is_away = False

    async def run(self) -> None:
        """Print events until there are enough.

        :raises DaemonError: if the feed cannot be opened, or opened again
        """
        async with self._make_client() as client:
            while True:
                problem = await self._follow(client)
                if problem is None:
                    return

                wait = self._backoff.next(problem.retry_after)
                if not self._is_away or wait > LONGEST_WAIT_SECONDS:
                    self._is_away = True
                    often = f", then at least every {LONGEST_WAIT_SECONDS:g} s"
                    self._console.write(
                        f"{problem}; trying again in {in_words(wait)}{often}, until Ctrl-C"
                    )

                await anyio.sleep(wait)

    async def _follow(self, client: DaemonClient) -> DaemonError | None:
        """Read the feed once; return why it ended, None if there are enough events."""
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
            if not (error.is_transient and (is_open or self._is_away)):
                raise

            return error

        return DaemonError(f"the daemon at {client.url} ended the feed", is_transient=True)

    async def _print(self, chunks: AsyncIterator[bytes]) -> bool:
        """Print events until the feed ends; return whether there are enough."""
        reader = SSEReader(self._max_message)
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
            self._console.write(f"the feed sent something that is not an event: {message.name}")
        elif "type" in data:
            self._out.write(f"{safe_text(self._write(data))}\n")
            self._out.flush()
            if self._left is not None:
                self._left -= 1
        elif message.name in ("gap", "overrun"):
            self._console.write(f"some events are missing here: {data.get('detail', '')}")


def json_line(event: dict[str, Any]) -> str:
    """Return an event as one JSON object that ``lanrage-events publish --file`` reads."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))
