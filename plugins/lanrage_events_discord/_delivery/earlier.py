"""The events that the outbox has from an earlier run, so that they are not put again."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

import anyio

from lanrage_events.cli import counted
from lanrage_events.events import utc_now
from lanrage_events.outbox import Outbox, OutboxError

logger = logging.getLogger("lanrage_events.discord")

_SECONDS = 600.0
"""how long what was put is expected again: the usual ``repeat_window`` of the HTTP plugin, which
knows the events that it has answered"""
_MOST = 5_000
"""the last ones that are read; a request to publish brings at most 1,000"""
_PAGE = 500
_HIGHEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class EarlierEntry:
    """An entry that waits since before the start."""

    lane: str
    event_id: str
    content: bytes
    """a digest of what it shows, without its time"""


class EarlierEntries:
    """Which events wait in which lanes since before the start.

    A daemon that is killed right after an event is in the outbox has not answered who published it.
    So the event comes again, with the same id and content. Each is expected once, and only for ten
    minutes after it was put: what comes later, or shows something else, is another event.

    :param entries: how many seconds each is expected
    """

    def __init__(self, entries: Mapping[EarlierEntry, float] | None = None) -> None:
        now = anyio.current_time() if entries else 0.0
        self._entries = {entry: now + seconds for entry, seconds in (entries or {}).items()}
        """until when each is expected"""
        self._keys = {(entry.lane, entry.event_id) for entry in self._entries}
        self._until = max(self._entries.values(), default=0.0)
        self.skipped = 0
        """how many came again and were not put"""

    def find(self, lane: str, event_id: str, body: str) -> EarlierEntry | None:
        """Return the entry that waits for the same event, None if it is not expected.

        :param body: the JSON form of the event's entry
        """
        if (lane, event_id) not in self._keys:
            return None

        now = anyio.current_time()
        if now >= self._until:
            self._entries.clear()
            self._keys.clear()
            return None

        entry = _earlier_entry(lane, body)
        return entry if entry is not None and self._entries.get(entry, now) > now else None

    def skip(self, entries: Collection[EarlierEntry]) -> None:
        """Count and log entries that came again; they are not expected any more."""
        if not entries:
            return

        for entry in entries:
            self._entries.pop(entry, None)

        self.skipped += len(entries)
        logger.info(
            "%s came again after the start, but wait in the outbox already, so they are not put there "
            "again; the first has the id %.64r",
            counted(len(entries), "event"),
            next(iter(entries)).event_id,
        )

    @classmethod
    async def read(cls, outbox: Outbox) -> Self:
        """Read the last entries of an outbox; without them if it cannot be read."""
        found: dict[EarlierEntry, float] = {}
        now = utc_now()
        try:
            after = max(0, await _last_id(outbox) - _MOST)
            while page := await outbox.pending(after=after, limit=_PAGE):
                after = page[-1].id
                for waiting in page:
                    # The clock may have been set back.
                    age = max(0.0, (now - waiting.put_time).total_seconds())
                    if age < _SECONDS and (entry := _earlier_entry(waiting.lane, waiting.body)):
                        found[entry] = _SECONDS - age
        except OutboxError:
            # The plugin's health reports it.
            return cls()

        return cls(found)


async def _last_id(outbox: Outbox) -> int:
    """Return the id of the last entry, 0 if there is none."""
    if not await outbox.pending(limit=1):
        return 0

    low, high = 0, _HIGHEST_ID
    while low < high:
        middle = (low + high) // 2
        page = await outbox.pending(after=middle, limit=1)
        if page:
            low = page[0].id
        else:
            high = middle

    return low


def _earlier_entry(lane: str, body: str) -> EarlierEntry | None:
    """Return what distinguishes an entry, None if it cannot be read."""
    try:
        data: dict[str, Any] = json.loads(body)
        id, embed = data["event_id"], data["embed"]
        # An event that has no time of its own gets another one when it comes again.
        shown = {key: value for key, value in embed.items() if key != "timestamp"}
        content = json.dumps([data["type"], shown], sort_keys=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None

    # Earlier versions took empty ids, which do not say that it is the same event.
    if not isinstance(id, str) or not id.strip():
        return None

    return EarlierEntry(lane, id, sha256(content.encode()).digest())
