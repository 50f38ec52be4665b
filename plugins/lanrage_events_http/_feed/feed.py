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
from anyio.lowlevel import checkpoint

from lanrage_events import Event, Redactor
from lanrage_events.abc import Person
from lanrage_events.config import EventTypes

from .._problem import log_failure

logger = logging.getLogger(__name__)

RING_SIZE = 256
"""past events that are sent again to a client that reconnects"""
CLIENT_BUFFER = 256
"""events queued for one client, besides past ones"""
HEARTBEAT_SECONDS = 15.0
OVERRUN_SECONDS = 10.0
"""for a client that was too slow to read what is already on its way"""
_CHUNK_BYTES = 64 * 1024


@dataclass(slots=True)
class _Item:
    """One event in the feed."""

    number: int
    event: Event
    frame: bytes | None = None
    """the encoded event, made for the first client that wants it"""


class FeedClient:
    """A client of the feed.

    :param feed: the feed it reads
    :param types: event types and base types, all if it is empty
    :param replay: past events to send first
    :param gap: the number of the last missing event before them, None if none is missing
    """

    def __init__(
        self, feed: Feed, types: Collection[str], replay: Collection[_Item], gap: int | None
    ) -> None:
        self.scope: anyio.CancelScope | None = None
        """of the running answer, which it ends when it is cancelled"""
        self._feed = feed
        self._types = EventTypes(types)
        self._items = deque(item for item in replay if self.wants(item.event))
        self._capacity = CLIENT_BUFFER + len(self._items)
        self._gap = gap
        self._wake: anyio.Event | None = None
        self._has_overrun = False
        self._has_ended = False

    def wants(self, event: Event) -> bool:
        """Return whether the client asked for events of this type."""
        return not self._types or self._types.select(type(event))

    def put(self, item: _Item) -> None:
        """Queue an event; if the queue is full, drop all and end the feed with an overrun."""
        if self._has_overrun:
            return

        if len(self._items) < self._capacity:
            self._items.append(item)
        else:
            self._items.clear()
            self._has_overrun = True
            if self.scope is not None:
                self.scope.deadline = anyio.current_time() + OVERRUN_SECONDS

        if self._wake is not None:
            self._wake.set()

    def forget(self, person: Person) -> None:
        """Remove what waits and names a person."""
        self._items = deque(item for item in self._items if not _names(item.event, person))

    def end(self) -> None:
        """End the chunks."""
        self._has_ended = True
        if self._wake is not None:
            self._wake.set()

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield encoded events as they are published, and a heartbeat when there are none."""
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
                # Encoding large events takes a while.
                await checkpoint()
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
    """Sends the events of the bus to clients, and keeps the last ones for clients that reconnect.

    Without clients nothing is encoded.

    :param redactor: removes secrets
    :param max_clients: how many clients may read it at once
    """

    def __init__(self, redactor: Redactor, max_clients: int = 20) -> None:
        self.counts: Counter[str] = Counter()
        """the number of events by type"""
        self.number = 0
        """of the last event"""
        self._redactor = redactor
        self._max_clients = max_clients
        self._ring: deque[_Item] = deque(maxlen=RING_SIZE)
        self._missing = 0
        """the number of the last event that the ring does not keep any more"""
        self._clients: set[FeedClient] = set()
        # So that an id from before a restart is not mistaken for a current one.
        self._prefix = os.urandom(4).hex()

    @property
    def clients(self) -> int:
        """How many clients read it now."""
        return len(self._clients)

    @property
    def is_full(self) -> bool:
        """Whether no further client may read it."""
        return len(self._clients) >= self._max_clients

    def add(self, event: Event) -> None:
        """Queue an event for the clients that want it. It never waits."""
        self.counts[event.type] += 1
        self.number += 1
        item = _Item(self.number, event)
        if len(self._ring) == RING_SIZE:
            self._missing = self._ring[0].number

        self._ring.append(item)
        for client in self._clients:
            if client.wants(event):
                client.put(item)

    def forget(self, person: Person) -> int:
        """Remove the events that name a person, also for clients that wait for them; return how many."""
        named = {item.number for item in self._ring if _names(item.event, person)}
        kept = [item for item in self._ring if item.number not in named]
        self._ring = deque(kept, maxlen=RING_SIZE)
        for client in self._clients:
            client.forget(person)

        return len(named)

    @contextmanager
    def open(
        self, types: Collection[str] = (), last_event_id: str | None = None
    ) -> Iterator[FeedClient]:
        """Return a context in which a client reads the feed; check :attr:`is_full` first.

        :param types: event types and base types, all if it is empty
        :param last_event_id: the last event that the client saw; it gets those after it
        """
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
        if seen is None or seen < self._missing:
            return FeedClient(self, types, self._ring, self._missing)

        return FeedClient(self, types, [item for item in self._ring if item.number > seen], None)

    def id(self, number: int) -> str:
        """Return the id of the event of a number."""
        return f"{self._prefix}-{number}"

    def _parse_id(self, text: str) -> int | None:
        """Return the number in an id, None if the id is not from this process."""
        prefix, _, digits = text.partition("-")
        if prefix != self._prefix or not (digits.isascii() and digits.isdecimal()):
            return None

        number = int(digits) if len(digits) <= len(str(self.number)) else self.number + 1
        return number if number <= self.number else None

    def encode(self, item: _Item) -> bytes:
        """Return an encoded event, empty if it cannot be written as JSON."""
        if item.frame is None:
            event = item.event
            try:
                data = self._redactor.redact(event.to_json())
                item.frame = _frame(event.type, data, self.id(item.number))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the publisher made it
                what = f"{event.type} {event.id} cannot be shown in the live feed"
                log_failure(logger, self._redactor, what, error)
                item.frame = b""

        return item.frame


def _names(event: Event, person: Person) -> bool:
    try:
        return person.is_in(event.to_dict())
    except (Exception, SystemExit):  # noqa: BLE001 - the publisher made it, and it cannot be shown
        return False


def _frame(event: str, data: str, id: str) -> bytes:
    """Return one event of the stream; the data is one line."""
    return f"id: {id}\nevent: {event}\ndata: {data}\n\n".encode("utf-8", "replace")


def _comment(text: str) -> bytes:
    """Return a comment, which clients skip; it keeps the connection alive."""
    return f": {text}\n\n".encode()
