"""The ids of events that were accepted, so that repeated events are published once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import anyio

from lanrage_events.abc import Person

from .taken_ids import TakenIds

DEFAULT_SIZE = 100_000


class InFlight:
    """The events of one request that have ids, while they are being published."""

    def __init__(self) -> None:
        self.failures: dict[str, Exception] = {}
        """by id: why it was not accepted"""
        self.done = anyio.Event()
        """set when the outcome of each event is known"""


class Deduplicator:
    """Remembers the ids of accepted events, so that an event that is sent again is not published.

    Old ids are forgotten when the next one arrives. When there are more than ``size``, the oldest
    is forgotten early.

    :param window: seconds for which an id is remembered after its event was accepted
    :param size: the maximum number of ids
    :param file: keeps the ids over a restart; None to forget them then
    """

    def __init__(
        self, window: float, size: int = DEFAULT_SIZE, file: TakenIds | None = None
    ) -> None:
        self._window = window
        self._size = size
        self._file = file
        self._taken: OrderedDict[str, float] = OrderedDict()
        """by id: when its event was accepted, the oldest first"""
        self._in_flight: dict[str, InFlight] = {}

    def __len__(self) -> int:
        return len(self._taken)

    async def load(self) -> None:
        """Read the ids of earlier runs."""
        if self._file is not None:
            now = anyio.current_time()
            for id, age in await self._file.load():
                self._taken[id] = now - age
                self._taken.move_to_end(id)

            self._forget_old(now)

    def was_taken(self, id: str) -> bool:
        """Return whether an event of this id was accepted within the window."""
        taken_at = self._taken.get(id)
        return taken_at is not None and anyio.current_time() - taken_at < self._window

    def in_flight(self, id: str) -> InFlight | None:
        """Return the request that is publishing an event of this id, None if there is none."""
        return self._in_flight.get(id)

    def begin(self, id: str, request: InFlight) -> None:
        """Record that a request is publishing an event of this id; it must call :meth:`finish`."""
        self._in_flight[id] = request

    def finish(self, request: InFlight, outcomes: Mapping[str, Exception | None]) -> None:
        """Remember the ids of accepted events, forget the others, and wake the requests that wait.

        It waits for nothing, so an accepted event has its id in the file, whatever is cancelled.

        :param outcomes: by id: why its event was not accepted, None if it was
        """
        now = anyio.current_time()
        taken: list[str] = []
        for id, error in outcomes.items():
            self._in_flight.pop(id, None)
            if error is None:
                taken.append(id)
                self._taken[id] = now
                self._taken.move_to_end(id)
            else:
                request.failures[id] = error

        self._forget_old(now)
        request.done.set()
        if self._file is not None and taken:
            self._file.add(taken)

    def forget(self, person: Person) -> int:
        """Remove the ids that name a person, and return how many."""
        named = [id for id in self._taken if person.is_in(id)]
        for id in named:
            del self._taken[id]

        return len(named) if self._file is None else self._file.forget(person)

    def _forget_old(self, now: float) -> None:
        while self._taken:
            taken_at = next(iter(self._taken.values()))
            if len(self._taken) <= self._size and now - taken_at < self._window:
                return

            self._taken.popitem(last=False)
