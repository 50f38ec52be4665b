from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256

import anyio

DEFAULT_SIZE = 100_000
_LONGEST_ID_KEPT = 64
"""characters; of a longer id its hash is kept, so that memory is bounded whatever is sent"""


class InFlight:
    """The events of one request that came with ids, while they are being published."""

    def __init__(self) -> None:
        self.failures: dict[str, Exception] = {}
        """by id: why it was not taken"""
        self.done = anyio.Event()
        """set when each of them is taken or not"""


class Deduplicator:
    """Remembers which events were taken, so that one that is sent again is not taken twice.

    It needs no timer: what is too old is forgotten when the next id comes. It holds at most
    ``size`` ids of at most 64 characters; when there are more, the oldest is forgotten early.

    :param window: seconds for which an id is remembered after its event was taken
    :param size: ids that are remembered at most
    """

    def __init__(self, window: float, size: int = DEFAULT_SIZE) -> None:
        self._window = window
        self._size = size
        self._taken: OrderedDict[str, float] = OrderedDict()
        """when each was taken, the oldest first"""
        self._in_flight: dict[str, InFlight] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def was_taken(self, id: str) -> bool:
        """Return whether an event of this id was taken within the window."""
        taken_at = self._taken.get(_key(id))
        return taken_at is not None and anyio.current_time() - taken_at < self._window

    def in_flight(self, id: str) -> InFlight | None:
        """Return the request that is publishing an event of this id, None if there is none."""
        return self._in_flight.get(_key(id))

    def begin(self, id: str, request: InFlight) -> None:
        """Note that an event of this id is being published: finish it whatever happens.

        :param request: which publishes it
        """
        self._in_flight[_key(id)] = request

    def finish(self, request: InFlight, outcomes: Mapping[str, Exception | None]) -> None:
        """Remember the ids of events that were taken, forget the others, and wake who waits.

        :param request: whose they are
        :param outcomes: by id: why it was not taken, None if it was
        """
        now = anyio.current_time()
        for id, error in outcomes.items():
            key = _key(id)
            self._in_flight.pop(key, None)
            if error is None:
                self._taken[key] = now
                self._taken.move_to_end(key)
            else:
                request.failures[id] = error

        self._forget_old(now)
        request.done.set()

    def _forget_old(self, now: float) -> None:
        taken = self._taken
        while len(taken) > self._size:
            taken.popitem(last=False)

        while taken:
            key, taken_at = next(iter(taken.items()))
            if now - taken_at < self._window:
                return

            del taken[key]


def _key(id: str) -> str:
    if len(id) <= _LONGEST_ID_KEPT:
        return id

    return f"sha256 {sha256(id.encode('utf-8', 'surrogatepass')).hexdigest()}"
