"""Events from standard input, one JSON object a line."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable

import anyio

from .._bus import EventBus
from .._events import Event
from .._exceptions import EventDecodeError, EventNotTransformed
from ..cli import Line, LineSplitter, counted
from .seen_ids import SeenIds

logger = logging.getLogger(__name__)

STDIN = "stdin"
"""the name of this source of events"""


class LineFeed:
    """Publishes the events of an input, each id once, and logs bad lines.

    :param bus: where they are published
    """

    def __init__(self, bus: EventBus) -> None:
        self.published = 0
        """events that were published"""
        self.bad = 0
        """lines that are not an event, except blank ones"""
        self.rejected = 0
        """events that a required transform rejected"""
        self.repeated = 0
        """events that were skipped, since their id was published before"""
        self.finished = False
        """whether the input was read to its end"""
        self.ended = anyio.Event()
        """set when it was"""
        self.activity = anyio.Event()
        """set when a line was read; the waiting task replaces it by a new one"""
        self._bus = bus
        self._seen = SeenIds()
        self._splitter = LineSplitter()
        self._publishing = False

    @property
    def interrupted(self) -> bool:
        """Whether a part of the input was read, but not published because of a cancellation."""
        return not self.finished and (self._publishing or self._splitter.is_within_line)

    def summary(self, done: str) -> str:
        """Return how many events were published and skipped.

        :param done: what is said of those that were published, such as ``read``
        """
        text = f"{counted(self.published, 'event')} {done}"
        if self.repeated:
            text += f", {counted(self.repeated, 'repeated event')} skipped"

        return text

    async def run(self, chunks: AsyncIterable[bytes]) -> None:
        """Publish every event, waiting for room in ``block`` mailboxes.

        :param chunks: the input, cut anywhere
        """
        try:
            async for chunk in chunks:
                self._publishing = True
                for line in self._splitter.feed(chunk):
                    await self._publish(line)

                self._publishing = False
        except OSError as error:
            self.bad += 1
            logger.error("stdin cannot be read any more: %s", error.strerror or error)

        self._publishing = True
        for line in self._splitter.finish():
            await self._publish(line)

        self.finished = True
        self.ended.set()
        self.activity.set()

    async def _publish(self, line: Line) -> None:
        try:
            text = line.text()
            event = self._bus.events.from_json(text) if text.strip() else None
            if event is not None:
                await self._publish_once(event)
        except (EventDecodeError, EventNotTransformed, ValueError) as error:
            if isinstance(error, EventNotTransformed):
                self.rejected += 1
            else:
                self.bad += 1

            logger.error("stdin line %d: %s", line.number, error)

        self.activity.set()

    async def _publish_once(self, event: Event) -> None:
        if event.id in self._seen:
            self.repeated += 1
            return

        await self._bus.publish(event)
        self._bus.record_input(STDIN)
        self._seen.add(event.id)
        self.published += 1
