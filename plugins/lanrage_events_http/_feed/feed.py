"""The live feed, as server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter, deque
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from lanrage_events import Event, Redactor
from lanrage_events.config import EventTypes

from .._problem import log_failure

logger = logging.getLogger(__name__)

RING_SIZE = 256
"""events that can be had again after a connection broke"""
CLIENT_BUFFER = 256
"""events that wait for one client, on top of those it gets again"""
HEARTBEAT_SECONDS = 15.0
OVERRUN_SECONDS = 10.0
"""which a client that was too slow has to take what is on its way to it"""
_CHUNK_BYTES = 64 * 1024


class FeedFull(Exception):
    """Raised when as many clients read the feed as may."""


@dataclass(slots=True)
class _Item:
    """One event in the feed."""

    number: int
    event: Event
    frame: bytes | None = None
    """what is sent, made when the first client wants it"""


class FeedClient:
    """One who reads the feed.

    :param feed: what is read
    :param types: event types and base types, all if it is empty
    :param replay: what is sent first, after a gap if something is missing before it
    :param gap: the number before the first event after a gap, None if there is none
    """

    def __init__(
        self, feed: Feed, types: Collection[str], replay: Collection[_Item], gap: int | None
    ) -> None:
        self.scope: anyio.CancelScope | None = None
        """ends the answer when it is cancelled; set while there is one"""
        self._feed = feed
        self._types = EventTypes(types)
        self._items = deque(item for item in replay if self.wants(item.event))
        self._room = CLIENT_BUFFER + len(self._items)
        self._gap = gap
        self._wake: anyio.Event | None = None
        self._has_overrun = False
        self._has_ended = False

    def wants(self, event: Event) -> bool:
        """Tell whether an event is among what it asked for."""
        return not self._types or self._types.select(type(event))

    def put(self, item: _Item) -> None:
        """Give it an event; if it has no room, it is told so and gets no more."""
        if self._has_overrun:
            return

        if len(self._items) < self._room:
            self._items.append(item)
        else:
            self._items.clear()
            self._has_overrun = True
            if self.scope is not None:
                self.scope.deadline = anyio.current_time() + OVERRUN_SECONDS

        if self._wake is not None:
            self._wake.set()

    def end(self) -> None:
        """Let the chunks end."""
        self._has_ended = True
        if self._wake is not None:
            self._wake.set()

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield what is sent: events as they come, and something now and then if none do."""
        yield _comment("connected")
        if self._gap is not None:
            data = {"detail": "events before this are not kept any more"}
            yield _frame("gap", json.dumps(data), self._feed.id(self._gap))

        while not self._has_ended:
            if self._has_overrun:
                data = {"detail": f"more than {CLIENT_BUFFER} events waited for this client"}
                yield _frame("overrun", json.dumps(data), self._feed.id(self._feed.number))
                return

            if self._items:
                yield self._take()
                continue

            self._wake = anyio.Event()
            with anyio.move_on_after(HEARTBEAT_SECONDS) as waiting:
                await self._wake.wait()

            self._wake = None
            if waiting.cancelled_caught:
                yield _comment("still here")

    def _take(self) -> bytes:
        chunk = b""
        while self._items and len(chunk) < _CHUNK_BYTES:
            chunk += self._feed.encode(self._items.popleft())

        return chunk


class Feed:
    """The events of the bus for those who watch, and the last ones for those who come back.

    Without clients it only keeps the last events: nothing is encoded and nothing waits.

    :param redactor: knows what must not be shown
    :param max_clients: how many may read it at once
    """

    def __init__(self, redactor: Redactor, max_clients: int = 20) -> None:
        self.counts: Counter[str] = Counter()
        """how many events there were, by type"""
        self.number = 0
        """of the last event"""
        self._redactor = redactor
        self._max_clients = max_clients
        self._ring: deque[_Item] = deque(maxlen=RING_SIZE)
        self._clients: set[FeedClient] = set()
        # So that an id from before a restart is not taken for one of today's.
        self._prefix = os.urandom(4).hex()

    @property
    def clients(self) -> int:
        """How many read it now."""
        return len(self._clients)

    @property
    def is_full(self) -> bool:
        """Whether nobody more may read it."""
        return len(self._clients) >= self._max_clients

    def add(self, event: Event) -> None:
        """Give an event to all who want it. It never waits."""
        self.counts[event.type] += 1
        self.number += 1
        item = _Item(self.number, event)
        self._ring.append(item)
        for client in self._clients:
            if client.wants(event):
                client.put(item)

    @contextmanager
    def open(
        self, types: Collection[str] = (), last_event_id: str | None = None
    ) -> Iterator[FeedClient]:
        """Return a context in which a client reads the feed.

        :param types: event types and base types, all if it is empty
        :param last_event_id: what the client saw last; it gets what came after it
        :raises FeedFull: if as many read it as may
        """
        if self.is_full:
            raise FeedFull

        client = self._make_client(types, last_event_id)
        self._clients.add(client)
        try:
            yield client
        finally:
            self._clients.discard(client)

    def _make_client(self, types: Collection[str], last_event_id: str | None) -> FeedClient:
        if last_event_id is None:
            return FeedClient(self, types, (), None)

        seen = self._parse_id(last_event_id)
        before = self.number - len(self._ring)
        if seen is None or seen < before:
            return FeedClient(self, types, self._ring, before)

        return FeedClient(self, types, [item for item in self._ring if item.number > seen], None)

    def id(self, number: int) -> str:
        """Return what the feed calls the event of a number."""
        return f"{self._prefix}-{number}"

    def _parse_id(self, text: str) -> int | None:
        """Return the number of an event, None if it is none of this process's."""
        prefix, _, digits = text.partition("-")
        if prefix != self._prefix or not (digits.isascii() and digits.isdecimal()):
            return None

        number = int(digits) if len(digits) <= len(str(self.number)) else self.number + 1
        return number if number <= self.number else None

    def encode(self, item: _Item) -> bytes:
        """Return an event as a client gets it; nothing if it cannot be written as JSON."""
        if item.frame is None:
            event = item.event
            try:
                data = self._redactor.redact(event.to_json())
                item.frame = _frame(event.type, data, self.id(item.number))
            except Exception as error:  # noqa: BLE001 - it was made by whoever published it
                what = f"{event.type} {event.id} cannot be shown in the live feed"
                log_failure(logger, self._redactor, what, error)
                item.frame = b""

        return item.frame


def _frame(event: str, data: str, id: str) -> bytes:
    """Return one event as the stream shows it.

    :param event: its name
    :param data: text in one line
    :param id: with which a client asks for what came after it
    """
    return f"id: {id}\nevent: {event}\ndata: {data}\n\n".encode("utf-8", "replace")


def _comment(text: str) -> bytes:
    """Return a line that clients skip, which shows both sides that the other is still there."""
    return f": {text}\n\n".encode()
