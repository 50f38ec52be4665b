from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

import anyio

from .._events import Event
from .._reports import WhenFull
from ..abc import DEFAULT_SIZE, Bus
from ..hookspecs import hookimpl

EventT = TypeVar("EventT", bound=Event)


class Fault:
    """Something that a recording plugin was told to do to events.

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

    def takes(self, event: Event) -> bool:
        """Return whether it hits this event, which counts as one time."""
        if self._ended.is_set() or self._left < 1 or not isinstance(event, self._on):
            return False

        self._left -= 1
        return True

    async def strike(self) -> None:
        """Do it."""
        if self._seconds:
            with anyio.move_on_after(self._seconds):
                await self._ended.wait()

        if self._error is not None:
            raise self._error.with_traceback(None)

    def end(self) -> None:
        """Do it no longer, and let those go on that wait; ending it twice does nothing."""
        self._ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()


class RecordingPlugin:
    """Keeps the events that it gets, and fails, hangs or is slow when it is told to.

    :param durable: whether it says that events survive once its hook returns
    :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
    :param mailbox_size: events that wait for it at most
    :param hook_timeout: seconds after which its hook is cancelled; the default is the bus's
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        when_full: WhenFull = "drop_oldest",
        mailbox_size: int = DEFAULT_SIZE,
        hook_timeout: float | None = None,
    ) -> None:
        self.durable = durable
        self.when_full = when_full
        self.mailbox_size = mailbox_size
        self.hook_timeout = hook_timeout
        self.events: list[Event] = []
        """the events that it got, in order"""
        self.handled: list[Event] = []
        """those of them on which its hook neither failed nor was cancelled"""
        self._faults: list[Fault] = []
        self._bus: Bus | None = None
        self._arrived = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Remember the bus, to know what is still on the way."""
        self._bus = bus
        yield

    @hookimpl
    async def event(self, event: Event) -> None:
        """Keep an event, whatever its type, and do what was asked for."""
        self.events.append(event)
        arrived, self._arrived = self._arrived, anyio.Event()
        arrived.set()
        for fault in tuple(self._faults):
            if fault.takes(event):
                await fault.strike()

        self.handled.append(event)

    def of(self, event_class: type[EventT]) -> list[EventT]:
        """Return the events of a class and its subclasses that it got, in order."""
        return list(self._of(event_class))

    def _of(self, event_class: type[EventT]) -> Iterator[EventT]:
        return (event for event in self.events if isinstance(event, event_class))

    async def wait_for(self, count: int, event_class: type[Event] = Event) -> None:
        """Wait until it has got a number of events; those of before count, too.

        With ``real_time``, limit it with :func:`anyio.fail_after`.

        :param count: how many
        :param event_class: only count events of this class and its subclasses
        """
        while sum(1 for _ in self._of(event_class)) < count:
            await self._arrived.wait()

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

    # Faults

    def fail(
        self,
        error: Exception | None = None,
        *,
        on: type[Event] = Event,
        times: int | None = None,
    ) -> Fault:
        """Have its hook raise.

        :param error: what to raise; a :exc:`RuntimeError` by default
        :param on: only for events of this class and its subclasses
        :param times: how often; until it is ended by default
        """
        error = error or RuntimeError("the recording plugin was told to fail")
        return self._add(Fault(on, times, error=error))

    def slow_down(
        self, seconds: float, *, on: type[Event] = Event, times: int | None = None
    ) -> Fault:
        """Have its hook take a time for each event.

        :param seconds: how long
        :param on: only for events of this class and its subclasses
        :param times: how often; until it is ended by default
        """
        return self._add(Fault(on, times, seconds=seconds))

    def hang(self, *, on: type[Event] = Event, times: int | None = None) -> Fault:
        """Have its hook wait until it is ended, or until the bus cancels it.

        :param on: only for events of this class and its subclasses
        :param times: how often; until it is ended by default
        """
        return self._add(Fault(on, times, seconds=math.inf))

    def recover(self) -> None:
        """End all of these."""
        for fault in self._faults:
            fault.end()

        self._faults.clear()

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault
