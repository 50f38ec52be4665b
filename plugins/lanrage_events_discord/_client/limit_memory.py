"""What the next process must know of the limits: what Discord asked to wait, and what was learnt."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio

from lanrage_events.backoff import MAX_RETRY_AFTER

from .._memory import Memory, number
from .channel_limit import MESSAGES_PER_WINDOW, WINDOW_SECONDS
from .old_edits import SLOW_SECONDS
from .rate_limits import LONG_WAIT_SECONDS, Action, Channel, RateLimits, Turn, ignore_wait

WRITE_INTERVAL_SECONDS = 1.0
MAX_REMEMBERED = 1000
"""webhooks and channels in the file, those that have to wait the longest"""
REASON_MAX_CHARACTERS = 200

_T = TypeVar("_T")


class LimitMemory:
    """Remembers limits over restarts, in a file that names webhooks and channels by their ids.

    A long wait is written when it begins, so that it outlasts a process that is killed. What else
    changes is written with it, or at the end. The times in the file are seconds from when it was
    written, so that a clock that was set meanwhile lengthens no wait.

    :param limits: gets what is known already, and reports what has to be waited for
    """

    def __init__(self, memory: Memory, limits: RateLimits) -> None:
        self._memory = memory
        self._limits = limits
        self._is_changed = False
        self._written_at = -math.inf
        known = memory.read(self._parse, None)
        if known is not None:
            known.apply(limits)

        limits.on_wait = self._waits

    def close(self) -> None:
        """Write what the next process must know; from now on, that one owns the file."""
        self._limits.on_wait = ignore_wait
        self._save()

    def _save(self) -> None:
        if not self._memory.is_kept:
            return

        data = self._collect()
        # What a channel had in the last minute changes with each message.
        if self._is_changed or data["waits"] or data["channels"]:
            self._is_changed = False
            self._written_at = anyio.current_time()
            self._memory.write(data)

    def _waits(self, seconds: float) -> None:
        self._is_changed = True
        is_due = anyio.current_time() - self._written_at >= WRITE_INTERVAL_SECONDS
        if seconds >= LONG_WAIT_SECONDS or is_due:
            self._save()

    def _collect(self) -> dict[str, Any]:
        now = anyio.current_time()
        limits = self._limits
        waits = {
            f"{webhook_id}/{action}": wait
            for (webhook_id, action), one in limits.limits.items()
            if (wait := _wait(one.blocked, now))
        }
        channels = {
            key: known
            for key, channel in limits.channels.items()
            if (known := _collect_channel(channel, now))
        }
        waits = _longest(waits, lambda wait: wait["seconds"])
        channels = _longest(channels, _seconds_of_channel)
        return {
            "written": self._memory.wall_time(),
            "address": _wait(limits.address.blocked, now),
            "waits": waits,
            "channels": channels,
            "channel_ids": dict(
                sorted(limits.channel_ids.items(), key=lambda item: item[1] not in channels)[
                    :MAX_REMEMBERED
                ]
            ),
        }

    def _parse(self, data: Any) -> _Known | None:
        # If the clock was set back, a wait is as long as it was when it was written.
        elapsed = max(0.0, self._memory.wall_time() - number(data["written"]))
        began = anyio.current_time() - elapsed
        waits = {}
        for key, wait in data["waits"].items():
            webhook_id, _, action = key.partition("/")
            waits[webhook_id, Action(action)] = _turn(wait, began)

        return _Known(
            _turn(data["address"], began),
            waits,
            {key: _parse_channel(one, began) for key, one in data["channels"].items()},
            {str(key): str(channel_id) for key, channel_id in data["channel_ids"].items()},
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """The content of the file, on the clock of this event loop."""

    address: Turn
    waits: Mapping[tuple[str, Action], Turn]
    channels: Mapping[str, Channel]
    channel_ids: Mapping[str, str]

    def apply(self, limits: RateLimits) -> None:
        now = anyio.current_time()
        limits.channels.update(self.channels)
        limits.channel_ids.update(self.channel_ids)
        for (webhook_id, action), turn in self.waits.items():
            if turn.at > now:
                limits.of(webhook_id, action).block(turn)

        if self.address.at > now:
            limits.address.block(self.address.at - now, self.address.reason)


def _collect_channel(channel: Channel, now: float) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if wait := _wait(channel.blocked, now):
        known["wait"] = wait

    if wait := _wait(channel.old_edits_blocked, now):
        known["old_edits"] = wait

    if (seconds := channel.old_edits.slow_until - now) > 0:
        known["old_edits_slow"] = round(seconds, 3)

    limit = channel.limit
    # Asked first, since it may be too old.
    limit.free_at(now, is_full=True)
    if limit.limit is not None:
        known["limit"] = limit.limit
        known["learnt"] = round(now - limit.learnt_at, 3)
        known["sent"] = [round(now - time, 3) for time in limit.sent[-MESSAGES_PER_WINDOW:]]

    return known


def _parse_channel(data: Mapping[str, Any], began: float) -> Channel:
    channel = Channel()
    if "wait" in data:
        channel.blocked = _turn(data["wait"], began)

    if "old_edits" in data:
        channel.old_edits_blocked = _turn(data["old_edits"], began)

    if "old_edits_slow" in data:
        seconds = min(number(data["old_edits_slow"]), SLOW_SECONDS + MAX_RETRY_AFTER)
        channel.old_edits.slow_until = began + seconds

    if "limit" in data:
        sent = [began - min(max(number(ago), 0.0), WINDOW_SECONDS) for ago in data["sent"]]
        learnt_at = began - max(number(data["learnt"]), 0.0)
        channel.limit.restore(int(number(data["limit"])), learnt_at, sent[-MESSAGES_PER_WINDOW:])

    return channel


def _wait(turn: Turn, now: float) -> dict[str, Any]:
    """Return a wait as it is written; empty if it is over."""
    seconds = turn.at - now
    return {"seconds": round(seconds, 3), "reason": turn.reason} if seconds > 0 else {}


def _turn(wait: Mapping[str, Any], began: float) -> Turn:
    if not wait:
        return Turn(0.0)

    reason = str(wait["reason"])
    if not reason.isprintable():
        raise ValueError("expected a reason")

    # No longer than anything that Discord can have asked for.
    seconds = min(number(wait["seconds"]), MAX_RETRY_AFTER + 1.0)
    return Turn(began + seconds, reason[:REASON_MAX_CHARACTERS])


def _seconds_of_channel(known: Mapping[str, Any]) -> float:
    wait: float = known.get("wait", {}).get("seconds", 0.0)
    return wait


def _longest(table: dict[str, _T], seconds: Callable[[_T], float]) -> dict[str, _T]:
    """Return what has to wait the longest, as much as is remembered."""
    if len(table) <= MAX_REMEMBERED:
        return table

    items = sorted(table.items(), key=lambda item: seconds(item[1]), reverse=True)
    return dict(items[:MAX_REMEMBERED])
