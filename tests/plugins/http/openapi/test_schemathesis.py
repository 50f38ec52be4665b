"""Every operation is called with what its description allows, and with what it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from lanrage_events import EventBus, hookimpl
from lanrage_events.http import Route, RouteError, RouteRequest
from lanrage_events.outbox import Outbox
from lanrage_events_http import HTTPConfig
from lanrage_events_http._app import make_app
from lanrage_events_http._feed import Feed

pytestmark = pytest.mark.real_clock


class Letter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=100)
    copies: int = Field(default=1, ge=1, le=10)


class Choice(BaseModel):
    urgent: bool = False
    after: int | None = None


class Sent(BaseModel):
    id: str
    letters: list[Letter]


class Post:
    """A third party's plugin with an outbox and routes of every kind."""

    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self._outbox = Outbox()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        async with self._outbox:
            for number in range(5):
                await self._outbox.put("main", f'{{"number": {number}}}', label="peer_joined")

            yield

    @hookimpl
    def outbox(self) -> Outbox:
        return self._outbox

    @hookimpl
    def http_routes(self) -> list[Route]:
        return [
            Route(method="GET", path="/", handler=self.list, query=Choice, response=Sent),
            Route(
                method="PUT",
                path="/letters/{id}",
                handler=self.send,
                request=Letter,
                response=Sent,
                errors={409: "the letter has been sent"},
            ),
            Route(method="DELETE", path="/letters/{id}/{page}", handler=self.drop),
        ]

    async def list(self, request: RouteRequest) -> Sent:
        """Return all letters."""
        return Sent(id="all", letters=[])

    async def send(self, request: RouteRequest) -> Sent:
        """Send a letter."""
        if len(request.path["id"]) > 3:
            raise RouteError(409, "it has been sent")

        return Sent(id=request.path["id"], letters=[request.body])

    async def drop(self, request: RouteRequest) -> None:
        """Drop a page of a letter."""


class Application:
    """The real application, with a bus that runs as long as it does."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
            return

        await receive()
        async with EventBus() as bus:
            await bus.plugins.register_and_wait(Post(), "post")
            stopping = anyio.Event()
            # So that streams end at once.
            stopping.set()
            config = HTTPConfig(allowed_hosts=("testserver",))
            self._app = make_app(bus, config, Feed(bus.redactor), stopping=stopping, port=8666)
            await send({"type": "lifespan.startup.complete"})
            await receive()

        await send({"type": "lifespan.shutdown.complete"})


@pytest.fixture
def schema() -> Iterator[Any]:
    # Imported here, because that takes longer than most tests of a fast run together.
    import schemathesis
    from schemathesis.python.asgi import shutdown_lifespans

    try:
        yield schemathesis.openapi.from_asgi("/api/openapi.json", Application())
    finally:
        shutdown_lifespans()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_operation_keeps_to_its_description(schema: Any, mode: str) -> None:
    from schemathesis.checks import CheckFunction, not_a_server_error
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks: list[CheckFunction] = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
    ]
    called: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if mode == "negative" and not (operation.query or operation.body):
            continue  # there is nothing that could be wrong

        @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
        @settings(
            max_examples=15,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        def call(case: Any) -> None:
            if "plugin" in (case.path_parameters or {}):
                case.path_parameters["plugin"] = "post"

            case.call_and_validate(checks=checks)

        call()
        called.append(operation.label)

    assert {"POST /api/events", "GET /api/post", "PUT /api/post/letters/{id}"} <= set(called)
