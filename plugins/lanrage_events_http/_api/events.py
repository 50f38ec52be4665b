"""The operations that publish events, list event types and follow the live feed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from starlette.responses import Response

from lanrage_events import EventDecodeError
from lanrage_events.abc import Bus
from lanrage_events.events import FieldProblem, sample_event_fields

from .._config import HTTPConfig
from .._feed import HEARTBEAT_SECONDS, RING_SIZE, Feed, FeedClient, StreamResponse
from .._problem import Problem, error_list, hint, json_response, shorten
from .._server import JSON_LINES, JSON_TYPE, Shares, TrustedProxies, access_of
from .deduplication import Deduplicator
from .event_schemas import EventSchemas
from .ingest import EventsNotTaken, EventTaker, Received
from .models import (
    MAX_EVENTS,
    EventsProblem,
    EventsTaken,
    EventTypeEntry,
    EventTypes,
    PreviewEntry,
    PreviewProblem,
    PreviewRequest,
    Previews,
    PublishQuery,
    StreamQuery,
)
from .operation import RETRY_AFTER, Call, Operation, check_media_type
from .values import MAX_VALUE_BYTES, read_array, read_at_once, read_body, read_lines

EVENT_STREAM = "text/event-stream"
_MAX_PROBLEMS = 20


def event_operations(
    bus: Bus,
    feed: Feed,
    config: HTTPConfig,
    schemas: EventSchemas,
    stopping: anyio.Event,
    deduplicator: Deduplicator | None = None,
    source: str = "http",
) -> list[Operation]:
    """Return the operations on events.

    :param feed: the live feed
    :param schemas: of the event types
    :param stopping: set when the server stops, which ends the streams
    :param deduplicator: with the ids of earlier runs; by default there are none
    :param source: the name under which the bus records that events came in
    """
    if deduplicator is None:
        deduplicator = Deduplicator(config.repeat_window)

    taker = EventTaker(bus, deduplicator, source)
    shares = Shares(
        config.max_streams, TrustedProxies(config.proxies()), "clients of the live feed"
    )
    api = _EventsAPI(bus, feed, shares, taker, schemas, stopping)
    get = partial(Operation, method="GET", group="events")
    return [
        Operation(
            method="POST",
            path="/api/events",
            name="publishEvents",
            scope="publish",
            group="events",
            description=(
                "Publish one event, an array of events, or one event in each line. The answer comes "
                "when every durable plugin has them, so that they survive a crash. Events that are "
                "not valid are rejected, and the others of the request are accepted, unless the "
                "request is atomic. Fields that an event type does not have are dropped and named in "
                "the answer, unless the request is strict. An event whose id was accepted within `repeat_window` is not "
                f"published again. A request has at most {MAX_EVENTS:,} events, each of "
                f"{MAX_VALUE_BYTES:,} bytes at most."
            ),
            handler=api.publish,
            query=PublishQuery,
            takes_events=True,
            responses={202: EventsTaken},
            errors={
                400: "the body is not JSON: no event was accepted",
                413: "the body is too large, or has too many events: no event was accepted",
                415: "the body is neither JSON nor JSON lines",
                422: "events are not valid; those that are valid were accepted, unless the request "
                "is atomic",
                503: "durable plugins could not accept events; they may be sent again with the "
                "same ids",
            },
            problems={422: EventsProblem, 503: EventsProblem},
        ),
        get(
            path="/api/events/types",
            name="getEventTypes",
            scope=None,
            description=(
                "Return the event types that can be published, with the JSON Schema of each."
            ),
            handler=api.types,
            responses={200: EventTypes},
        ),
        Operation(
            method="POST",
            path="/api/events/preview",
            name="previewEvent",
            scope="read",
            group="events",
            description=(
                "Return what plugins would send for an event. It is not published, and nothing is "
                "sent. Templates are read again."
            ),
            handler=api.preview,
            request=PreviewRequest,
            responses={200: Previews},
            errors={422: "it is not a valid event"},
        ),
        get(
            path="/api/events/stream",
            name="streamEvents",
            scope="read",
            description=(
                "Follow the events of the bus as server-sent events: the name is the event type, "
                f"the data the event. With `Last-Event-ID`, the missed ones of the last {RING_SIZE} "
                "events come first, after an event `gap` if others are missing. A client that is "
                "too slow gets an event `overrun`, and the stream ends. A comment comes every "
                f"{HEARTBEAT_SECONDS:g} seconds without events."
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
    shares: Shares
    taker: EventTaker
    schemas: EventSchemas
    stopping: anyio.Event

    async def publish(self, call: Call) -> Response:
        media_type = check_media_type(call.request, (JSON_TYPE, *JSON_LINES))
        is_lines = media_type in JSON_LINES
        body = await read_body(call.request)
        received = Received(self.bus.events, is_strict=call.query.strict)
        values = read_at_once(body, is_lines=is_lines)
        if values is not None:
            await received.add_all(values)
        else:
            read = read_lines if is_lines else read_array
            async with aclosing(read(body)) as slowly:
                async for value in slowly:
                    await received.add_all((value,))

        try:
            ids, repeated = await self.taker.take(received, is_atomic=call.query.atomic)
        except EventsNotTaken as error:
            raise _problem_of(error, self._dropped(received)) from None

        return json_response({"ids": ids, "repeated": repeated, **self._dropped(received)}, 202)

    def _dropped(self, received: Received) -> dict[str, Any]:
        """Return the member of an answer that names the dropped fields, if there are any."""
        dropped = [
            {"index": index, "id": received.events[index].id, "fields": error_list(fields)}
            for index, fields in received.dropped.items()
            if index in received.events
        ]
        return {"dropped": self.bus.redactor.redact_value(dropped)} if dropped else {}

    async def types(self, call: Call) -> EventTypes:
        types = [
            EventTypeEntry(
                type=name,
                distribution=self.bus.events.distribution(name),
                description=schema["description"],
                schema=schema,
                sample=_sample(schema),
            )
            for name, schema in self.schemas.all().items()
        ]
        return EventTypes(types=types)

    async def preview(self, call: Call) -> Previews:
        try:
            values = {**call.body.fields, "type": call.body.type}
            event = self.bus.events.from_dict(values, max_problems=_MAX_PROBLEMS)
        except EventDecodeError as error:
            raise Problem(422, "the event is not valid", errors=error.problems) from None

        found = self.bus.plugins.preview(event)
        return Previews(
            plugins=list(found),
            previews=[
                PreviewEntry(
                    plugin=name,
                    title=preview.title,
                    text=preview.text,
                    json=preview.json,
                    problems=[
                        PreviewProblem(message=str(problem), warning=problem.warning)
                        for problem in preview.problems
                    ],
                )
                for name, previews in found.items()
                for preview in previews
            ],
        )

    async def stream(self, call: Call) -> StreamResponse:
        query: StreamQuery = call.query
        self._check_types(query.type)
        client = call.request.client
        address = client.host if client else ""
        lack = self.shares.lack(address)
        if lack is None and self.feed.is_full:
            lack = f"all {self.feed.clients} clients of the live feed are connected"

        if lack is not None:
            detail = f"{lack}: close one, or raise 'max_streams'"
            raise Problem(503, detail, headers=RETRY_AFTER)

        last_event_id = call.request.headers.get("last-event-id", query.last_event_id)
        session = access_of(call.request.scope).session
        ends = [self.stopping] if session is None else [self.stopping, session.ended]
        return StreamResponse(self._open(address, query.type, last_event_id), ends)

    @contextmanager
    def _open(
        self, address: str, types: Sequence[str], last_event_id: str | None
    ) -> Iterator[FeedClient]:
        with self.shares.holding(address), self.feed.open(types, last_event_id) as client:
            yield client

    def _check_types(self, names: Iterable[str]) -> None:
        known = self.bus.events.names()
        errors = [
            FieldProblem("type", f"unknown event type '{shorten(name)}'{hint(name, known)}")
            for name in names
            if name not in known
        ]
        if errors:
            raise Problem(422, errors[0].message, errors=errors)


def _problem_of(error: EventsNotTaken, members: Mapping[str, Any]) -> Problem:
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
        **members,
    )


def _sample(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Make up values for the fields of an event; a plugin's schema may say anything."""
    try:
        return sample_event_fields(schema, optional=True)
    except Exception:  # noqa: BLE001 - the type can be published all the same
        return {}
