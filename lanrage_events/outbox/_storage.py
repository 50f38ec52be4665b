"""What delivery needs of an outbox, wherever that keeps its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NoReturn, Protocol, Self

from .._exceptions import OutboxError
from ._records import (
    DeadLetter,
    ExpiredEntries,
    OutboxEntry,
    OutboxItem,
    OutboxLane,
    OutboxStatistics,
)
from ._tables import Which


class Storage(Protocol):
    """What :class:`Outbox` does, for delivery and for those who inspect it.

    Another storage behaves as it does: entries have ids that ascend within a lane, everything that
    changes several entries is about all or none, and whatever is asked for a second time, such as to
    acknowledge what is gone, is no error. It is used in one event loop.
    """

    drains: bool
    """whether its owner delivers what it holds before closing it, so that a bus that stops
    need not wait for that; may be set at any time"""

    @property
    def durable(self) -> bool:
        """Whether what it holds survives the end of the process."""
        ...

    @property
    def problem(self) -> OutboxError | None:
        """The error of the last attempt to write; None if it succeeded."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> object: ...

    def statistics(self) -> OutboxStatistics:
        """Return what it holds and counts since it was opened; also after it was closed."""
        ...

    async def claim(self, lane: str, seconds: float) -> bool:
        """Return whether this process may send for that long what a lane holds.

        It is asked before each request. If not, the lane sends nothing until :meth:`listen` reports
        a change.
        """
        ...

    async def put_many(self, items: Iterable[OutboxItem]) -> Sequence[int]:
        """Add entries, all or none, and return their ids when all are stored."""
        ...

    async def read(self, lane: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        """Return the entries of a lane that may be delivered now, in order."""
        ...

    async def acknowledge(self, ids: Iterable[int]) -> None:
        """Remove entries that are done, all of one lane."""
        ...

    async def dead_letter(self, ids: Iterable[int], reason: str, detail: str = "") -> None:
        """Give up entries of one lane, and keep them as dead letters."""
        ...

    async def note_error(self, lane: str, error: str) -> None:
        """Keep why a lane is not delivered at the moment, for those who list it; empty for no more.

        It is over, too, once something of the lane is acknowledged or becomes a dead letter.
        """
        ...

    async def expire(self, lane: str | None = None) -> list[ExpiredEntries]:
        """Remove entries that have expired, and return what they were."""
        ...

    async def next_expiry(self, lane: str) -> datetime | None:
        """Return when the first entry of a lane expires, None if none does."""
        ...

    async def listen(self, changed: Callable[[], object] | None = None) -> NoReturn:
        """Call a function after each change that others made, until cancelled."""
        ...

    async def lanes(self) -> list[OutboxLane]:
        """Return every lane that holds something or is postponed, by name."""
        ...

    async def pending(
        self, lane: str | None = None, *, after: int = 0, limit: int = 100
    ) -> list[OutboxEntry]:
        """Return the entries that wait, in order."""
        ...

    async def dead_letters(
        self, lane: str | None = None, *, after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        """Return dead letters, in the order in which they were put."""
        ...

    async def show(self, id: int) -> OutboxEntry | None:
        """Return the entry or dead letter of an id, None if it does not exist (any more)."""
        ...

    async def retry(self, ids: Iterable[int]) -> int:
        """Let dead letters and postponed entries be delivered again, and return how many."""
        ...

    async def retry_lane(self, lane: str, *, limit: int | None = None) -> int:
        """Let all dead letters and postponed entries of a lane be delivered again."""
        ...

    async def drop(self, ids: Iterable[int]) -> int:
        """Remove entries and dead letters for ever, and return how many."""
        ...

    async def drop_lane(self, lane: str, which: Which = "all", *, limit: int | None = None) -> int:
        """Remove the content of a lane for ever, the oldest first, and return how many."""
        ...

    async def rename_lane(self, lane: str, to: str) -> int:
        """Give all entries and dead letters of a lane to another one, and return how many."""
        ...
