"""A bus that knows everything that went wrong on it."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack

from anyio.lowlevel import current_token

from .._bus import (
    Acknowledgement,
    BatchConsumer,
    BatchHook,
    Consumer,
    EventBus,
    FailureLog,
    FanOut,
    Hook,
    Mailbox,
    Registry,
    Supervisor,
)
from .._bus.subscription import MailboxStream
from .._events import Event
from .._exceptions import EventDropped, PluginError, TemplateError
from .._redaction import Redactor
from ..abc import PluginOptions
from ._describe import describe_error, describe_event


@dataclass(frozen=True, slots=True, eq=False)
class Trouble:
    """One thing that went wrong on a bus."""

    plugin: str
    """the name of the plugin, subscription or stream; ``templates`` for a fault in a template"""
    message: str
    """what happened, in one line"""
    kind: type[Exception]
    """the class of what was raised, :exc:`lanrage_events.EventDropped` for dropped events"""
    error: Exception | None = None
    """what was raised, if anything was"""

    def __str__(self) -> str:
        is_of_plugin = self.kind is not TemplateError or self.error is not None
        return f"plugin '{self.plugin}': {self.message}" if is_of_plugin else self.message


Report = Callable[[Trouble], None]

_TEMPLATES_LOGGER = logging.getLogger("lanrage_events.templates")


class BusOptions(TypedDict, total=False):
    """The arguments of an :class:`EventBus`."""

    drain_timeout: float
    hook_timeout: float
    templates: Sequence[Path]
    state_folder: Path | None
    redactor: Redactor | None
    trace: bool | None


class CheckedBus(EventBus):
    """An :class:`EventBus` that must not meet with trouble.

    Leaving it raises an :exc:`AssertionError` if a hook or a handler raised or ran too long, an
    event was dropped, a plugin died or implements no hook, or a template is faulty; unless the test
    expects it, see :meth:`expecting`. What :meth:`publish_and_wait` raises is known to the test, so that it is not
    reported again. The arguments are those of an :class:`EventBus`.
    """

    def __init__(self, **options: Unpack[BusOptions]) -> None:
        super().__init__(**options)
        self._troubles: list[Trouble] = []
        self._excused: set[Trouble] = set()
        self._told_drops: Counter[str] = Counter()
        """events of which the test was told that they were dropped, before it was noted here"""
        self._dropped: dict[Mailbox, int] = {}
        """how many drops of each mailbox are accounted for"""
        self._templates_handler = _TemplatesHandler(self._troubles.append)
        self._registry = _WatchedRegistry(
            self, self._fanout, self._registry, self._troubles.append, self._dropped
        )

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What went wrong until now and was not expected."""
        self._note_drops()
        return tuple(trouble for trouble in self._troubles if trouble not in self._excused)

    @asynccontextmanager
    async def expecting(
        self,
        error: type[Exception] | tuple[type[Exception], ...] = Exception,
        *,
        match: str | None = None,
        plugin: str | None = None,
    ) -> AsyncIterator[list[Trouble]]:
        """Expect that something goes wrong within the block, and wait for it at its end.

        At the end of the block the events that were published are handled, then the list has what
        went wrong. What differs from this is not expected.

        :param error: the class of what is raised; :exc:`lanrage_events.EventDropped` for events
            that are dropped
        :param match: a regular expression that is found in the message
        :param plugin: the name of the plugin, subscription or stream
        :raises AssertionError: if it does not go wrong
        """
        self._note_drops()
        before = len(self._troubles)
        expected: list[Trouble] = []
        yield expected
        await self.drain()
        self._note_drops()
        found = self._troubles[before:]
        expected += [trouble for trouble in found if _is_like(trouble, error, match, plugin)]
        self._excused.update(expected)
        if not expected:
            raise AssertionError(_missed(_wanted(error, match, plugin), found))

    async def publish_and_wait(
        self, event: Event, plugins: Literal["all", "durable"] = "all"
    ) -> None:
        """As that of :class:`EventBus`; what it raises counts as expected."""
        try:
            await super().publish_and_wait(event, plugins)
        except (ExceptionGroup, EventDropped) as error:
            self._excuse(error.exceptions if isinstance(error, ExceptionGroup) else [error])
            raise

    def _excuse(self, errors: Sequence[Exception]) -> None:
        told = {id(error) for error in errors}
        known = [trouble for trouble in self._troubles if id(trouble.error) in told]
        self._excused.update(known)
        told -= {id(trouble.error) for trouble in known}
        self._told_drops.update(
            error.plugin
            for error in errors
            if id(error) in told and isinstance(error, EventDropped)
        )

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        _TEMPLATES_LOGGER.addHandler(self._templates_handler)
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
            _TEMPLATES_LOGGER.removeHandler(self._templates_handler)

        troubles = self.troubles
        if troubles and exc_value is None:
            raise AssertionError(_report(troubles))

        if troubles and isinstance(exc_value, Exception):
            exc_value.add_note(_list("on the bus, meanwhile:", troubles))

    def _open_stream(self, stream: MailboxStream[Any]) -> None:
        super()._open_stream(stream)
        self._dropped.setdefault(stream.mailbox, 0)

    def _note_drops(self) -> None:
        """Turn the drops since the last look into trouble."""
        for mailbox, noted in self._dropped.items():
            new = mailbox.dropped - noted
            self._dropped[mailbox] = mailbox.dropped
            told = min(new, self._told_drops[mailbox.owner])
            self._told_drops[mailbox.owner] -= told
            for count, excused in ((told, True), (new - told, False)):
                if count:
                    plural = "" if count == 1 else "s"
                    policy = "drop_oldest" if mailbox.when_full == "block" else mailbox.when_full
                    reason = f"its mailbox of {mailbox.size} was full ({policy})"
                    message = f"dropped {count} event{plural}: {reason}"
                    trouble = Trouble(mailbox.owner, message, EventDropped)
                    self._troubles.append(trouble)
                    if excused:
                        self._excused.add(trouble)


