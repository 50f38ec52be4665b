"""The delivery of a plugin: all of its lanes, from its hooks to what it sends."""

from __future__ import annotations

import json
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from inspect import isasyncgenfunction, isgeneratorfunction, signature
from typing import Any

import anyio
from anyio.abc import TaskGroup

from .._events import Event, utc_now
from .._exceptions import EventError, OutboxError
from .._hints import hinted
from .._reports import Health, Metric
from .._times import check_seconds
from ..abc import Bus
from ..cli import counted
from ..events import EventRegistry
from ..outbox import Outbox, OutboxFull, OutboxStatistics, Storage
from ._entry import DEFAULT_LANE, Entry, Item, NoEventError
from ._metrics import lane_metrics, outbox_metrics
from ._outcome import Outcome
from ._pacing import Pacing
from ._record import LaneRecord, LaneStatistics
from ._selection import Select
from ._sink_lane import SinkLane
from ._state import LaneState
from ._waits import Waits, waits_path

# What is sent later may be cut off before the answer, and is sent again by the next start.
LAST_REQUEST_SECONDS = 1.0
# A wait that is longer than those that receivers usually ask for.
LONG_WAIT_SECONDS = 60.0

NOT_RUNNING = "it is not running: enter `delivery.running(bus, self)` in the hook lifespan"


