"""Takes the events of one request: checks them, publishes them once, and says what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventDecodeError, FieldProblem
from lanrage_events.abc import Bus

from .._problem import Problem, error_list, shorten
from .deduplication import Attempt, Repeats
from .models import MAX_EVENTS
from .operation import parse_json

JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
_MAX_FIELDS = 100
RETRY_SECONDS = 5
"""what a client is told to wait when an event could not be taken"""


def parse_body(text: str, media_type: str) -> list[Any]:
    """Return the values that a body holds: one object, an array of them, or one a line.

    :param text: what came in
    :param media_type: what it is
    :raises Problem: if it is not JSON, or if they are too many
    """
    if media_type in JSON_LINES:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        _check_count(len(lines))
        return [parse_json(line, number) for number, line in lines]

    data = parse_json(text)
    values: list[Any] = data if isinstance(data, list) else [data]
    _check_count(len(values))
    return values


def _check_count(count: int) -> None:
    if count > MAX_EVENTS:
        detail = f"{count:,} events are more than the {MAX_EVENTS:,} that one request may bring"
        raise Problem(413, f"{detail}: send them in several requests")


@dataclass(slots=True)
class _Batch:
    """The events of one request, by their positions."""

    events: dict[int, Event] = field(default_factory=dict)
    """those that are valid"""
    invalid: dict[int, tuple[str | None, Sequence[FieldProblem]]] = field(default_factory=dict)
    """the others: their ids and what is wrong with them"""
    own: list[int] = field(default_factory=list)
    """those to publish"""
    named: list[int] = field(default_factory=list)
    """those of them whose ids came with the request"""
    repeated: set[int] = field(default_factory=set)
    waited_for: dict[int, Attempt] = field(default_factory=dict)
    """those that somebody takes already, this request included"""
    failed: dict[int, Exception | None] = field(default_factory=dict)
    """why they were not taken; None if whoever took them was interrupted"""


class EventTaker:
    """Takes events that come in by requests, each id once.

    :param bus: where they go
    :param repeats: knows which were taken
    """

    def __init__(self, bus: Bus, repeats: Repeats) -> None:
        self._bus = bus
        self._repeats = repeats

    async def take(self, values: list[Any], *, is_atomic: bool) -> dict[str, Any]:
        """Publish events and wait until every durable plugin has them.

        :param values: what should be events
        :param is_atomic: whether none is taken if one of them is not valid
        :returns: their ids, and those of them that were taken before
        :raises Problem: if not all of them were taken; it says which
        """
        batch = _Batch()
        await self._decode(values, batch)
        if batch.invalid and is_atomic:
            batch.events.clear()

        attempt = Attempt()
        self._sort(values, batch, attempt)
        await self._publish(batch, attempt)
        for index, other in batch.waited_for.items():
            await other.wait()
            id = batch.events[index].id
            if id in other.failures:
                batch.failed[index] = other.failures[id]
            else:
                batch.repeated.add(index)

        return self._answer(batch, len(values), is_atomic=is_atomic)

    async def _decode(self, values: list[Any], batch: _Batch) -> None:
        decode = self._bus.events.from_dict
        for index, value in enumerate(values):
            try:
                if isinstance(value, dict) and len(value) > _MAX_FIELDS:
                    raise _too_many_fields(value)

                batch.events[index] = decode(value)
            except EventDecodeError as error:
                batch.invalid[index] = _id_of(value), error.problems
                # To find out what was meant takes long, and others want their turn.
                await checkpoint()

    def _sort(self, values: list[Any], batch: _Batch, attempt: Attempt) -> None:
        """Find out which events are new; from here to :meth:`_publish` nothing waits."""
        repeats = self._repeats
        for index, event in batch.events.items():
            if "id" not in values[index]:
                batch.own.append(index)
                continue

            other = repeats.attempt_at(event.id)
            if other is not None:
                batch.waited_for[index] = other
            elif repeats.was_taken(event.id):
                batch.repeated.add(index)
            else:
                repeats.begin(event.id, attempt)
                batch.own.append(index)
                batch.named.append(index)

    async def _publish(self, batch: _Batch, attempt: Attempt) -> None:
        if not batch.own:
            return

        events = [batch.events[index] for index in batch.own]
        try:
            errors = await self._bus.publish_many_and_wait(events, plugins="durable")
        except BaseException:
            self._repeats.give_up(attempt, [batch.events[index].id for index in batch.named])
            raise

        outcomes = dict(zip(batch.own, errors, strict=True))
        batch.failed |= {index: error for index, error in outcomes.items() if error is not None}
        if batch.named:
            named = {batch.events[index].id: outcomes[index] for index in batch.named}
            self._repeats.finish(attempt, named)

    def _answer(self, batch: _Batch, count: int, *, is_atomic: bool) -> dict[str, Any]:
        taken = [index for index in batch.events if index not in batch.failed]
        ids = [batch.events[index].id for index in taken]
        repeated = [batch.events[index].id for index in taken if index in batch.repeated]
        if not batch.invalid and not batch.failed:
            return {"ids": ids, "repeated": repeated}

        refused = [
            {"index": index, "id": id, "errors": error_list(problems)}
            for index, (id, problems) in batch.invalid.items()
        ]
        failed = [
            {"index": index, "id": batch.events[index].id, "reason": _reason(error)}
            for index, error in sorted(batch.failed.items())
        ]
        detail = _detail(count, refused, failed, is_atomic=is_atomic)
        raise Problem(
            503 if failed else 422,
            detail,
            headers=_retry_after() if failed else None,
            taken=ids,
            repeated=repeated,
            refused=refused,
            failed=failed,
        )


def _too_many_fields(value: dict[str, Any]) -> EventDecodeError:
    message = f"{len(value):,} fields are more than an event has, at most {_MAX_FIELDS}"
    return EventDecodeError(None, [FieldProblem("", message)])


def _id_of(value: object) -> str | None:
    id = value.get("id") if isinstance(value, dict) else None
    return id if isinstance(id, str) else None


def _detail(
    count: int, refused: list[dict[str, Any]], failed: list[dict[str, Any]], *, is_atomic: bool
) -> str:
    if count == 1:
        if failed:
            return f"the event could not be taken and may be sent again: {failed[0]['reason']}"

        error = refused[0]["errors"][0]
        place = f"{error['path']}: " if error["path"] else ""
        return f"the event is not valid: {place}{error['message']}"

    parts: list[str] = []
    if refused:
        parts.append(f"{len(refused)} of {count} events {_are(refused)} not valid")

    if failed:
        what = f"{len(failed)} of {count} could not be taken and may be sent again"
        parts.append(f"{what}: {failed[0]['reason']}")
    elif is_atomic:
        parts.append("so none was taken")
    elif len(refused) < count:
        parts.append("the others were taken")

    return ", ".join(parts)


def _are(things: list[Any]) -> str:
    return "is" if len(things) == 1 else "are"


def _reason(error: Exception | None) -> str:
    if error is None:
        return "the request that sent it first was interrupted"

    return shorten("; ".join(dict.fromkeys(_texts(error))))


def _texts(error: Exception) -> Iterator[str]:
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _texts(inner)
    elif isinstance(error, anyio.ClosedResourceError):
        yield "the bus is closing"
    else:
        yield str(error) or type(error).__name__


def _retry_after() -> dict[str, str]:
    return {"Retry-After": str(RETRY_SECONDS)}
