"""The lanes of all webhooks, and how events get into them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio
from anyio.abc import TaskGroup

from lanrage_events import OutboxError, OutboxFull, Redactor
from lanrage_events.outbox import Outbox, OutboxItem, OutboxLane

from .._client import RateLimits, WebhookClient
from .._config import DiscordConfig, WebhookConfig
from .._rendering import Entry
from .envelope import Mentions, Presenter, Threads
from .lane import Lane
from .state import LaneState

logger = logging.getLogger("lanrage_events.discord")

PUT_TOGETHER = 1000
"""entries that are put in one transaction, which keeps the lanes from sending meanwhile"""


# Not frozen, which would take three times as long: one is made of each event.
@dataclass(slots=True)
class Letter:
    """An entry that is to go into a lane."""

    position: int
    """of its event in the batch"""
    lane: str
    entry: Entry
    body: str
    """the entry's JSON form"""
    expires: datetime | None


class Lanes(Mapping[str, Lane]):
    """The lanes by their names, the webhooks'.

    :param outbox: keeps what waits
    :param client: sends, and stays open
    :param task_group: runs the lanes
    :param threads: remembers the threads that were created
    """

    def __init__(
        self,
        config: DiscordConfig,
        *,
        outbox: Outbox,
        client: WebhookClient,
        task_group: TaskGroup,
        redactor: Redactor,
        threads: Threads,
    ) -> None:
        self.limits = RateLimits()
        self._config = config
        self._outbox = outbox
        self._client = client
        self._task_group = task_group
        self._redactor = redactor
        self._mentions = Mentions()
        self._threads = threads
        self._lanes: dict[str, Lane] = {}
        self._configured: tuple[str, ...] | None = None
        """None if that has to be found out anew"""
        self._waiting: dict[str, int] | None = None
        """entries that waited in the outbox when it was looked at last, by lane"""

    def __getitem__(self, name: str) -> Lane:
        return self._lanes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lanes)

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def configured(self) -> tuple[str, ...]:
        """The names of the lanes that have a webhook, whether it works or not."""
        if self._configured is None:
            self._configured = tuple(
                name for name, lane in self.items() if lane.state is not LaneState.UNCONFIGURED
            )

        return self._configured

    def open(self, name: str, webhook: WebhookConfig) -> None:
        """Make the lane of a webhook, or give a lane that there is another URL, and send.

        Of a lane that there is, only the URL changes. Until :meth:`begin` was called, nothing is
        sent: then those begin for which something waits, and not thousands for which nothing does.
        """
        address = self._config.address(webhook)
        self._configured = None
        # The token first, which the others are found by.
        for secret in reversed(address.secrets()):
            self._redactor.add(secret)

        if (lane := self._lanes.get(name)) is not None:
            lane.revive(address)
            return

        lane = Lane(
            name,
            address,
            webhook.batch or self._config.batch,
            outbox=self._outbox,
            client=self._client,
            limits=self.limits,
            task_group=self._task_group,
            presenter=Presenter(webhook, self._mentions, self._threads),
        )
        self._lanes[name] = lane
        if self._waiting is not None:
            lane.record.recount(self._waiting.get(name, 0))
            lane.wake()

    def retire(self, name: str) -> None:
        """Take back the URL of a lane, see :meth:`Lane.retire`."""
        self._configured = None
        self._lanes[name].retire()

    async def begin(self) -> list[OutboxLane]:
        """Let the lanes send what an earlier process has left in the outbox, and return how much."""
        found = await self.count()
        waiting = {lane.name for lane in found if lane.pending}
        for name in self.keys() - waiting:
            self[name].starts_empty()

        return found

    async def count(self) -> list[OutboxLane]:
        """Look into the outbox how much waits in each lane, and let those lanes send."""
        found = await self._outbox.lanes()
        waiting = {lane.name: lane.pending for lane in found}
        self._waiting = waiting
        for name, lane in self.items():
            lane.record.recount(waiting.get(name, 0))
            if waiting.get(name):
                lane.wake()

        return found

    async def put(self, letters: Sequence[Letter]) -> dict[int, Exception]:
        """Put entries into the outbox and then into their lanes, as many as there is room for.

        :return: what kept an entry from being put, by the position of its event
        """
        refusals: dict[int, Exception] = {}
        for begin in range(0, len(letters), PUT_TOGETHER):
            await self._put(letters[begin : begin + PUT_TOGETHER], refusals)

        return refusals

    async def _put(self, letters: Sequence[Letter], refusals: dict[int, Exception]) -> None:
        refusal = await self._try_put(letters)
        if refusal is None:
            return

        is_disk = isinstance(refusal, OutboxError) and not isinstance(refusal, OutboxFull)
        if is_disk or len(letters) == 1:
            for letter in letters:
                refusals.setdefault(letter.position, refusal)

            return

        # All of them were refused, though perhaps only one lane is full or one entry is bad.
        for part in _parts(letters):
            await self._put(part, refusals)

    async def _try_put(self, letters: Sequence[Letter]) -> Exception | None:
        """Put entries into the outbox and their lanes, all or none; return what refuses them."""
        items = [OutboxItem(x.lane, x.body, x.entry.type, x.expires) for x in letters]
        lanes = _by_lane(letters)
        try:
            numbers = await self._outbox.put_many(items)
        except anyio.get_cancelled_exc_class():
            # They may be in there nevertheless.
            for name in lanes:
                self._lanes[name].doubt()

            raise
        except Exception as error:  # noqa: BLE001 - one bad entry is no fault of the others
            return error

        for name, indexes in lanes.items():
            self._lanes[name].take(
                (numbers[i], letters[i].entry, letters[i].expires) for i in indexes
            )

        return None

    def finish(self, give_up_at: float) -> None:
        """Send what waits without gathering more, see :meth:`Lane.finish`."""
        for lane in self.values():
            lane.finish(give_up_at)


def _by_lane(letters: Sequence[Letter]) -> dict[str, list[int]]:
    """Return the indexes of letters by their lane."""
    found: dict[str, list[int]] = {}
    for index, letter in enumerate(letters):
        found.setdefault(letter.lane, []).append(index)

    return found


def _parts(letters: Sequence[Letter]) -> list[Sequence[Letter]]:
    """Divide letters by their lanes, or those of one lane into single ones."""
    lanes = _by_lane(letters)
    if len(lanes) > 1:
        return [[letters[i] for i in indexes] for indexes in lanes.values()]

    return [[letter] for letter in letters]
