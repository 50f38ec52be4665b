from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from starlette.responses import Response

from lanrage_events.abc import Bus
from lanrage_events.events import FieldProblem

from .._config import HTTPConfig
from .._feed import HEARTBEAT_SECONDS, RING_SIZE, Feed, StreamResponse
from .._problem import Problem, error_list, hint, shorten
from .deduplication import Deduplicator
from .event_schemas import EventSchemas
from .ingest import EventsNotTaken, EventTaker
from .models import (
    MAX_EVENTS,
    EventsProblem,
    EventsTaken,
    EventTypeEntry,
    EventTypes,
    PublishQuery,
    StreamQuery,
)
from .operation import JSON_TYPE, RETRY_AFTER, Call, Operation, check_media_type, decode, parse_json

EVENT_STREAM = "text/event-stream"
JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")


def event_operations(
    bus: Bus, feed: Feed, config: HTTPConfig, schemas: EventSchemas, stopping: anyio.Event
) -> list[Operation]:
    """Return the operations by which events come in and go out.

    :param bus: where they go
    :param feed: where they come from
    :param config: says how long a repeated id is known
    :param schemas: of the event types
    :param stopping: set when the server stops, which ends the streams
    """
    taker = EventTaker(bus, Deduplicator(config.repeat_window))
    api = _EventsAPI(bus, feed, taker, schemas, stopping)
    get = partial(Operation, method="GET", group="events")
    return [
        Operation(
            method="POST",
            path="/api/events",
            name="publishEvents",
            group="events",
            description=(
                "Publish one event, an array of them, or one in each line. It answers when every "
                "durable plugin has them, so that they survive a crash. Events that are not valid "
                "are refused, and the others of the request are taken, unless the request is "
                "atomic. An event whose id was taken within `repeat_window` is not published "
                f"again. One request brings at most {MAX_EVENTS:,} events."
            ),
            handler=api.publish,
            query=PublishQuery,
            takes_events=True,
            responses={202: EventsTaken},
            errors={
                400: "the body is not JSON: nothing was taken",
                413: "the body is too large, or brings too many events: nothing was taken",
                415: "the body is neither JSON nor JSON lines",
                422: "events are not valid; those that are were taken, unless the request is "
                "atomic",
                503: "durable plugins could not take events, which may be sent again with the "
                "same ids",
            },
            problems={422: EventsProblem, 503: EventsProblem},
        ),
        get(
            path="/api/events/types",
            name="getEventTypes",
            description=(
                "Return the event types that can be published, with the JSON Schema of each."
            ),
            handler=api.types,
            responses={200: EventTypes},
        ),
        get(
            path="/api/events/stream",
            name="streamEvents",
            description=(
                "Follow the events of the bus as server-sent events: the name is the event type, "
                f"the data the event. The last {RING_SIZE} can be had again by `Last-Event-ID`; an "
                "event `gap` comes before them if others are missing. A client that is too slow "
                "gets an event `overrun`, and the stream ends. A comment comes every "
                f"{HEARTBEAT_SECONDS:g} seconds."
            ),
            handler=api.stream,
            query=StreamQuery,
            lists=frozenset({"type"}),
            responses={200: (EVENT_STREAM,)},
            errors={422: "an event type is not known", 503: "too many clients follow the feed"},
        ),
    ]


@dataclass(frozen=True, slots=True)
class _EventsAPI:
    bus: Bus
    feed: Feed
    taker: EventTaker
    schemas: EventSchemas
    stopping: anyio.Event

    async def publish(self, call: Call) -> Response:
        media_type = check_media_type(call.request, (JSON_TYPE, *JSON_LINES))
        values = _parse(decode(await call.request.body()), media_type)
        try:
            ids, repeated = await self.taker.take(values, is_atomic=call.query.atomic)
        except EventsNotTaken as error:
            raise _problem_of(error) from None

        content = json.dumps({"ids": ids, "repeated": repeated})
        return Response(content, 202, media_type=JSON_TYPE)

    async def types(self, call: Call) -> EventTypes:
        types = [
            EventTypeEntry(
                type=name,
                distribution=self.bus.events.distribution(name),
                description=schema["description"],
                schema=schema,
            )
            for name, schema in self.schemas.all().items()
        ]
        return EventTypes(types=types)

    async def stream(self, call: Call) -> StreamResponse:
        query: StreamQuery = call.query
        self._check_types(query.type)
        if self.feed.is_full:
            detail = f"{self.feed.clients} clients follow the feed, and no more may"
            detail += ": close one, or raise 'max_streams'"
            raise Problem(503, detail, headers=RETRY_AFTER)

        last_event_id = call.request.headers.get("last-event-id", query.last_event_id)
        return StreamResponse(self.feed.open(query.type, last_event_id), self.stopping)

    def _check_types(self, names: Iterable[str]) -> None:
        known = self.bus.events.names()
        errors = [
            FieldProblem("type", f"unknown event type '{shorten(name)}'{hint(name, known)}")
            for name in names
            if name not in known
        ]
        if errors:
            raise Problem(422, errors[0].message, errors=errors)


def _parse(text: str, media_type: str) -> list[Any]:
    """Return the values that a body holds: one object, an array of them, or one a line.

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


def _problem_of(error: EventsNotTaken) -> Problem:
    return Problem(
        503 if error.failed else 422,
        str(error),
        headers=RETRY_AFTER if error.failed else None,
        taken=error.ids,
        repeated=error.repeated,
        refused=[
            {"index": index, "id": event.id, "errors": error_list(event.problems)}
            for index, event in error.invalid.items()
        ],
        failed=[
            {"index": index, "id": event.id, "reason": shorten(event.reason)}
            for index, event in error.failed.items()
        ],
    )
