"""The log and the figures of hooks that held the event loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

from ...abc import PluginStatistics

logger = logging.getLogger(__name__)

TRANSFORM = "transform"
"""the hook that is called while an event is published"""

SECONDS_BETWEEN_ALIKE = 60.0
"""between two log lines about one hook, and as long as its plugin's health reports it"""
MOST_PLUGINS = 1_000
"""of which figures are kept, since subscriptions may come and go under new names"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the code of a plugin is."""

    plugin: str
    hook: str
    line: str
    """as ``file:line``"""
    is_threadable: bool
    """whether the hook could run in a thread"""

    def __str__(self) -> str:
        return f"plugin '{self.plugin}': hook '{self.hook}'"

    def is_same_hook(self, other: Place) -> bool:
        """Return whether both are in the same hook of the same plugin."""
        return (self.plugin, self.hook) == (other.plugin, other.hook)

    @property
    def remedy(self) -> str:
        """What its author can do."""
        if self.is_threadable:
            return "let it await what takes long, or run it in a thread with threaded=True"

        if self.hook == TRANSFORM:
            return "a transform is called while an event is published, so it has to return quickly"

        return "such a hook has to return quickly, or to await what takes long"


@dataclass(slots=True)
class _OfHook:
    """What is known about one hook."""

    logged_at: float
    unlogged: int = 0


@dataclass(slots=True)
class _OfPlugin:
    """What is known about one plugin."""

    count: int = 0
    seconds: float = 0.0
    ended_at: float = 0.0
    """when the last one was over"""
    text: str = ""
    """what its health says"""


class LoopBlocks:
    """Logs each hook that holds the event loop, at most once a minute, and counts.

    Any thread may call it; one thread adds.

    :param clock: returns seconds
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._hooks: dict[tuple[str, str], _OfHook] = {}
        self._plugins: dict[str, _OfPlugin] = {}

    def go_on(self, place: Place, seconds: float) -> None:
        """Report that a hook holds the loop, and has done so for some time."""
        what = f"holds the event loop, for {seconds:.1f} s so far, at {place.line}"
        self._log(place, f"{what}: nothing else runs meanwhile; {place.remedy}")

    def add(self, place: Place, seconds: float, *, note: str = "", is_logged: bool = False) -> None:
        """Count that a hook held the loop.

        :param note: what else may have taken long
        :param is_logged: whether :meth:`go_on` has reported it
        """
        what = f"held the event loop for {seconds:.2f} s at {place.line}"
        if not is_logged:
            self._log(place, f"{what}{note}: {place.remedy}")

        of_plugin = self._plugins.pop(place.plugin, None) or _OfPlugin()
        of_plugin.count += 1
        of_plugin.seconds += seconds
        of_plugin.ended_at = self._clock()
        of_plugin.text = f"hook '{place.hook}' {what}{note}"
        self._plugins[place.plugin] = of_plugin
        if len(self._plugins) > MOST_PLUGINS:
            del self._plugins[next(iter(self._plugins))]

    def _log(self, place: Place, what: str) -> None:
        now = self._clock()
        key = place.plugin, place.hook
        of_hook = self._hooks.get(key)
        if of_hook is not None and now - of_hook.logged_at < SECONDS_BETWEEN_ALIKE:
            of_hook.unlogged += 1
            return

        more = (
            ""
            if of_hook is None or not of_hook.unlogged
            else f" ({of_hook.unlogged} times more before)"
        )
        self._hooks = {
            k: h for k, h in self._hooks.items() if now - h.logged_at < SECONDS_BETWEEN_ALIKE
        }
        self._hooks[key] = _OfHook(now)
        logger.warning("%s %s%s", place, what, more)

    def health(self, plugin: str) -> str | None:
        """Return what the health of a plugin says, None if nothing happened lately."""
        of_plugin = self._plugins.get(plugin)
        if of_plugin is None or self._clock() - of_plugin.ended_at > SECONDS_BETWEEN_ALIKE:
            return None

        return of_plugin.text

    def added_to(self, plugin: str, statistics: PluginStatistics) -> PluginStatistics:
        """Return the statistics of a plugin with how often and how long it held the loop."""
        of_plugin = self._plugins.get(plugin)
        if of_plugin is None:
            return statistics

        return replace(
            statistics, loop_blocks=of_plugin.count, loop_blocked_seconds=of_plugin.seconds
        )
