"""What a lane sends next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from ._entry import Entry


@dataclass(frozen=True, slots=True)
class Selection:
    """What goes in the next request of a lane, and what does not."""

    send: Sequence[Entry] = ()
    """what goes, in this order; the rest waits"""
    done: Sequence[Entry] = ()
    """what is done without going, such as a leave that a join has made pointless; it is counted"""
    due: datetime | None = None
    """when to look again if nothing goes now, aware; what arrives by then is looked at, too"""

    def check(self, entries: Sequence[Entry], now: datetime) -> None:
        """Raise an error if a lane could not go on with it.

        :param entries: what it was chosen from
        :param now: when
        :raises ValueError: if it names something else, or one entry twice
        :raises RuntimeError: if nothing goes, nothing is done, and no time to come is given
        """
        chosen = [entry.id for entry in (*self.send, *self.done)]
        if len(set(chosen)) < len(chosen):
            raise ValueError("select names an entry twice: each goes, is done or waits")

        if unknown := set(chosen) - {entry.id for entry in entries}:
            raise ValueError(f"select names {min(unknown)}, which is not among the entries")

        if not chosen and (self.due is None or self.due <= now):
            when = "no time" if self.due is None else f"{self.due.isoformat()}, which has come"
            raise RuntimeError(
                f"select sends nothing and gives {when}: let something go, or set due"
            )


Select: TypeAlias = Callable[[Sequence[Entry], datetime], Selection]
"""chooses from the entries of a lane, the oldest first; called with the current time, in UTC"""
