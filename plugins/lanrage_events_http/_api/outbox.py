"""The operations on the outboxes of plugins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import anyio

from lanrage_events.abc import Bus
from lanrage_events.outbox import (
    UNTIL_RESUMED,
    DeadLetter,
    Outbox,
    OutboxEntry,
    OutboxError,
    OutboxLane,
)

from .._problem import Problem, hint
from .models import (
    Chosen,
    Count,
    Entries,
    EntriesQuery,
    Entry,
    LaneEntry,
    OutboxList,
    OutboxSummary,
)
from .operation import RETRY_AFTER, Call, Operation

_UNKNOWN = "no plugin of that name has an outbox, or it holds nothing in that lane"
_CLOSED = "the outbox is closed, or cannot be read or written now"
_CLOSED_ERRORS = (anyio.ClosedResourceError, RuntimeError)  # the latter if it was never opened
_ERRORS_OF_CHANGES = {
    400: "the body is not JSON",
    404: _UNKNOWN,
    413: "the body is too large",
    415: "the body is not JSON",
    422: "the body does not choose entries",
    503: _CLOSED,
}


def outbox_operations(bus: Bus) -> list[Operation]:
    """Return the operations on the outboxes of a bus's plugins."""
    api = _OutboxAPI(bus)
    get = partial(Operation, method="GET", group="outbox", scope="read")
    change = partial(
        Operation,
        method="POST",
        group="outbox",
        request=Chosen,
        responses={200: Count},
        errors=_ERRORS_OF_CHANGES,
    )
    return [
        get(
            path="/api/outbox",
            name="getOutboxes",
            description="Return the state of each plugin's outbox, with its lanes.",
            handler=api.outboxes,
            responses={200: OutboxList},
        ),
        get(
            path="/api/outbox/{plugin}/entries",
            name="getOutboxEntries",
            description="Return pending entries and dead letters in the order of their ids.",
            handler=api.entries,
            query=EntriesQuery,
            responses={200: Entries},
            errors={404: _UNKNOWN, 422: "the query is not valid", 503: _CLOSED},
        ),
        change(
            path="/api/outbox/{plugin}/retry",
            name="retryOutboxEntries",
            description="Try to deliver dead letters and deferred entries again.",
            handler=api.retry,
        ),
        change(
            path="/api/outbox/{plugin}/drop",
            name="dropOutboxEntries",
            description="Remove entries and dead letters for good.",
            handler=api.drop,
        ),
    ]


class _OutboxAPI:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def outboxes(self, call: Call) -> OutboxList:
        found = self._outboxes()
        return OutboxList(outboxes=[await _summary(name, found[name]) for name in found])

    async def entries(self, call: Call) -> Entries:
        query: EntriesQuery = call.query
        outbox = self._outbox(call)
        with _reachable():
            await _check_lane(outbox, query.lane)
            found = await _read(outbox, query)

        page = found[: query.limit]
        last = page[-1].id if len(found) > len(page) else None
        return Entries(entries=[_entry(entry) for entry in page], next=last)

    async def retry(self, call: Call) -> Count:
        return await self._change(call, Outbox.retry, Outbox.retry_lane)

    async def drop(self, call: Call) -> Count:
        return await self._change(call, Outbox.drop, Outbox.drop_lane)

    async def _change(
        self,
        call: Call,
        change: Callable[[Outbox, Sequence[int]], Awaitable[int]],
        change_lane: Callable[[Outbox, str], Awaitable[int]],
    ) -> Count:
        chosen: Chosen = call.body
        outbox = self._outbox(call)
        with _reachable():
            if chosen.lane is None:
                return Count(count=await change(outbox, chosen.ids or ()))

            await _check_lane(outbox, chosen.lane)
            return Count(count=await change_lane(outbox, chosen.lane))

    def _outboxes(self) -> dict[str, Outbox | None]:
        answers = self._bus.query("outbox")
        return {
            name: outbox
            for name, outbox in answers.items()
            if outbox is None or isinstance(outbox, Outbox)
        }

    def _outbox(self, call: Call) -> Outbox:
        name = call.request.path_params["plugin"]
        outboxes = self._outboxes()
        if name not in outboxes:
            detail = f"no plugin '{name}' has an outbox{hint(name, list(outboxes))}"
            raise Problem(404, detail)

        outbox = outboxes[name]
        if outbox is None:
            raise _closed(f"the outbox of plugin '{name}' is closed now")

        return outbox


async def _summary(name: str, outbox: Outbox | None) -> OutboxSummary:
    if outbox is None:
        return _without_lanes(name, "it is closed now")

    try:
        lanes = await outbox.lanes()
        statistics = outbox.statistics()
    except OutboxError as error:
        return _without_lanes(name, str(error))
    except _CLOSED_ERRORS:
        return _without_lanes(name, "it is closed now")

    return OutboxSummary(
        plugin=name,
        pending=statistics.pending,
        dead=statistics.dead,
        oldest=statistics.oldest,
        problem=str(outbox.problem) if outbox.problem is not None else None,
        lanes=[_lane(lane) for lane in lanes],
    )


def _without_lanes(name: str, problem: str) -> OutboxSummary:
    return OutboxSummary(plugin=name, pending=0, dead=0, oldest=None, problem=problem, lanes=[])


def _lane(lane: OutboxLane) -> LaneEntry:
    is_until_resumed = lane.postponed_until == UNTIL_RESUMED
    return LaneEntry(
        name=lane.name,
        pending=lane.pending,
        dead=lane.dead,
        oldest=lane.oldest,
        postponed_until=None if is_until_resumed else lane.postponed_until,
        until_resumed=is_until_resumed,
        last_error=lane.last_error,
    )


def _entry(entry: OutboxEntry) -> Entry:
    is_dead = isinstance(entry, DeadLetter)
    return Entry(
        id=entry.id,
        lane=entry.lane,
        label=entry.label,
        put=entry.put_time,
        attempts=entry.attempts,
        kind="dead" if is_dead else "pending",
        reason=entry.reason if isinstance(entry, DeadLetter) else entry.last_error,
        detail=entry.detail if isinstance(entry, DeadLetter) else "",
        expires=entry.expires,
        body=entry.body,
    )


async def _read(outbox: Outbox, query: EntriesQuery) -> Sequence[OutboxEntry]:
    """Return a page of entries, and one entry more if there is one."""
    found: list[OutboxEntry] = []
    limit = query.limit + 1
    if query.kind != "dead":
        found += await outbox.pending(query.lane, after=query.after, limit=limit)

    if query.kind != "pending":
        found += await outbox.dead_letters(query.lane, after=query.after, limit=limit)

    # An entry that was retried between the two calls is in both.
    return sorted({entry.id: entry for entry in found}.values(), key=lambda entry: entry.id)


async def _check_lane(outbox: Outbox, name: str | None) -> None:
    if name is None:
        return

    lanes = [lane.name for lane in await outbox.lanes()]
    if name not in lanes:
        detail = f"the outbox holds nothing in lane '{name}'{hint(name, lanes)}"
        raise Problem(404, detail)


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except OutboxError as error:
        raise _closed(str(error)) from None
    except _CLOSED_ERRORS:
        raise _closed("the outbox is closed now") from None


def _closed(detail: str) -> Problem:
    return Problem(503, detail, headers=RETRY_AFTER)
