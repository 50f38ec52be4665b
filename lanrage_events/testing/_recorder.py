"""The recording plugin, which keeps its events and can fail, hang or slow down on request."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TypeVar

import anyio

from .._events import Event
from ..abc import DEFAULT_MAILBOX_SIZE, Bus, WhenFull
from ..cli import counted
from ..hookspecs import hookimpl

EventT = TypeVar("EventT", bound=Event)

A_WEEK = 7 * 86_400.0
"""seconds after which what a test waits for will not come"""


class PlannedFailure(AbstractContextManager["PlannedFailure"]):
    """A failure or a delay that a test requested of a :class:`RecordingPlugin`.

    It ends with :meth:`end`, or with the ``with`` block that it is used in.
    """

    def __init__(
        self,
        on: type[Event],
        times: int | None,
        *,
        seconds: float = 0.0,
        error: Exception | None = None,
    ) -> None:
        self._on = on
        self._left = math.inf if times is None else times
        self._seconds = seconds
        self._error = error
        self._ended = anyio.Event()

    async def _apply(self, event: Event) -> None:
        if self._ended.is_set() or self._left < 1 or not isinstance(event, self._on):
            return

        self._left -= 1
        if self._seconds:
            with anyio.move_on_after(self._seconds):
                await self._ended.wait()

        if self._error is not None:
            raise self._error.with_traceback(None)

    def end(self) -> None:
        """End it, also for events that wait in the hook; a second call does nothing."""
        self._ended.set()

    def __exit__(self, *_: object) -> None:
        self.end()


class RecordingPlugin:
    """Records its events, and fails, hangs or slows down on request.

    :param durable: whether it declares itself durable
    :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
    :param mailbox_size: how many events may wait for it
    :param hook_timeout: seconds after which its hook is cancelled, by default the bus's
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        when_full: WhenFull = "drop_oldest",
        mailbox_size: int = DEFAULT_MAILBOX_SIZE,
        hook_timeout: float | None = None,
    ) -> None:
        self.durable = durable
        self.when_full = when_full
        self.mailbox_size = mailbox_size
        self.hook_timeout = hook_timeout
        self.events: list[Event] = []
        """its events, in order"""
        self.handled: list[Event] = []
        """those of its events on which its hook neither failed nor was cancelled"""
        self._failures: list[PlannedFailure] = []
        self._bus: Bus | None = None
        self._arrived = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Keep the bus, for :attr:`pending`."""
        self._bus = bus
        yield

    @hookimpl
    async def event(self, event: Event) -> None:
        """Record an event of any type, then fail, hang or slow down as planned."""
        self.events.append(event)
        arrived, self._arrived = self._arrived, anyio.Event()
        arrived.set()
        for failure in tuple(self._failures):
            await failure._apply(event)

        self.handled.append(event)

    def of(self, event_class: type[EventT]) -> list[EventT]:
        """Return its events of a class and its subclasses, in order."""
        return [event for event in self.events if isinstance(event, event_class)]

    async def wait_for(self, count: int, event_class: type[Event] = Event) -> None:
        """Wait until it has received a number of events; earlier ones count, too.

        It waits for a week at most, which takes no time in virtual time. With ``real_time``, limit it
        with :func:`anyio.fail_after`.

        :param count: how many events
        :param event_class: count only events of this class and its subclasses
        :raises TimeoutError: if they did not come in that week
        """
        try:
            with anyio.fail_after(A_WEEK):
                while len(self.of(event_class)) < count:
                    await self._arrived.wait()
        except TimeoutError:
            noun = "event" if event_class is Event else event_class.__name__
            came = counted(len(self.of(event_class)), noun)
            raise TimeoutError(f"{came} came, not {count}{hint(self)}") from None

    @property
    def pending(self) -> int:
        """How many published events have not reached it yet."""
        if self._bus is None:
            return 0

        try:
            name = self._bus.plugins.name(self)
        except LookupError:
            return 0

        return self._bus.statistics().plugins[name].pending

    # Planned failures

    def fail(
        self,
        error: Exception | None = None,
        *,
        on: type[Event] = Event,
        times: int | None = None,
    ) -> PlannedFailure:
        """Let its hook raise.

        :param error: what to raise; a :exc:`RuntimeError` by default
        :param on: only for events of this class and its subclasses
        :param times: for how many events; by default until the planned failure ends
        """
        error = error or RuntimeError("the recording plugin fails as planned")
        return self._add(PlannedFailure(on, times, error=error))

    def slow_down(
        self, seconds: float, *, on: type[Event] = Event, times: int | None = None
    ) -> PlannedFailure:
        """Let its hook take a time for each event.

        :param seconds: how long it takes
        :param on: as in :meth:`fail`
        :param times: as in :meth:`fail`
        """
        return self._add(PlannedFailure(on, times, seconds=seconds))

    def hang(self, *, on: type[Event] = Event, times: int | None = None) -> PlannedFailure:
        """Let its hook wait until the planned failure ends, or until the bus cancels the hook.

        :param on: as in :meth:`fail`
        :param times: as in :meth:`fail`
        """
        return self._add(PlannedFailure(on, times, seconds=math.inf))

    def recover(self) -> None:
        """End all planned failures."""
        for failure in self._failures:
            failure.end()

        self._failures.clear()

    def _add(self, failure: PlannedFailure) -> PlannedFailure:
        self._failures.append(failure)
        return failure


def hint(recorder: RecordingPlugin) -> str:
    """Return why events may be missing, for the message of a failing test."""
    if recorder._bus is None:
        return (
            "\nthe recording plugin was not registered on a bus that runs, or has not started yet"
        )

    if not recorder.pending:
        return ""

    waits = "1 event has" if recorder.pending == 1 else f"{recorder.pending} events have"
    return f"\n{waits} not reached the plugin yet: is 'await bus.drain()' missing?"
