"""Instruments, which watch a bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._events import Event

if TYPE_CHECKING:
    from .._exceptions import EventDropped


@dataclass(slots=True, eq=False)
class HookCall:
    """One call of a plugin's hook."""

    plugin: str
    """the plugin's name"""
    hook: str
    """the hook's name; ``lifespan start`` and ``lifespan end`` are the parts of a lifespan before and
    after the plugin runs"""
    events: Sequence[Event] = ()
    """the event or the batch of events that it is called with; empty for other hooks"""


class Instrument:
    """Watches a bus: each method is called when something happens, and does nothing by default.

    Pass instances to :class:`lanrage_events.EventBus`. Methods that a class does not override cost
    nothing. They run in the thread of the bus, so they must be quick and must not wait. What they
    raise is only logged. ``plugin`` is the name of a
    plugin, of a subscription or of a stream.
    """

    def plugin_registered(self, plugin: str, hooks: Sequence[str]) -> None:
        """Called when a plugin was registered or has replaced another one.

        :param hooks: the hooks that it implements; an empty sequence is most likely a mistake
        """

    def plugin_failed(self, plugin: str, error: Exception, restart_delay: float | None) -> None:
        """Called when the lifespan of a plugin failed.

        :param restart_delay: seconds until it is restarted, None if it was being stopped
        """

    def plugin_restarted(self, plugin: str) -> None:
        """Called when a plugin that failed is about to restart."""

    def plugin_ended(self, plugin: str) -> None:
        """Called when a plugin or a subscription stopped handling events: it failed or was removed."""

    def hook_began(self, call: HookCall) -> None:
        """Called before each call of a plugin's hook."""

    def hook_ended(self, call: HookCall, seconds: float, error: BaseException | None) -> None:
        """Called after each call of a plugin's hook.

        :param call: the object that :meth:`hook_began` received
        :param seconds: how long the call took, waiting included
        :param error: what it raised, including cancellation
        """

    def hook_failed(self, plugin: str, hook: str, event: Event | None, error: Exception) -> None:
        """Called when a hook, or the handler of a subscription, raised or ran too long.

        :param hook: the name of the hook or of the handler
        :param event: its event, one call for each failed event of a batch; None for hooks that are not
            about events
        """

    def event_dropped(self, error: EventDropped) -> None:
        """Called when an event is dropped."""

    def event_filtered(self, transform: str, event: Event) -> None:
        """Called when a transform drops an event, before it is published.

        :param transform: the name of the plugin, or of the rule
        """
