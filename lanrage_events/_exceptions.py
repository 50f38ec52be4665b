"""The exceptions of lanrage_events.

* LanrageEventsError
  * EventError
    * EventDecodeError
      * UnknownEventType
    * EventTypeConflict
    * EventDropped
    * EventNotTransformed
  * PluginError
    * PluginNotFound
    * PluginLoadError
    * PluginHookError
    * PluginStartError
      * PluginReplaceError
    * HookTimeout
  * ConfigError
  * TemplateError
  * OutboxError
    * OutboxFull
    * OutboxInUse
    * OutboxUnreadable
  * StateInUse

Misuse by the programmer is a RuntimeError, TypeError or ValueError outside of this tree. A full
mailbox is :class:`anyio.WouldBlock` and a closed bus :class:`anyio.ClosedResourceError`, as
everywhere in AnyIO.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._hints import did_you_mean
from ._redaction import UNREADABLE, error_text, mask_webhook_urls
from ._reports import ConfigProblem

if TYPE_CHECKING:
    from pathlib import Path

    from ._events import Event


class LanrageEventsError(Exception):
    """Base class of the errors that lanrage_events defines; their texts show no webhook URL."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(mask_webhook_urls(a) if isinstance(a, str) else a for a in args))


class EventError(LanrageEventsError):
    """Base class of errors about events and event types."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One problem with one field of an event or of a configuration."""

    field: str
    """path to the field, such as ``players.0``; empty for the whole"""
    message: str
    """what was expected"""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class EventDecodeError(EventError):
    """Raised when data is not a valid event."""

    def __init__(self, event_type: str | None, problems: Sequence[FieldProblem]) -> None:
        self.event_type = event_type
        self.problems: tuple[FieldProblem, ...] = tuple(problems)
        text = "; ".join(str(problem) for problem in self.problems)
        super().__init__(f"{event_type}: {text}" if event_type else text)


class UnknownEventType(EventDecodeError):
    """Raised when the ``type`` of an event is not registered."""

    def __init__(self, event_type: str, known: Iterable[str]) -> None:
        self.known: tuple[str, ...] = tuple(known)
        hint = did_you_mean(event_type, self.known) or f", known types are {', '.join(self.known)}"
        super().__init__(None, [FieldProblem("type", f"unknown event type {event_type!r}{hint}")])
        self.event_type = event_type


class EventTypeConflict(EventError):
    """Raised when two event classes, or an event class and another hook, have the same name."""


class EventDropped(EventError):
    """Raised when an event that a publisher waits for is dropped."""

    def __init__(self, event: Event, plugin: str, reason: str) -> None:
        self.event = event
        self.plugin = plugin
        self.reason = reason
        super().__init__(f"{event.type} {event.id} was dropped by plugin '{plugin}': {reason}")


class EventNotTransformed(EventError):
    """Raised when an event is not published because a required transform failed or does not run.

    Neither its text nor its ``__cause__`` shows what the transform raised, which may contain a value that
    it protects: only of which class that was, and where it was raised. The text has no id of the event,
    in which its sender may have put a name.
    """

    def __init__(self, event: Event, transform: str, reason: str, *, failed: bool = True) -> None:
        self.event = event
        self.transform = transform
        """the name of the plugin, or of the rule"""
        self.reason = reason
        self.failed = failed
        """whether it raised on this event; otherwise its plugin has not started, and the event can be
        published later"""
        super().__init__(f"{event.type} was not published: {reason}")


class UndisclosedError(Exception):
    """Raised in place of another error: it says of which class that is, and where it was raised."""

    kind: type[Exception] | None = None
    """the class of the other error"""


class RuleError(EventError):
    """Raised by a rule that fails on an event; its text shows no value of the event."""


class PluginError(LanrageEventsError):
    """Base class of errors about one plugin."""

    def __init__(self, plugin: str, message: str) -> None:
        self.plugin = plugin
        self.reason = message
        super().__init__("\n".join(f"plugin '{plugin}': {line}" for line in message.split("\n")))


class PluginNotFound(PluginError):
    """Raised when no installed distribution and no file provides the plugin."""


class PluginLoadError(PluginError):
    """Raised when a plugin cannot be imported or created."""


class PluginHookError(PluginError):
    """Raised when a plugin implements a hook that does not exist or in a way that is not allowed."""


class PluginStartError(PluginError):
    """Raised when a plugin cannot start: its lifespan fails, or an earlier one of its name still runs."""


class PluginReplaceError(PluginStartError):
    """Raised when a plugin is not replaced; the old one continues, or is started again."""

    def __init__(
        self, plugin: str, message: str, old_error: PluginStartError | None = None
    ) -> None:
        self.old_error = old_error
        """why the old plugin does not run now, and is started again later; None: it runs"""
        super().__init__(plugin, message)


class HookTimeout(PluginError):
    """Raised when a hook ran longer than its timeout."""


class ConfigError(LanrageEventsError):
    """Raised when a configuration is invalid; it lists all problems."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems: tuple[str, ...] = tuple(mask_webhook_urls(problem) for problem in problems)
        super().__init__("\n".join(self.problems))


class TemplateError(LanrageEventsError):
    """Raised when a template cannot be read or rendered."""

    def __init__(
        self,
        file: str,
        message: str,
        *,
        leaf: str | None = None,
        line: int | None = None,
        column: int | None = None,
        is_warning: bool = False,
    ) -> None:
        self.file = file
        self.leaf = leaf
        self.line = line
        self.column = column
        self.is_warning = is_warning
        """whether the leaf was left out, or is unusual, although the template is valid"""
        self._place = ":".join(str(part) for part in (file, line, column) if part is not None)
        self._reason = f"{leaf}: {message}" if leaf else message
        super().__init__(f"{self._place}: {self._reason}")

    def as_problem(self) -> ConfigProblem:
        """Return this error as what the hook ``validate`` returns."""
        return ConfigProblem(
            mask_webhook_urls(self._reason), place=self._place, warning=self.is_warning
        )


class OutboxError(LanrageEventsError):
    """Raised when an outbox cannot read or write its file, such as on a full disk."""


class OutboxFull(OutboxError):
    """Raised when an outbox has reached its limit of entries or bytes; nothing was added."""

    def __init__(self, reason: str, rejected: int) -> None:
        self.rejected = rejected
        """how many entries were not put"""
        super().__init__(f"the outbox is full: {reason}")


class OutboxInUse(OutboxError):
    """Raised when another process has the outbox open."""

    def __init__(self, path: Path, pid: int | None, host: str, since: str) -> None:
        self.path = path
        self.pid = pid
        self.host = host
        self.since = since
        """when that process opened it, ISO 8601"""
        if pid is None:
            owner = "another process"
        else:
            owner = f"process {pid} on {host} since {since}"

        super().__init__(f"outbox {path} is in use by {owner}: stop it, or give another path")


class OutboxUnreadable(OutboxError):
    """Raised when a file is not an outbox that this version can read."""


class StateInUse(LanrageEventsError):
    """Raised when another process uses a state folder whose files would be changed."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.folder = folder
        self.pid = pid
        """None if it is not known"""
        owner = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{owner} uses the state folder {folder}")


def format_error(error: BaseException) -> str:
    """Describe an exception in one line; a group of one exception is described as that one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]

    kind, text = type(error).__name__, error_text(error)
    if isinstance(error, ConfigError):
        text = "; ".join(error.problems)

    separator = " " if text == UNREADABLE else ": "
    return f"{kind}{separator}{text}" if text else kind
