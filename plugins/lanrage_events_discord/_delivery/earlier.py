"""The events that the outbox has from an earlier run, so that they are not put again."""

from __future__ import annotations

import json
from typing import Self

from lanrage_events.outbox import Outbox, OutboxEntry, OutboxError

_MOST = 5_000
"""the last ones that are read; a request to publish brings at most 1,000"""
_PAGE = 500
_HIGHEST_ID = 2**63 - 1
_BEFORE_ID = '{"event_id":"'


class EarlierEntries:
    """Which events wait in which lanes since before the start.

    A daemon that is killed right after an event is in the outbox has not answered who published it.
    So the event comes again, with the same id.

    :param entries: the lane and the event's id of each
    """

    def __init__(self, entries: frozenset[tuple[str, str]] = frozenset()) -> None:
        self._entries = entries

    def __contains__(self, entry: tuple[str, str]) -> bool:
        return entry in self._entries

    @classmethod
    async def read(cls, outbox: Outbox) -> Self:
        """Read the last entries of an outbox; without them if it cannot be read."""
        found: set[tuple[str, str]] = set()
        try:
            after = max(0, await _last_id(outbox) - _MOST)
            while page := await outbox.pending(after=after, limit=_PAGE):
                after = page[-1].id
                found |= {(entry.lane, id) for entry in page if (id := _event_id(entry))}
        except OutboxError:
            # The plugin's health reports it.
            return cls()

        return cls(frozenset(found))


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


def _event_id(entry: OutboxEntry) -> str:
    """Return the id of the event of an entry, empty if it cannot be read."""
    body = entry.body
    try:
        if body.startswith(_BEFORE_ID):
            id, _ = json.JSONDecoder().raw_decode(body, len(_BEFORE_ID) - 1)
        else:
            id = json.loads(body)["event_id"]
    except (ValueError, KeyError, TypeError):
        return ""

    return id if isinstance(id, str) else ""
