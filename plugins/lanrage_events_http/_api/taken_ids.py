"""The file of the ids that were taken, by which they are known after a restart."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from lanrage_events.outbox import Outbox, OutboxEntry, OutboxError

logger = logging.getLogger(__name__)

_LANE = "taken"
_WRITE_SECONDS = 5.0
"""until an answer no longer waits for a disk that hangs"""
_PAGE = 1_000
_REMOVED_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class _Group:
    """The ids of one request, which are one entry of the file."""

    entry: int
    time: datetime
    count: int


class TakenIds:
    """Keeps the ids of accepted events in a file: those of one request in one transaction.

    :param outbox: the file; it is open
    :param window: seconds for which an id is kept
    :param size: the maximum number of ids; the oldest make room for new ones
    """

    def __init__(self, outbox: Outbox, window: float, size: int) -> None:
        self._outbox = outbox
        self._window = timedelta(seconds=window)
        self._size = size
        self._groups: deque[_Group] = deque()
        self._count = 0
        self._has_failed = False

    @property
    def problem(self) -> OutboxError | None:
        """Why the last ids could not be written; None if they were."""
        return self._outbox.problem

    async def load(self) -> list[tuple[str, float]]:
        """Return the ids of earlier runs, the oldest first, each with its age in seconds."""
        now = datetime.now(UTC)
        found: list[tuple[str, float]] = []
        after = 0
        while page := await self._outbox.pending(_LANE, after=after, limit=_PAGE):
            after = page[-1].id
            for entry in page:
                ids = _ids(entry)
                self._groups.append(_Group(entry.id, entry.put_time, len(ids)))
                self._count += len(ids)
                # The clock may have been set back.
                age = max(0.0, (now - entry.put_time).total_seconds())
                found += [(id, age) for id in ids]

        await self._remove_old(now, at_least=1)
        return found

    async def add(self, ids: Sequence[str]) -> None:
        """Write the ids of one request; an error is logged, and a restart forgets them then."""
        now = datetime.now(UTC)
        try:
            with anyio.fail_after(_WRITE_SECONDS, shield=True):
                entry = await self._outbox.put(_LANE, json.dumps(ids))
                self._groups.append(_Group(entry, now, len(ids)))
                self._count += len(ids)
                await self._remove_old(now, at_least=_REMOVED_TOGETHER)
        except (OutboxError, TimeoutError) as error:
            if not self._has_failed:
                reason = str(error) or f"the disk took longer than {_WRITE_SECONDS:g} seconds"
                logger.warning(
                    "the ids of events cannot be written, so events that are sent again after a "
                    "restart are published again: %s",
                    reason,
                )

            self._has_failed = True
        else:
            self._has_failed = False

    async def _remove_old(self, now: datetime, at_least: int) -> None:
        """Remove what is too old or too much, once it is enough for a transaction."""
        old = 0
        excess = self._count - self._size
        for group in self._groups:
            if excess <= 0 and now - group.time < self._window:
                break

            excess -= group.count
            old += 1

        if old >= at_least:
            gone = [self._groups.popleft() for _ in range(old)]
            self._count -= sum(group.count for group in gone)
            await self._outbox.acknowledge(group.entry for group in gone)


@asynccontextmanager
async def open_taken_ids(
    path: Path | None, window: float, size: int
) -> AsyncIterator[TakenIds | None]:
    """Open the file of taken ids; yield None if there is none, or if it cannot be used.

    :param path: the file, None to keep nothing
    :param window: seconds for which an id is kept
    :param size: the maximum number of ids
    """
    if path is None or not window:
        yield None
        return

    async with AsyncExitStack() as stack:
        taken: TakenIds | None = None
        try:
            outbox = await stack.enter_async_context(Outbox(path, max_entries=2 * size))
            taken = TakenIds(outbox, window, size)
        except OutboxError as error:
            logger.error("the ids of events are not known after a restart: %s", error)

        yield taken


def _ids(entry: OutboxEntry) -> list[str]:
    try:
        ids = json.loads(entry.body)
    except ValueError:
        return []

    return [id for id in ids if isinstance(id, str)] if isinstance(ids, list) else []
