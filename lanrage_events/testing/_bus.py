"""The checked bus, which collects all errors that happen on it."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from .._bus import EventBus
from .._events import Event
from .._exceptions import (
    EventDropped,
    EventNotTransformed,
    HookTimeout,
    PluginError,
    PluginStartError,
    TemplateError,
    UndisclosedError,
)
from .._threads import is_in_virtual_time
from ..abc import Instrument
from ._describe import describe_error, describe_event


@dataclass(frozen=True, slots=True, eq=False)
class BusError:
    """An error that happened on a bus."""

    plugin: str
    """the name of the plugin, subscription or stream; ``templates`` for an error in a template"""
    message: str
    """what happened, in one line"""
    kind: type[Exception]
    """the class of the exception, also where its text is not shown since a required transform raised it;
    :exc:`lanrage_events.EventDropped` for dropped events"""
    error: Exception | None = None
    """the exception, if there was one"""

    def __str__(self) -> str:
        is_of_plugin = self.kind is not TemplateError or self.error is not None
        return f"plugin '{self.plugin}': {self.message}" if is_of_plugin else self.message


class CheckedBus(EventBus):
    """An :class:`EventBus` on which errors fail the test.

    Leaving it raises an :exc:`AssertionError` if a hook or a handler raised or timed out, an event
    was dropped, a plugin failed or implements no hook, or a template has an error, unless the test
    expects it, see :meth:`expecting`. The test already knows what :meth:`publish_and_wait` raises and
    :meth:`publish_many_and_wait` returns, so that is not reported again. The arguments are those of an :class:`EventBus`.
    """

    def _own_instruments(self) -> tuple[Instrument, ...]:
        self._recorder = _ErrorRecorder()
        self._expected: set[BusError] = set()
        return (*super()._own_instruments(), self._recorder)

    @property
    def errors(self) -> tuple[BusError, ...]:
        """The errors so far that were not expected."""
        return tuple(error for error in self._recorder.errors if error not in self._expected)

    @asynccontextmanager
    async def expecting(
        self,
        error: type[Exception] | tuple[type[Exception], ...] = Exception,
        *,
        match: str | None = None,
        plugin: str | None = None,
    ) -> AsyncIterator[list[BusError]]:
        """Expect errors within the block, which are then not reported.

        At the end of the block the pending events are handled; then the list holds the errors that
        match.

        :param error: the class of the exception; :exc:`lanrage_events.EventDropped` for dropped
            events
        :param match: a regular expression to find in the message
        :param plugin: the name of the plugin, subscription or stream
        :raises AssertionError: if there is no such error
        """
        before = len(self._recorder.errors)
        expected: list[BusError] = []
        yield expected
        await self.drain()
        found = self._recorder.errors[before:]
        expected += [one for one in found if _is_like(one, error, match, plugin)]
        self._expected.update(expected)
        if not expected:
            raise AssertionError(_missed(_wanted(error, match, plugin), found))

    async def publish_and_wait(
        self, event: Event, plugins: Literal["all", "durable"] = "all"
    ) -> None:
        """Publish and wait like :class:`EventBus`; what it raises counts as expected."""
        try:
            await super().publish_and_wait(event, plugins)
        except (ExceptionGroup, EventDropped, EventNotTransformed) as error:
            self._expect(error)
            raise

    async def publish_many_and_wait(
        self, events: Iterable[Event], plugins: Literal["all", "durable"] = "all"
    ) -> list[Exception | None]:
        """Publish and wait like :class:`EventBus`; what it returns counts as expected."""
        errors = await super().publish_many_and_wait(events, plugins)
        for error in errors:
            self._expect(error)

        return errors

    def _expect(self, error: Exception | None) -> None:
        raised = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
        known = {id(part) for one in raised if one is not None for part in (one, one.__cause__)}
        found = (e for e in self._recorder.errors if e.error is not None)
        self._expected.update(e for e in found if id(e.error) in known)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        _TEMPLATES_LOGGER.addHandler(self._recorder.templates)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(exc_type, exc_value, traceback)
        finally:
            _TEMPLATES_LOGGER.removeHandler(self._recorder.templates)

        errors = self.errors
        if errors and exc_value is None:
            raise AssertionError(_report(errors, is_virtual=is_in_virtual_time()))

        if errors and isinstance(exc_value, Exception):
            exc_value.add_note(_list("on the bus, meanwhile:", errors))


_TEMPLATES_LOGGER = logging.getLogger("lanrage_events.templates")


class _ErrorRecorder(Instrument):
    """Keeps the errors of a bus, and those in templates, which are only logged."""

    def __init__(self) -> None:
        self.errors: list[BusError] = []
        self.templates = _TemplatesHandler(self.errors)

    def plugin_registered(self, plugin: str, hooks: Sequence[str]) -> None:
        if not hooks:
            message = "implements no hook: is @hookimpl missing?"
            self.errors.append(BusError(plugin, message, PluginError))

    def plugin_failed(self, plugin: str, error: Exception, restart_delay: float | None) -> None:
        what = "failed while it stopped"
        if restart_delay is not None:
            what = f"failed and restarts in {restart_delay:g} seconds"

        self._add(plugin, what, error)

    def hook_failed(self, plugin: str, hook: str, event: Event | None, error: Exception) -> None:
        what = f"hook '{hook}' failed"
        self._add(plugin, what if event is None else f"{what} on {describe_event(event)}", error)

    def event_dropped(self, error: EventDropped) -> None:
        message = f"dropped {describe_event(error.event)}: {error.reason}"
        self.errors.append(BusError(error.plugin, message, EventDropped, error))

    def _add(self, plugin: str, what: str, error: Exception) -> None:
        hidden = error.kind if isinstance(error, UndisclosedError) else None
        text = describe_error(error) if hidden is None else str(error)
        self.errors.append(BusError(plugin, f"{what}: {text}", hidden or type(error), error))


class _TemplatesHandler(logging.Handler):
    """Keeps the logged errors in templates."""

    def __init__(self, errors: list[BusError]) -> None:
        super().__init__(logging.WARNING)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        self._errors.append(BusError("templates", record.getMessage(), TemplateError))


def _is_like(
    found: BusError,
    error: type[Exception] | tuple[type[Exception], ...],
    match: str | None,
    plugin: str | None,
) -> bool:
    return (
        issubclass(found.kind, error)
        and (match is None or re.search(match, found.message) is not None)
        and plugin in (None, found.plugin)
    )


def _wanted(
    error: type[Exception] | tuple[type[Exception], ...], match: str | None, plugin: str | None
) -> str:
    kinds = error if isinstance(error, tuple) else (error,)
    text = " or ".join(kind.__name__ for kind in kinds)
    if match is not None:
        text += f" matching {match!r}"

    return text if plugin is None else f"{text} of plugin '{plugin}'"


def _missed(wanted: str, found: Sequence[BusError]) -> str:
    if not found:
        return f"expected {wanted}, but nothing went wrong"

    return _list(f"expected {wanted}, but this went wrong:", found)


# What a thread, a process or the network takes no time for in virtual time.
_OF_TIME = (HookTimeout, PluginStartError, TimeoutError)


def _report(errors: Sequence[BusError], *, is_virtual: bool) -> str:
    kind = errors[0].kind.__name__
    remedy = f"If the test is about this, write 'async with bus.expecting({kind}):' around it."
    if is_virtual and any(issubclass(error.kind, _OF_TIME) for error in errors):
        remedy += (
            "\nThe test runs in virtual time, which waits for no thread, process or network: if the "
            "plugin needs one, let the test take the fixture 'real_time'."
        )

    return f"{_list('something went wrong on the bus:', errors)}\n{remedy}"


SHOWN_MAX = 20


def _list(title: str, errors: Sequence[BusError]) -> str:
    lines = [f"  {error}" for error in errors[:SHOWN_MAX]]
    if len(errors) > SHOWN_MAX:
        lines.append(f"  … and {len(errors) - SHOWN_MAX} more")

    return "\n".join([title, *lines])
