from __future__ import annotations

import json
from collections.abc import Iterable

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from lanrage_events import Event, FieldProblem
from lanrage_events.abc import Bus

from .._config import HTTPConfig
from .._feed import HEARTBEAT_SECONDS, RING_SIZE, Feed, StreamResponse
from .._problem import Problem, hint, json_response, shorten
from .deduplication import Repeats
from .event_schemas import EventSchemas
from .ingest import JSON_LINES, RETRY_SECONDS, EventTaker, parse_body
from .models import (
    MAX_EVENTS,
    EventsProblem,
    EventsTaken,
    EventTypeEntry,
    EventTypes,
    PublishQuery,
    StreamQuery,
)
from .operation import JSON_TYPE, Operation, check_media_type, decode, read_query

EVENT_STREAM = "text/event-stream"

PUBLISH = Operation(
    method="POST",
    path="/api/events",
    name="publishEvents",
    group="events",
    description=(
        "Publish one event, an array of them, or one in each line. It answers when every durable "
        "plugin has them, so that they survive a crash. Events that are not valid are refused, and "
        "the others of the request are taken, unless the request is atomic. An event whose id was "
        "taken within `repeat_window` is not published again. "
        f"One request brings at most {MAX_EVENTS:,} events."
    ),
    query=PublishQuery,
    responses={202: EventsTaken},
    errors={
        400: "the body is not JSON: nothing was taken",
        413: "the body is too large, or brings too many events: nothing was taken",
        415: "the body is neither JSON nor JSON lines",
        422: "events are not valid; those that are were taken, unless the request is atomic",
        503: "durable plugins could not take events, which may be sent again with the same ids",
    },
    problems={422: EventsProblem, 503: EventsProblem},
)
TYPES = Operation(
    method="GET",
    path="/api/events/types",
    name="getEventTypes",
    group="events",
    description="Return the event types that can be published, with the JSON Schema of each.",
    responses={200: EventTypes},
)
STREAM = Operation(
    method="GET",
    path="/api/events/stream",
    name="streamEvents",
    group="events",
    description=(
        "Follow the events of the bus as server-sent events: the name is the event type, the data "
        f"the event. The last {RING_SIZE} can be had again by `Last-Event-ID`; an event `gap` "
        "comes before them if others are missing. A client that is too slow gets an event "
        f"`overrun`, and the stream ends. A comment comes every {HEARTBEAT_SECONDS:g} seconds."
    ),
    query=StreamQuery,
    responses={200: (EVENT_STREAM,)},
    errors={422: "an event type is not known", 503: "too many clients follow the feed"},
)
OPERATIONS = (PUBLISH, TYPES, STREAM)


def event_routes(
    bus: Bus, feed: Feed, config: HTTPConfig, stopping: anyio.Event
) -> list[BaseRoute]:
    """Return the routes by which events come in and go out.

    :param bus: where they go
    :param feed: where they come from
    :param config: says how long a repeated id is known
    :param stopping: set when the server stops, which ends the streams
    """
    api = _EventsAPI(bus, feed, Repeats(config.repeat_window), stopping)
    return [
        PUBLISH.route(api.publish, bus.redactor),
        TYPES.route(api.types, bus.redactor),
        STREAM.route(api.stream, bus.redactor),
    ]


class _EventsAPI:
    def __init__(self, bus: Bus, feed: Feed, repeats: Repeats, stopping: anyio.Event) -> None:
        self._bus = bus
        self._feed = feed
        self._taker = EventTaker(bus, repeats)
        self._schemas = EventSchemas(bus)
        self._stopping = stopping

    async def publish(self, request: Request) -> Response:
        query = read_query(request, PublishQuery)
        media_type = check_media_type(request, (JSON_TYPE, *JSON_LINES))
        values = parse_body(decode(await request.body()), media_type)
        taken = await self._taker.take(values, is_atomic=query.atomic)
        return Response(json.dumps(taken), 202, media_type=JSON_TYPE)

    async def types(self, request: Request) -> Response:
        events = self._bus.events
        types = [
            EventTypeEntry(
                type=name,
                distribution=events.distribution(name),
                description=schema["description"],
                schema=schema,
            )
            for name, schema in self._schemas.all().items()
        ]
        content = EventTypes(types=types).model_dump(mode="json", by_alias=True)
        return json_response(self._bus.redactor.redact_value(content))

    async def stream(self, request: Request) -> StreamResponse:
        query = read_query(request, StreamQuery, lists=frozenset({"type"}))
        self._check_types(query.type)
        if self._feed.is_full:
            detail = f"{self._feed.clients} clients follow the feed, and no more may"
            headers = {"Retry-After": str(RETRY_SECONDS)}
            raise Problem(503, f"{detail}: close one, or raise 'max_streams'", headers=headers)

        last_event_id = request.headers.get("last-event-id", query.last_event_id)
        return StreamResponse(self._feed.open(query.type, last_event_id), self._stopping)

    def _check_types(self, names: Iterable[str]) -> None:
        known = known_types(self._bus.events.types())
        errors = [
            FieldProblem("type", f"unknown event type '{shorten(name)}'{hint(name, known)}")
            for name in names
            if name not in known
        ]
        if errors:
            raise Problem(422, errors[0].message, errors=errors)


def known_types(classes: Iterable[type[Event]]) -> list[str]:
    """Return the names of event types and of the base types that they derive from."""
    bases = (base for cls in classes for base in cls.__mro__ if issubclass(base, Event))
    return list(dict.fromkeys(base.type for base in bases))
