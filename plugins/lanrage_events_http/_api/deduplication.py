from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

import anyio

DEFAULT_SIZE = 100_000
_LONGEST_ID_KEPT = 64
"""characters; of a longer id its hash is kept, so that memory is bounded whatever is sent"""


class Attempt:
    """The events of one request that have ids, while they are being taken."""

    __slots__ = ("_settled", "failures", "is_settled")

    def __init__(self) -> None:
        self.failures: dict[str, Exception | None] = {}
        """by id: why it was not taken; None if the attempt was given up"""
        self.is_settled = False
        self._settled: anyio.Event | None = None

    def settle(self) -> None:
        """Wake those who wait for it."""
        self.is_settled = True
        if self._settled is not None:
            self._settled.set()

    async def wait(self) -> None:
        """Wait until each of its events is taken or not."""
        if self.is_settled:
            return

        if self._settled is None:
            self._settled = anyio.Event()

        await self._settled.wait()


class Repeats:
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
        self._in_hand: dict[str, Attempt] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def was_taken(self, id: str) -> bool:
        """Tell whether an event of this id was taken within the window."""
        taken_at = self._taken.get(_key(id))
        return taken_at is not None and anyio.current_time() - taken_at < self._window

    def attempt_at(self, id: str) -> Attempt | None:
        """Return who is taking an event of this id now, None if nobody is."""
        return self._in_hand.get(_key(id))

    def begin(self, id: str, attempt: Attempt) -> None:
        """Note that an event of this id is being taken: finish it whatever happens.

        :param attempt: who takes it
        """
        self._in_hand[_key(id)] = attempt

    def finish(self, attempt: Attempt, outcomes: dict[str, Exception | None]) -> None:
        """Remember the ids of events that were taken, forget the others, and wake who waits.

        :param attempt: whose they are
        :param outcomes: by id: why it was not taken, None if it was
        """
        now = anyio.current_time()
        for id, error in outcomes.items():
            key = _key(id)
            self._in_hand.pop(key, None)
            if error is None:
                self._taken[key] = now
                self._taken.move_to_end(key)
            else:
                attempt.failures[id] = error

        self._forget_old(now)
        attempt.settle()

    def give_up(self, attempt: Attempt, ids: list[str]) -> None:
        """Forget the ids of an attempt that was interrupted, and wake who waits.

        :param attempt: whose they are
        :param ids: of its events
        """
        for id in ids:
            self._in_hand.pop(_key(id), None)
            attempt.failures[id] = None

        attempt.settle()

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
