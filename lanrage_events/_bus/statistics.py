from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from .mailbox import Mailbox, WhenFull

State = Literal["starting", "running", "down", "stopped"]


@dataclass(frozen=True, slots=True)
class PluginStatistics:
    """What one plugin, subscription or stream has done with its events since it was registered."""

    state: State
    """``starting``, ``running``, ``down`` (it died and waits for its restart) or ``stopped``"""
    size: int
    """events that its mailbox holds"""
    when_full: WhenFull
    pending: int
    """events that wait in its mailbox"""
    handled: int
    failed: int
    """events on which a hook raised or ran too long"""
    dropped: int
    """events that left its mailbox without being handled"""
    exceeded: int
    """events that entered beyond the size because a hook published them"""
    restarts: int
    hook_seconds: float = 0.0
    """how long its hooks took for the events that it handled and those that failed, all together,
    waiting included"""

    @classmethod
    def of(cls, mailbox: Mailbox, state: State, restarts: int = 0) -> Self:
        """Read a mailbox."""
        return cls(
            state=state,
            size=mailbox.size,
            when_full=mailbox.when_full,
            pending=len(mailbox.items),
            handled=mailbox.handled,
            failed=mailbox.failed,
            dropped=mailbox.dropped,
            exceeded=mailbox.exceeded,
            restarts=restarts,
            hook_seconds=mailbox.hook_seconds,
        )


@dataclass(frozen=True, slots=True)
class BusStatistics:
    """What a bus and its plugins have done."""

    waiting: int
    """publishers that wait for room"""
    plugins: Mapping[str, PluginStatistics]
    """by name; subscriptions and streams stand among them"""
