"""Ingest: the events of a request are validated, deduplicated and published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventDecodeError
from lanrage_events.abc import Bus
from lanrage_events.cli import error_text
from lanrage_events.events import EventRegistry, FieldProblem

from .deduplication import Deduplicator, InFlight
from .values import Slices

_MAX_FIELDS = 100
_MAX_ID_SHOWN = 64
"""characters; the answer does not repeat longer ids of invalid events"""
_MAX_PROBLEMS_OF_EVENT = 20
_MAX_PROBLEMS = 200
"""of all events of a request; beyond them, the first of each event is described"""


@dataclass(frozen=True, slots=True)
class InvalidEvent:
    """A value that is not an event."""

    id: str | None
    problems: Sequence[FieldProblem]


@dataclass(frozen=True, slots=True)
class FailedEvent:
    """A valid event that was not accepted."""

    id: str
    reason: str


class EventsNotTaken(Exception):
    """Raised when not all events of a request were accepted.

    :param count: the number of events in the request
    :param ids: of the accepted events
    :param repeated: the ids that were accepted before
    :param invalid: by position: what is not an event
    :param failed: by position: what may be sent again
    :param is_atomic: whether none is accepted if one of them is not valid
    """

    def __init__(
        self,
        count: int,
        ids: Sequence[str],
        repeated: Sequence[str],
        invalid: Mapping[int, InvalidEvent],
        failed: Mapping[int, FailedEvent],
        *,
        is_atomic: bool,
    ) -> None:
        self.ids = ids
        self.repeated = repeated
        self.invalid = invalid
        self.failed = failed
        super().__init__(self._describe_one() if count == 1 else self._describe(count, is_atomic))

    def _describe_one(self) -> str:
        for failed in self.failed.values():
            return f"the event could not be taken and may be sent again: {failed.reason}"

        return f"the event is not valid: {self.invalid[0].problems[0]}"

    def _describe(self, count: int, is_atomic: bool) -> str:
        parts: list[str] = []
        invalid, failed = len(self.invalid), len(self.failed)
        if invalid:
            parts.append(f"{invalid} of {count} events {'is' if invalid == 1 else 'are'} not valid")

        if failed:
            reason = next(iter(self.failed.values())).reason
            parts.append(f"{failed} of {count} could not be taken and may be sent again: {reason}")
        elif is_atomic:
            parts.append("so none was taken")
        elif invalid < count:
            parts.append("the others were taken")

        return ", ".join(parts)


class Received:
    """The events of a request, by position.

    :param registry: creates events
    :param is_strict: whether an event with a field that its type does not have is not valid
    """

    def __init__(self, registry: EventRegistry, *, is_strict: bool) -> None:
        self.events: dict[int, Event] = {}
        self.invalid: dict[int, InvalidEvent] = {}
        self.dropped: dict[int, list[FieldProblem]] = {}
        """the fields that were dropped, since the type of the event does not have them"""
        self.with_id: set[int] = set()
        """the positions of the events whose id came with the request"""
        self._decode = registry.from_dict
        self._is_strict = is_strict
        self._problems_left = _MAX_PROBLEMS
        self._max_problems = _MAX_PROBLEMS_OF_EVENT
        self._slices = Slices()

    async def add_all(self, values: Iterable[Any]) -> None:
        """Add JSON values that should be events; other tasks may run meanwhile."""
        for value in values:
            if not self._add(value):
                # Finding out what was meant is slow.
                await checkpoint()
            elif self._slices.is_over:
                await self._slices.pause()

    def _add(self, value: Any) -> bool:
        """Add a value; return whether that was quick."""
        index = len(self.events) + len(self.invalid)
        dropped: list[FieldProblem] = []
        is_object = isinstance(value, dict)
        try:
            if is_object and len(value) > _MAX_FIELDS:
                raise _too_many_fields(value)

            self.events[index] = self._decode(
                value,
                max_problems=self._max_problems,
                on_unknown=None if self._is_strict else dropped.append,
            )
        except EventDecodeError as error:
            id = value.get("id") if is_object else None
            id = id if isinstance(id, str) and len(id) <= _MAX_ID_SHOWN else None
            self.invalid[index] = InvalidEvent(id, error.problems)
            self._count_problems(error.problems)
            return False

        if "id" in value:
            self.with_id.add(index)

        if dropped:
            self.dropped[index] = dropped
            self._count_problems(dropped)

        return not dropped

    def _count_problems(self, problems: Sequence[FieldProblem]) -> None:
        self._problems_left -= len(problems)
        self._max_problems = max(1, min(self._problems_left, _MAX_PROBLEMS_OF_EVENT))


class EventTaker:
    """Publishes the events of requests, each id once.

    :param bus: the bus to publish to
    :param deduplicator: remembers ids
    :param source: the name of what takes the events in
    """

    def __init__(self, bus: Bus, deduplicator: Deduplicator, source: str) -> None:
        self._bus = bus
        self._deduplicator = deduplicator
        self._source = source

    async def take(self, received: Received, *, is_atomic: bool) -> tuple[list[str], list[str]]:
        """Publish events and wait until every durable plugin has them.

        :param received: the events of a request
        :param is_atomic: whether to publish none if one of them is not valid
        :returns: the ids, and those that were accepted before
        :raises EventsNotTaken: if not all of them were accepted
        """
        events, invalid = received.events, received.invalid
        count = len(events) + len(invalid)
        if invalid and is_atomic:
            events.clear()

        # There is no checkpoint from here to the call of publish.
        request = InFlight()
        repeated: set[int] = set()
        elsewhere: dict[int, InFlight] = {}
        own: dict[int, Event] = {}
        named: list[int] = []
        for index, event in events.items():
            if index not in received.with_id:
                own[index] = event
            elif (other := self._deduplicator.in_flight(event.id)) is not None:
                elsewhere[index] = other
            elif self._deduplicator.was_taken(event.id):
                repeated.add(index)
            else:
                self._deduplicator.begin(event.id, request)
                named.append(index)
                own[index] = event

        errors = await self._publish(request, own, named) if own else {}
        for index, other in elsewhere.items():
            if not other.done.is_set():
                await other.done.wait()

            id = events[index].id
            if id in other.failures:
                errors[index] = other.failures[id]
            else:
                repeated.add(index)

        ids = [event.id for index, event in events.items() if index not in errors]
        if ids:
            self._bus.record_input(self._source)

        repeats = [event.id for index, event in events.items() if index in repeated]
        if not invalid and not errors:
            return ids, repeats

        failed = {i: FailedEvent(events[i].id, _reason(errors[i])) for i in sorted(errors)}
        raise EventsNotTaken(count, ids, repeats, invalid, failed, is_atomic=is_atomic)

    async def _publish(
        self, request: InFlight, events: Mapping[int, Event], named: Sequence[int]
    ) -> dict[int, Exception]:
        """Publish events; return the errors by position.

        :param named: the positions of events whose ids are in the request
        """
        outcomes: Mapping[int, Exception | None] = dict.fromkeys(events, _Interrupted())
        try:
            errors = await self._bus.publish_many_and_wait(list(events.values()), plugins="durable")
            outcomes = dict(zip(events, errors, strict=True))
        finally:
            # Before the answer, since the caller may rely on the ids from then on, also after a restart.
            named_outcomes = {events[index].id: outcomes[index] for index in named}
            self._deduplicator.finish(request, named_outcomes)

        return {index: error for index, error in outcomes.items() if error is not None}


class _Interrupted(Exception):
    def __str__(self) -> str:
        return "the request that sent it first was interrupted"


def _too_many_fields(value: Mapping[str, Any]) -> EventDecodeError:
    message = f"{len(value):,} fields are more than an event has, at most {_MAX_FIELDS}"
    return EventDecodeError(None, [FieldProblem("", message)])


def _reason(error: Exception) -> str:
    return "; ".join(dict.fromkeys(_texts(error)))


def _texts(error: Exception) -> Iterator[str]:
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _texts(inner)
    elif isinstance(error, anyio.ClosedResourceError):
        yield "the bus is closing"
    else:
        yield error_text(error) or type(error).__name__
