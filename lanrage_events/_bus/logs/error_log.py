"""The log of errors in plugins, which groups events that fail alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..._events import Event
from ..._exceptions import ConfigError, OutboxError, RuleError, UndisclosedError, format_error
from ...abc import Instrument
from ..hooks import WrongAnswer

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_ALIKE = 1.0
SECONDS_UNTIL_FORGOTTEN = 60.0
"""after this time without a failure, the next one is logged with its traceback again"""
MOST_KINDS = 100
"""of failures of one plugin that are known; the least recent one is forgotten"""


@dataclass(slots=True)
class _Seen:
    logged_at: float
    unlogged: int = 0
    """failures since then"""


class ErrorLog(Instrument):
    """Logs the first failure with its traceback, and counts those that are alike.

    An error of an outbox, of a setting or of a rule explains itself, so it has no traceback; one that is
    not disclosed must have none.
    Failures on events are alike if the same hook of a plugin raises the same type of exception.
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[tuple[str, str], _Seen]] = {}
        """by plugin, and by hook and type of exception; the least recent first"""

    def plugin_registered(self, plugin: str, hooks: Sequence[str]) -> None:
        if not hooks:
            logger.warning("plugin '%s' implements no hook: mark them with @hookimpl", plugin)

    def plugin_failed(self, plugin: str, error: Exception, restart_delay: float | None) -> None:
        what = "failed while it stopped"
        if restart_delay is not None:
            what = f"failed and restarts in {restart_delay:g} seconds"

        _log(plugin, what, error)

    def hook_failed(self, plugin: str, hook: str, event: Event | None, error: Exception) -> None:
        if event is None:
            if isinstance(error, WrongAnswer):  # whose text names the hook
                logger.error("plugin '%s': %s", plugin, error)
            else:
                _log(plugin, f"hook '{hook}' failed", error)

            return

        now = time.monotonic()
        of_plugin = self._seen.setdefault(plugin, {})
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        seen = of_plugin.get((hook, kind))
        is_new = seen is None or now - seen.logged_at > SECONDS_UNTIL_FORGOTTEN
        if seen is not None and now - seen.logged_at < SECONDS_BETWEEN_ALIKE:
            seen.unlogged += 1
            return

        has_traceback = is_new and not _is_explained(error)
        text = "" if has_traceback else f": {format_error(error)}"
        if not is_new and seen is not None and seen.unlogged:
            text = f", after {seen.unlogged} more like it{text}"

        logger.error(
            "%s failed on %s %s%s",
            _owner(plugin, hook),
            event.type,
            event.id,
            text,
            exc_info=error if has_traceback else None,
        )
        of_plugin.pop((hook, kind), None)
        of_plugin[hook, kind] = _Seen(now)
        if len(of_plugin) > MOST_KINDS:
            forgotten = next(iter(of_plugin))
            _log_unlogged(plugin, *forgotten, of_plugin.pop(forgotten))

    def plugin_ended(self, plugin: str) -> None:
        for (hook, kind), seen in self._seen.pop(plugin, {}).items():
            _log_unlogged(plugin, hook, kind, seen)


def _owner(plugin: str, hook: str) -> str:
    # Rules are no plugin, and no hook has a space.
    return hook if " " in hook else f"plugin '{plugin}': hook '{hook}'"


def _log_unlogged(plugin: str, hook: str, kind: str, seen: _Seen) -> None:
    if seen.unlogged:
        logger.error(
            "%s failed on %d more event%s with %s",
            _owner(plugin, hook),
            seen.unlogged,
            "" if seen.unlogged == 1 else "s",
            kind.rpartition(".")[2],
        )


def _log(plugin: str, what: str, error: Exception) -> None:
    exc_info = None if _is_explained(error) else error
    logger.error("plugin '%s' %s: %s", plugin, what, format_error(error), exc_info=exc_info)


def _is_explained(error: BaseException) -> bool:
    """Return whether the text of an error says everything, so that a traceback would say no more."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_explained(one) for one in error.exceptions) and len(error.exceptions) == 1

    return isinstance(error, (ConfigError, OutboxError, RuleError, UndisclosedError))
