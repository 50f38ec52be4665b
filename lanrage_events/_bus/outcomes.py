"""The outcomes of events: publishing them, and waiting until plugins have handled them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import anyio

from .._events import Event, check_event
from .._exceptions import EventDropped, EventNotTransformed
from .event_loop import EventLoop
from .fanout import FanOut
from .lifecycle import Lifecycle
from .mailbox import Acknowledgement, Mailbox

Awaited = Literal["all", "durable"]


class Outcomes:
    """Publishes on one bus, and waits."""

    def __init__(self, loop: EventLoop, fanout: FanOut, lifecycle: Lifecycle) -> None:
        self._loop = loop
        self._fanout = fanout
        self._lifecycle = lifecycle

    async def of(self, event: Event, plugins: Awaited) -> None:
        """Publish an event, wait until plugins have handled it, and raise why one has not."""
        waited_for = self._check("publish_and_wait", plugins)
        ack = Acknowledgement()
        await self._fanout.put(event, ack, waited_for)
        await ack.wait()
        error = _failure(event, ack)
        if error is not None:
            raise error

    async def of_many(self, events: Iterable[Event], plugins: Awaited) -> list[Exception | None]:
        """Publish events in order, wait until all are handled, and return why each was not."""
        waited_for = self._check("publish_many_and_wait", plugins)
        if isinstance(events, Event):
            raise TypeError("publish_many_and_wait takes several events: give a list of them")

        events = tuple(events)
        for event in events:
            check_event(event)

        published: list[tuple[Event, Acknowledgement]] = []
        for event in events:
            ack = Acknowledgement()
            try:
                await self._fanout.put(event, ack, waited_for)
            except (anyio.ClosedResourceError, EventNotTransformed) as error:
                ack.rejected = error

            published.append((event, ack))

        # Each wait is a checkpoint, and the last event is usually the last to be handled.
        for _, ack in published[-1:] + published:
            if not ack.is_done:
                await ack.wait()

        return [ack.rejected or _failure(event, ack) for event, ack in published]

    def _check(self, method: str, plugins: Awaited) -> Callable[[Mailbox], bool]:
        """Check a call, and return what says whether to wait for a mailbox."""
        self._loop.check_running()
        self._fanout.check_outside_hook(method, "use publish there")
        if plugins not in ("all", "durable"):
            raise ValueError(f"plugins must be 'all' or 'durable', not {plugins!r}")

        return {
            supervisor.mailbox
            for supervisor in self._lifecycle.supervisors.values()
            if supervisor.durable or plugins == "all"
        }.__contains__


def _failure(event: Event, ack: Acknowledgement) -> Exception | None:
    """Return why an event was not handled, None if it was."""
    match ack.errors:
        case []:
            return None
        case [EventDropped() as dropped]:
            return dropped
        case errors:
            return ExceptionGroup(f"{event.type} {event.id} was not handled", errors)