class _WatchedRegistry(Registry):
    """The plugins of a checked bus.

    :param plugins: the ones in whose place it comes, still empty
    :param report: is told of each trouble
    :param dropped: gets the mailboxes, with the drops that were reported
    """

    def __init__(
        self,
        bus: EventBus,
        fanout: FanOut,
        plugins: Registry,
        report: Report,
        dropped: dict[Mailbox, int],
    ) -> None:
        super().__init__(bus, fanout, plugins.hooks, plugins._hook_timeout, plugins.drain_timeout)
        self._report = report
        self._dropped = dropped

    def start(
        self,
        supervisor: Supervisor,
        *,
        first_start_must_succeed: bool,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        if self._task_group is not None:
            try:
                current_token()
            except RuntimeError:
                # Such as in a fixture that is a plain "def".
                self._fanout.remove(supervisor.mailbox)
                del self.supervisors[supervisor.name]
                self.hooks.unregister(supervisor.name)
                raise RuntimeError(
                    f"'{supervisor.name}' was added to a running bus from outside of its event "
                    "loop: do it in an 'async def', of a fixture too"
                ) from None

        super().start(supervisor, first_start_must_succeed=first_start_must_succeed, ended=ended)

    def _add(self, plugin: object, name: str | None, options: PluginOptions) -> Supervisor:
        supervisor = super()._add(plugin, name, options)
        if not self.hooks.names(supervisor.name):
            message = "implements no hook: is @hookimpl missing?"
            self._report(Trouble(supervisor.name, message, PluginError))

        return supervisor

    def _supervise(
        self,
        plugin: object,
        name: str,
        options: PluginOptions,
        mailbox: Mailbox | None = None,
    ) -> Supervisor:
        supervisor = super()._supervise(plugin, name, options, mailbox)
        log = supervisor.log

        def log_and_report(what: str, error: Exception) -> None:
            log(what, error)
            message = f"{what}: {describe_error(error)}"
            self._report(Trouble(supervisor.name, message, type(error), error))

        supervisor.log = log_and_report  # type: ignore[method-assign]  # of this one only
        return supervisor

    def _consumer(
        self,
        mailbox: Mailbox,
        find_hooks: Callable[[type[Event]], tuple[Hook, ...]],
        hook_timeout: float | None,
    ) -> Consumer:
        consumer = super()._consumer(mailbox, find_hooks, hook_timeout)
        self._watch(consumer, mailbox)
        return consumer

    def _batch_consumer(
        self, mailbox: Mailbox, handle: BatchHook, hook_timeout: float | None
    ) -> BatchConsumer:
        consumer = super()._batch_consumer(mailbox, handle, hook_timeout)
        self._watch(consumer, mailbox)
        return consumer

    def _watch(self, consumer: Consumer, mailbox: Mailbox) -> None:
        self._dropped.setdefault(mailbox, 0)
        consumer._failures = _Failures(mailbox.owner, self._report)
        consumer._finish = partial(  # type: ignore[method-assign]  # of this one only
            _finish, consumer._finish, mailbox.owner, self._report
        )

    async def _end(  # type: ignore[override]  # static there, and called like this
        self, supervisor: Supervisor, timeout: float
    ) -> tuple[Event, ...]:
        mailbox = supervisor.mailbox
        dropped = await super()._end(supervisor, timeout)
        self._dropped[mailbox] = self._dropped.get(mailbox, 0) + len(dropped)
        for event in dropped:
            reason = f"not handled within {timeout:g} seconds"
            error = EventDropped(event, mailbox.owner, reason)
            message = f"dropped {describe_event(event)}: {reason}"
            self._report(Trouble(mailbox.owner, message, EventDropped, error))

        return dropped


class _TemplatesHandler(logging.Handler):
    """Reports the faults of templates, which are only logged: no event is lost by them."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Report one."""
        self._report(Trouble("templates", record.getMessage(), TemplateError))


class _Failures(FailureLog):
    """Reports each failure of a hook, those that are alike, too."""

    def __init__(self, plugin: str, report: Report) -> None:
        super().__init__(plugin)
        self._report = report

    def add(self, hook: str, event: Event, error: Exception) -> None:
        super().add(hook, event, error)
        message = f"hook '{hook}' failed on {describe_event(event)}: {describe_error(error)}"
        self._report(Trouble(self._plugin, message, type(error), error))


def _finish(
    finish: Callable[[Acknowledgement | None, list[Exception] | None], None],
    plugin: str,
    report: Report,
    receipt: Acknowledgement | None,
    errors: list[Exception] | None,
) -> None:
    finish(receipt, errors)
    for error in errors or ():
        if isinstance(error, EventDropped):
            message = f"dropped {describe_event(error.event)}: {error.reason}"
            report(Trouble(plugin, message, EventDropped, error))


def _is_like(
    trouble: Trouble,
    error: type[Exception] | tuple[type[Exception], ...],
    match: str | None,
    plugin: str | None,
) -> bool:
    return (
        issubclass(trouble.kind, error)
        and (match is None or re.search(match, trouble.message) is not None)
        and plugin in (None, trouble.plugin)
    )


def _wanted(
    error: type[Exception] | tuple[type[Exception], ...], match: str | None, plugin: str | None
) -> str:
    kinds = error if isinstance(error, tuple) else (error,)
    text = " or ".join(kind.__name__ for kind in kinds)
    if match is not None:
        text += f" matching {match!r}"

    return text if plugin is None else f"{text} of plugin '{plugin}'"


def _missed(wanted: str, found: Sequence[Trouble]) -> str:
    if not found:
        return f"expected {wanted}, but nothing went wrong"

    return _list(f"expected {wanted}, but this went wrong:", found)


def _report(troubles: Sequence[Trouble]) -> str:
    kind = troubles[0].kind.__name__
    remedy = f"If the test is about this, write 'async with bus.expecting({kind}):' around it."
    return f"{_list('something went wrong on the bus:', troubles)}\n{remedy}"


SHOWN_MAX = 20


def _list(title: str, troubles: Sequence[Trouble]) -> str:
    lines = [f"  {trouble}" for trouble in troubles[:SHOWN_MAX]]
    if len(troubles) > SHOWN_MAX:
        lines.append(f"  … and {len(troubles) - SHOWN_MAX} more")

    return "\n".join([title, *lines])
