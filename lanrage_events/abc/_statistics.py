"""The statistics of a bus and its plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ._options import WhenFull

PluginState = Literal["starting", "running", "down", "stopped"]
"""what a plugin does; ``down``: it failed and waits for its restart, or was cancelled and still runs"""


@dataclass(frozen=True, slots=True)
class PluginStatistics:
    """What happened to the events of one plugin, subscription or stream since it was registered."""

    state: PluginState
    size: int
    """events that its mailbox holds"""
    when_full: WhenFull
    pending: int
    """events that wait in its mailbox"""
    handled: int
    failed: int
    """events on which a hook raised or ran too long"""
    dropped: int
    """events that left its mailbox unhandled"""
    exceeded: int
    """events that entered beyond the size because a hook published them"""
    restarts: int
    hook_seconds: float = 0.0
    """total time that its hooks took for handled and failed events, waiting included"""
    loop_blocks: int = 0
    """how often a hook held the event loop for longer than the bus's ``blocked_after``"""
    loop_blocked_seconds: float = 0.0
    """total time for which hooks held the event loop for longer than that"""
    abandoned_threads: int = 0
    """calls of threaded hooks that timed out or were cancelled while their thread went on"""
    last_failure: str = ""
    """why its lifespan failed last, without secrets; empty if it never did"""
    ended_late: bool = False
    """whether its lifespan did not end within the ``drain_timeout`` of a bus that closed"""


@dataclass(frozen=True, slots=True)
class TransformStatistics:
    """What one transform did with events; those that it passed on are not counted."""

    dropped: int = 0
    """events that it dropped"""
    failed: int = 0
    """events that passed without it because it failed"""
    rejected: int = 0
    """events that were not published because it is required, and failed or did not run"""


@dataclass(frozen=True, slots=True)
class BusStatistics:
    """The statistics of a bus and its plugins."""

    waiting: int
    """publishers that wait for room"""
    plugins: Mapping[str, PluginStatistics]
    """by name, including subscriptions and streams"""
    seconds_since_input: Mapping[str, float] = field(default_factory=dict)
    """by source, how long ago it last took something in, see :meth:`Bus.record_input`; a source that
    has taken in nothing yet is missing, and all are while the bus does not run"""
    transforms: Mapping[str, TransformStatistics] = field(default_factory=dict)
    """by the name of the plugin or of the rule, once there is something to count"""
