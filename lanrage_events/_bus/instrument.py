"""The instruments of one bus, and the hook calls that they watch."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial, wraps
from inspect import isawaitable
from time import perf_counter
from types import TracebackType
from typing import Any, TypeVar

from .._containment import call
from .._events import Event
from ..abc import HookCall, Instrument
from .threads import LoopWatch

T = TypeVar("T")
End = Callable[[BaseException | None], None]
MakeLifespan = Callable[[], AbstractAsyncContextManager[object]]

logger = logging.getLogger(__name__)

LIFESPAN_START = "lifespan start"
LIFESPAN_END = "lifespan end"


class Instruments(Instrument):
    """Several instruments as one; each is called only for the methods that it overrides.

    :param instruments: in the order in which they are called
    :param watch: notices lifespans that hold the event loop while they start or end
    """

    def __init__(
        self, instruments: Sequence[Instrument] = (), watch: LoopWatch | None = None
    ) -> None:
        self._watch = watch or LoopWatch(None)
        for name, method in vars(Instrument).items():
            if not name.startswith("_"):
                calls = [getattr(i, name) for i in instruments if getattr(type(i), name) != method]
                if calls:
                    setattr(self, name, _contained(calls))

        overridden = vars(self).keys()
        self.watches_calls = not overridden.isdisjoint(("hook_began", "hook_ended"))
        """whether an instrument watches hook calls"""
        self.watches_drops = "event_dropped" in overridden
        """whether an instrument overrides :meth:`event_dropped`, which may be called often"""
        self.watches_filters = "event_filtered" in overridden
        """the same of :meth:`event_filtered`"""

    def watched(
        self,
        plugin: str,
        hook: str,
        function: Callable[..., Any],
        shown: Callable[[Event], Event] | None = None,
    ) -> Callable[..., Any]:
        """Wrap the implementation of a hook so that its calls are watched.

        :param shown: returns what the instruments get in place of an event
        """
        if not self.watches_calls:
            return function

        @wraps(function)
        def watched_call(*arguments: Any) -> Any:
            events = _events(arguments)
            if shown is not None:
                events = [*map(shown, events)]

            end = self._begin(HookCall(plugin, hook, events))
            try:
                answer = function(*arguments)
            except BaseException as error:
                end(error)
                raise

            if isawaitable(answer):
                return _finish(answer, end)

            end(None)
            return answer

        return watched_call

    def watched_lifespan(self, plugin: str, make: MakeLifespan) -> MakeLifespan:
        """Wrap a lifespan so that its start and its end are watched."""
        return partial(_WatchedLifespan, self, self._watch, plugin, make)

    def _begin(self, call: HookCall) -> End:
        self.hook_began(call)
        began = perf_counter()
        return lambda error: self.hook_ended(call, perf_counter() - began, error)


class _WatchedLifespan(AbstractAsyncContextManager[object]):
    def __init__(
        self, instruments: Instruments, watch: LoopWatch, plugin: str, make: MakeLifespan
    ) -> None:
        self._instruments = instruments
        self._watch = watch
        self._plugin = plugin
        self._make = make
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> object:
        with self._watch.calls(self._plugin, LIFESPAN_START):
            end = self._instruments._begin(HookCall(self._plugin, LIFESPAN_START))
            return await _finish(self._enter(), end)

    async def _enter(self) -> object:
        return await self._stack.enter_async_context(self._make())

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        with self._watch.calls(self._plugin, LIFESPAN_END):
            end = self._instruments._begin(HookCall(self._plugin, LIFESPAN_END))
            return await _finish(self._stack.__aexit__(exc_type, exc_value, traceback), end)


async def _finish(answer: Awaitable[T], end: End) -> T:
    try:
        result = await answer
    except BaseException as error:
        end(error)
        raise

    end(None)
    return result


def _events(arguments: Sequence[Any]) -> Sequence[Event]:
    """Return the events that a hook is called with."""
    for argument in arguments:
        if isinstance(argument, Event):
            return (argument,)

        if isinstance(argument, list | tuple):
            return argument

    return ()


def _contained(calls: Sequence[Callable[..., None]]) -> Callable[..., None]:
    """Combine several calls: one that raises is logged and does not prevent the others."""

    def call_all(*arguments: object) -> None:
        for one in calls:
            try:
                call(one, *arguments)
            except Exception:
                logger.exception("an instrument failed: %r", one)

    return call_all