class Delivery:
    """Delivers what a plugin puts, with a function of the plugin's that sends once.

    Everything that is put is first stored in an outbox, in lanes. Each lane sends its entries in
    order, one request at a time, again and again until the receiver has them, rejects them for good,
    or they expire. If the plugin declares ``durable = True``, the outbox is a file below the bus's
    state folder, named after the plugin; otherwise, or without such a folder, it is in memory. What
    was delivered right before a crash is delivered twice, since its answer is lost.

    Make one when the plugin is made, and enter :meth:`running` in its hook ``lifespan``.

    :param send: sends entries of one lane once, in one request, and returns what came of it. If it
        raises, the entries are sent again after a back-off
    :param batch_size: how many entries go in one request at most, unless ``select`` says so; or by
        the names of lanes, 1 for others
    :param window: seconds for which entries are gathered for one request
    :param immediate: whether an entry that comes after a quiet time is sent at once, and only what
        follows within the window is gathered
    :param interval: seconds from one request of a lane to the next, at least
    :param send_timeout: seconds that ``send`` may take; then it is cancelled, and the entries are sent
        again
    :param select: chooses what goes in the next request of a lane, what is done without going, and
        when to look again, from the oldest 1,000 entries; None for the oldest ``batch_size``
    :param lanes: the names of the lanes that are delivered; what the outbox keeps for others stays
        there, and a put raises. None for any
    :param receivers: by the names of lanes, what identifies their receivers, such as an address with its
        token. What one asks to wait outlasts a restart, but does not hold for another one
    :param what: what people call a lane, such as ``target``
    :param max_entries: how many entries may wait; a put beyond that raises
    :param max_entries_per_lane: how many may wait in one lane, so that one that is stuck leaves room
        for the others; None for no limit per lane
    :param storage: makes another storage than the outbox each time that the plugin starts, such as one
        on several machines; it is entered and left
    :raises TypeError: if an option is unknown or of the wrong kind, or ``send`` cannot be called
    :raises ValueError: if a number is out of range
    """

    @hinted
    def __init__(
        self,
        send: Callable[[Sequence[Entry]], Awaitable[Outcome]],
        *,
        batch_size: int | Mapping[str, int] = 1,
        window: float = 0.0,
        immediate: bool = True,
        interval: float = 0.0,
        send_timeout: float = 30.0,
        select: Select | None = None,
        lanes: Collection[str] | None = None,
        receivers: Mapping[str, str] | None = None,
        what: str = "lane",
        max_entries: int = 100_000,
        max_entries_per_lane: int | None = None,
        storage: Callable[[], Storage] | None = None,
    ) -> None:
        _check_send(send)
        sizes = batch_size.values() if isinstance(batch_size, Mapping) else [batch_size]
        for size in sizes:
            if not isinstance(size, int):
                raise TypeError(f"batch_size must be a whole number, not {size!r}")

            if size < 1:
                raise ValueError(f"batch_size must be at least 1, not {size}")

        check_seconds("window", window, may_be_zero=True, may_be_infinite=False)
        check_seconds("interval", interval, may_be_zero=True, may_be_infinite=False)
        check_seconds("send_timeout", send_timeout, may_be_infinite=False)

        self._make_lane = partial(
            SinkLane,
            what=what,
            send=send,
            select=select,
            interval=interval,
            send_timeout=send_timeout,
        )
        self._batch_size = batch_size
        self._window = window
        self._immediate = immediate
        self._names = None if lanes is None else frozenset(lanes)
        self._receivers = receivers or {}
        self._what = what
        self._max_entries = max_entries
        self._max_per_lane = max_entries_per_lane
        self._make_storage = storage
        self._logger = logging.getLogger("lanrage_events.delivery")
        self._events = EventRegistry()
        self._redact: Callable[[str], str] = str
        self._storage: Storage | None = None
        self._tasks: TaskGroup | None = None
        """runs the lanes; None while the plugin does not run"""
        self._lanes: dict[str, SinkLane] = {}
        self._waits = Waits(None, self._receivers, self._logger)
        self._undelivered = 0
        """entries that earlier runs of the plugin did not deliver"""

    # Putting

    async def put(
        self,
        data: Any,
        lane: str = DEFAULT_LANE,
        *,
        label: str = "",
        expires: datetime | None = None,
        immediate: bool = False,
    ) -> None:
        """Add one entry to the end of a lane, and return when it is stored.

        :param data: your JSON, or an event, of which the JSON is kept
        :param lane: its name, one of a bounded number
        :param label: what lists show; an event's type by default
        :param expires: when it is no longer worth delivering, aware; None for never
        :param immediate: whether to send it without gathering
        :raises TypeError: if the data is no JSON
        :raises OutboxFull: if there is no room; it was not put
        :raises OutboxError: if it cannot be stored; it was not put
        """
        await self.put_many([Item(data, lane, label, expires, immediate)])

    async def put_many(self, items: Iterable[Item]) -> None:
        """Add entries, all or none, and return when all are stored.

        :param items: the entries, of one or several lanes
        :raises TypeError: if data is no JSON; none was put
        :raises ValueError: if there is no lane of that name; none was put
        :raises OutboxFull: if there is not enough room; none was put
        :raises OutboxError: if they cannot be stored; none was put
        """
        chosen = list(items)
        storage = self._storage
        if storage is None or self._tasks is None:
            raise RuntimeError(f"the delivery cannot take an entry, since {NOT_RUNNING}")

        lanes = [self._lane(item.lane, storage, self._tasks) for item in chosen]
        stored = [item.to_outbox() for item in chosen]
        try:
            numbers = await storage.put_many(stored)
        except BaseException:
            # They may be stored all the same.
            for lane in dict.fromkeys(lanes):
                lane.invalidate()

            raise

        now = utc_now()
        for number, lane, item, kept in zip(numbers, lanes, chosen, stored, strict=True):
            data = json.loads(kept.body)
            entry = Entry(number, kept.lane, data, kept.label, now, kept.expires)
            lane.append(entry, immediate=item.immediate)

    async def put_events(
        self, events: Sequence[Event], lanes: Callable[[Event], Iterable[str]]
    ) -> dict[int, Exception]:
        """Add events, for the hook ``event_batch``.

        A lane that is full keeps no event from the others.

        :param lanes: returns the names of the lanes that an event goes to
        :return: why an event did not fit into each of its lanes, by its position
        :raises ValueError: if there is no lane of a name; nothing was put
        :raises OutboxError: if they cannot be stored
        """
        found = [[Item(event, name) for name in lanes(event)] for event in events]
        with suppress(OutboxFull):
            await self.put_many(item for items in found for item in items)
            return {}

        failures: dict[int, Exception] = {}
        for position, item in ((at, item) for at, items in enumerate(found) for item in items):
            try:
                await self.put_many([item])
            except OutboxFull as error:
                failures[position] = error

        return failures

    def read_events(self, entries: Iterable[Entry]) -> list[Event]:
        """Return the events that were put, for ``send``.

        An entry whose type is not known any more, or whose fields do not fit it, raises; if ``send``
        lets that pass, the entry becomes a dead letter, and the others go with the next request.

        :param entries: of events
        """
        events: list[Event] = []
        for entry in entries:
            try:
                events.append(self._events.from_dict(entry.data))
            except EventError as error:
                raise NoEventError(entry, error) from None

        return events

    def resume(self, lane: str | None = None) -> None:
        """Send at once in a lane that has stopped, or that waits because of an outage.

        :param lane: its name; None for all
        """
        for name, one in self._lanes.items():
            if lane in (None, name):
                self._waits.end(name)
                one.resume()

    # The plugin's hooks

    @asynccontextmanager
    async def running(self, bus: Bus, plugin: object) -> AsyncIterator[None]:
        """Deliver while this context is entered: all of a plugin's lifespan.

        On leaving it because the bus closes, what waits is sent without gathering, as far as the
        bus's drain timeout allows. If only the plugin ends, as at a reload, a file keeps what waits
        for the plugin that takes over.

        :param bus: runs the plugin
        :param plugin: whose delivery it is
        :raises OutboxInUse: if another process owns the file
        :raises OutboxError: if the file cannot be opened
        """
        if self._tasks is not None:
            raise RuntimeError("the delivery runs already: each plugin has one of its own")

        self._count_earlier_run()
        self._events = bus.events
        name = bus.plugins.name(plugin)
        self._logger = logging.getLogger(f"lanrage_events.delivery.{name}")
        self._redact = bus.redactor.redact
        storage = self._open(bus, plugin, name)
        storage.drains = True
        kept = bus.state_folder if storage.durable else None
        if kept is not None:
            self._waits = Waits(waits_path(kept, name), self._receivers, self._logger)

        async with storage, anyio.create_task_group() as background:
            background.start_soon(storage.listen, self._reload)
            with ExitStack() as ending:
                ending.callback(self._end, bus, storage)
                async with anyio.create_task_group() as tasks:
                    await self._begin(storage, tasks)
                    self._storage, self._tasks = storage, tasks
                    yield
                    self._finish(bus, storage)

            background.cancel_scope.cancel()

    def health(self) -> Health:
        """Return the health of the delivery, for the hook ``health``."""
        storage = self._storage
        if storage is None:
            return Health("degraded", "the delivery is not running", self._undelivered)

        statistics = storage.statistics()
        undelivered = self._undelivered + statistics.pending + _rejected(statistics)
        return replace(self._health(storage, statistics), undelivered=undelivered)

    def metrics(self) -> list[Metric]:
        """Return the metrics of the lanes and of the outbox, for the hook ``metrics``."""
        waiting = [] if self.outbox is None else outbox_metrics(self.outbox)
        return [*lane_metrics(self._lanes), *waiting]

    @property
    def outbox(self) -> Storage | None:
        """The outbox while the plugin runs, for the hook ``outbox``."""
        return None if self._tasks is None else self._storage

    def statistics(self) -> dict[str, LaneStatistics]:
        """Return what each lane has done since the plugin was made, by its name."""
        return {name: lane.statistics for name, lane in self._lanes.items()}

    # How it runs

    def _open(self, bus: Bus, plugin: object, name: str) -> Storage:
        if self._make_storage is not None:
            return self._make_storage()

        is_durable = getattr(plugin, "durable", False) and bus.state_folder is not None
        return Outbox(
            bus.state_folder / f"{name}.outbox" if is_durable and bus.state_folder else None,
            max_entries=self._max_entries,
            max_entries_per_lane=self._max_per_lane,
        )

    async def _begin(self, storage: Storage, tasks: TaskGroup) -> None:
        records = {name: lane.record for name, lane in self._lanes.items()}
        self._lanes = {}
        for name, record in records.items():
            self._lane(name, storage, tasks, record)

        found = {lane.name: lane.pending for lane in await storage.lanes() if lane.pending}
        for name in self._lanes.keys() - found.keys():
            self._lanes[name].queue.mark_empty()

        for name, pending in found.items():
            if self._names is None or name in self._names:
                lane = self._lane(name, storage, tasks)
                lane.record.recount(pending)
                lane.wake()
            else:
                self._logger.warning(
                    "the outbox keeps %s for %s '%s', which is not configured",
                    counted(pending, "event"),
                    self._what,
                    name,
                )

    def _lane(
        self,
        name: str,
        storage: Storage,
        tasks: TaskGroup,
        record: LaneRecord[LaneStatistics] | None = None,
    ) -> SinkLane:
        if (lane := self._lanes.get(name)) is not None:
            return lane

        if self._names is not None and name not in self._names:
            known = ", ".join(sorted(self._names)) or "none"
            raise ValueError(f"there is no {self._what} '{name}', known are {known}")

        size = self._batch_size
        lane = self._lanes[name] = self._make_lane(
            name,
            storage=storage,
            pacing=Pacing(self._window, immediate=self._immediate),
            record=record or LaneRecord(LaneStatistics()),
            task_group=tasks,
            logger=self._logger,
            batch_size=size.get(name, 1) if isinstance(size, Mapping) else size,
            redact=self._redact,
            waits=self._waits,
        )
        lane.restore_wait()
        return lane

    def _reload(self) -> None:
        """Read the outbox again, which others have changed."""
        for lane in self._lanes.values():
            lane.reload()

        if self._tasks is not None and self._storage is not None:
            self._tasks.start_soon(self._open_lanes, self._storage, self._tasks)

    async def _open_lanes(self, storage: Storage, tasks: TaskGroup) -> None:
        """Open lanes in which others have put what a lane had rejected, or another one held."""
        try:
            found = await storage.lanes()
        except OutboxError as error:
            self._logger.error("the lanes of the outbox cannot be read: %s", error)
            return

        for name in (lane.name for lane in found if lane.pending and lane.name not in self._lanes):
            if self._names is None or name in self._names:
                self._lane(name, storage, tasks).wake()

    def _finish(self, bus: Bus, storage: Storage) -> None:
        """Let the lanes send what they can, or leave it to the plugin that takes over."""
        seconds = bus.plugins.drain_timeout
        if storage.durable and not bus.closing:
            for lane in self._lanes.values():
                lane.hand_over()

            return

        if storage.durable:
            seconds -= min(LAST_REQUEST_SECONDS, seconds / 2)

        # Without a limit, the bus ends once everything is delivered.
        hold = storage.durable and seconds < float("inf")
        for lane in self._lanes.values():
            lane.finish(anyio.current_time() + seconds, hold=hold)

    def _end(self, bus: Bus, storage: Storage) -> None:
        for lane in self._lanes.values():
            lane.close()

        self._tasks = None
        waiting = storage.statistics().pending
        if not waiting:
            return

        what = f"{counted(waiting, 'event')} {'is' if waiting == 1 else 'are'}"
        if not storage.durable:
            self._logger.error("%s lost: they were kept in memory only", what)
        elif bus.closing:
            self._logger.warning("%s kept in the outbox for the next start", what)
        else:
            self._logger.info("%s handed over in the outbox", what)

    def _count_earlier_run(self) -> None:
        storage, self._storage = self._storage, None
        if storage is not None:
            statistics = storage.statistics()
            lost = 0 if storage.durable else statistics.pending
            self._undelivered += _rejected(statistics) + lost

    def _health(self, storage: Storage, statistics: OutboxStatistics) -> Health:
        if dead := self._reasons(LaneState.DEAD):
            return Health("failed", dead)

        if storage.problem is not None:
            return Health("degraded", str(storage.problem))

        pending = counted(statistics.pending, "event")
        if retrying := self._reasons(LaneState.RETRYING):
            return Health("degraded", f"{pending} waiting: {retrying}")

        waits = self._reasons(LaneState.WAITING)
        longest = max((lane.waits or 0.0 for lane in self._lanes.values()), default=0.0)
        if longest > LONG_WAIT_SECONDS:
            return Health("degraded", f"{pending} waiting: {waits}")

        if statistics.dead:
            return Health("degraded", f"rejected for good: {counted(statistics.dead, 'event')}")

        return Health(detail=waits)

    def _reasons(self, state: LaneState) -> str:
        lanes = [lane for lane in self._lanes.values() if lane.state is state and lane.reason]
        return "; ".join(f"{lane.title}: {lane.reason}" for lane in lanes)


def _check_send(send: object) -> None:
    """Check that a function may be called with entries, and that what it returns may be awaited.

    :raises TypeError: if not
    """
    if not callable(send):
        raise TypeError(f"send must be an async function of the entries, not {send!r}")

    if isgeneratorfunction(send) or isasyncgenfunction(send):
        raise TypeError("send is a generator, which would never run: return an Outcome")

    with suppress(ValueError, NameError):  # a builtin may have no signature
        try:
            signature(send).bind(())
        except TypeError as error:
            raise TypeError(
                f"send is called with one argument, the entries, but cannot be: {error}"
            ) from None


def _rejected(statistics: OutboxStatistics) -> int:
    """Count the entries that were rejected in this run, less those retried or dropped since."""
    return min(statistics.dead_lettered, statistics.dead + statistics.forgotten)
