from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import anyio
import httpx
import jsonschema
import pytest
from pydantic import BaseModel, Field, SecretStr
from schemathesis.specs.openapi.definitions import OPENAPI_31
from starlette.applications import Starlette
from starlette.routing import Route as StarletteRoute

from lanrage_events import Event, EventBus, Redactor, hookimpl
from lanrage_events.http import Route, RouteRequest
from lanrage_events.testing import virtual_time
from lanrage_events_http import HTTPConfig
from lanrage_events_http._api import (
    EventSchemas,
    PluginRoutes,
    event_operations,
    outbox_operations,
    status_operations,
)
from lanrage_events_http._app import application
from lanrage_events_http._feed import Feed
from lanrage_events_http._openapi import OpenAPI

SECRET = "geheimnis-0123456789"
PROBLEM = "application/problem+json"

Client = Callable[..., httpx.AsyncClient]


@dataclass(frozen=True, kw_only=True)
class Topping:
    name: str


@dataclass(frozen=True, kw_only=True)
class PizzaArrived(Event):
    """The pizza is here."""

    toppings: tuple[Topping, ...]


class Status(BaseModel):
    """How it is."""

    kind: Literal["good", "bad"] = "good"
    note: str = Field(default=SECRET, examples=[SECRET])


class Webhook(BaseModel):
    webhook_url: SecretStr = SecretStr(SECRET)


class Choice(BaseModel):
    offline: bool = False
    limit: int
    after: int | None = Field(default=None, ge=0, description="only what comes after")


class Post:
    """A plugin with an event type and with routes."""

    def __init__(self, *routes: Route) -> None:
        self.routes = routes

    @hookimpl
    def register_events(self) -> list[type[Event]]:
        return [PizzaArrived]

    @hookimpl
    def http_routes(self) -> Any:
        return self.routes


async def status(request: RouteRequest) -> Status:
    """Tell how it is. It is quick.

    And more.

    :param request: is not looked at
    :returns: the status
    """
    return Status()


async def nothing(request: RouteRequest) -> None:
    pass


ROUTES = (
    Route(method="GET", path="/", handler=status, response=Status),
    Route(
        method="POST",
        path="/webhook/{id}",
        handler=partial(status),
        request=Webhook,
        query=Choice,
        response=Status,
        errors={409: "the configuration says it", 422: "it is no webhook"},
    ),
    Route(method="DELETE", path="/webhook/{id}", handler=nothing),
)


@asynccontextmanager
async def serving(
    client: Client, *, has_token: bool = False, **plugins: object
) -> AsyncIterator[tuple[EventBus, httpx.AsyncClient, Starlette]]:
    redactor = Redactor()
    redactor.add(SECRET)
    async with EventBus(redactor=redactor) as bus:
        for name, plugin in plugins.items():
            await bus.plugins.register_and_wait(plugin, name)

        schemas, of_plugins = EventSchemas(bus), PluginRoutes(bus)
        own = [
            *event_operations(bus, Feed(bus.redactor), HTTPConfig(), schemas, anyio.Event()),
            *status_operations(bus),
            *outbox_operations(bus),
        ]
        openapi = OpenAPI(bus, own, of_plugins.operations, schemas, has_token=has_token)
        app = application([*own, openapi.operation, of_plugins], bus.redactor)
        async with client(app) as http:
            yield bus, http, app


async def describe(client: Client, **options: Any) -> dict[str, Any]:
    async with serving(client, **options) as (_, http, _app):
        response = await http.get("/api/openapi.json")

    assert response.status_code == 200
    assert SECRET not in response.text
    document: dict[str, Any] = response.json()
    return document


def refs(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(refs, value.values()))

    return set().union(*map(refs, value)) if isinstance(value, list) else set()


def look_up(document: Any, ref: str) -> Any:
    assert ref.startswith("#/")
    for part in ref[2:].split("/"):
        document = document[part]

    return document


@pytest.mark.slow
@pytest.mark.parametrize("has_token", [False, True])
@pytest.mark.parametrize("anyio_backend", [virtual_time("asyncio")], ids=["asyncio"])
async def test_the_description_is_valid(client: Client, has_token: bool) -> None:
    document = await describe(client, has_token=has_token, post=Post(*ROUTES))

    jsonschema.Draft202012Validator(OPENAPI_31).validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)

    for ref in refs(document):
        assert look_up(document, ref)


async def test_every_route_is_described_and_every_description_served(client: Client) -> None:
    async with serving(client, post=Post(*ROUTES)) as (_, http, app):
        document = (await http.get("/api/openapi.json")).json()

    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if not path.startswith("/api/post")
    }
    served = {
        (method, route.path)
        for route in app.router.routes
        if isinstance(route, StarletteRoute)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == served


async def test_operations_have_unique_names_and_all_say_what_they_do(client: Client) -> None:
    twice = (
        Route(method="GET", path="/a-b", handler=status),
        Route(method="GET", path="/a/b", handler=status),
    )
    document = await describe(client, post=Post(*ROUTES, *twice))

    operations = [
        operation for operations in document["paths"].values() for operation in operations.values()
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert {"publishEvents", "postPostWebhookId", "postGetAB", "postGetAB2"} <= set(names)
    bare = [operation["operationId"] for operation in operations if "summary" not in operation]
    assert bare == ["postDeleteWebhookId"]


async def test_the_routes_of_plugins_are_described_from_what_serves_them(client: Client) -> None:
    document = await describe(client, post=Post(*ROUTES))

    paths = document["paths"]
    assert set(paths["/api/post"]) == {"get"}
    operation = paths["/api/post/webhook/{id}"]["post"]
    assert operation["tags"] == ["post"]
    assert operation["summary"] == "Tell how it is"
    assert operation["description"] == "Tell how it is. It is quick.\n\nAnd more."
    assert operation["parameters"] == [
        {
            "name": "id",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        },
        {
            "name": "offline",
            "in": "query",
            "required": False,
            "schema": {"type": "boolean", "default": False},
        },
        {"name": "limit", "in": "query", "required": True, "schema": {"type": "integer"}},
        {
            "name": "after",
            "in": "query",
            "required": False,
            "description": "only what comes after",
            "schema": {"type": "integer", "minimum": 0},
        },
    ]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Webhook"}
    responses = operation["responses"]
    assert responses["200"]["description"] == "How it is"
    assert responses["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Status"
    }
    assert responses["409"]["description"] == "the configuration says it"
    assert responses["422"]["description"] == "it is no webhook"
    problem = {"$ref": "#/components/schemas/ProblemDetails"}
    assert responses["409"]["content"] == {PROBLEM: {"schema": problem}}
    assert set(responses) == {
        *("200", "400", "403", "404", "408", "409", "413", "415", "421", "422", "431"),
        *("500", "503"),
    }
    deleted = paths["/api/post/webhook/{id}"]["delete"]["responses"]
    assert deleted["204"] == {"description": "it is done"}
    assert "200" not in deleted


async def test_models_of_one_name_are_distinguished(client: Client) -> None:
    class Other(BaseModel):
        number: int

    Other.__name__ = Other.__qualname__ = "ProblemDetails"

    async def other(request: RouteRequest) -> Other:
        return Other(number=1)

    route = Route(method="GET", path="/other", handler=other, response=Other)
    document = await describe(client, post=Post(*ROUTES, route))

    operation = document["paths"]["/api/post/other"]["get"]
    schemas = [
        look_up(document, next(iter(refs(operation["responses"][status]))))
        for status in ("200", "503")
    ]
    assert [next(iter(schema["properties"])) for schema in schemas] == ["number", "title"]


async def test_the_event_types_are_described_those_of_plugins_too(client: Client) -> None:
    document = await describe(client, post=Post())

    schemas = document["components"]["schemas"]
    body = document["paths"]["/api/events"]["post"]["requestBody"]
    assert set(body["content"]) >= {"application/json", "application/x-ndjson"}
    mapping = schemas["event"]["discriminator"]["mapping"]
    assert mapping["pizza_arrived"] == "#/components/schemas/event.pizza_arrived"
    resolver = jsonschema.Draft202012Validator({**document, "$ref": mapping["pizza_arrived"]})
    pizza = {"type": "pizza_arrived", "toppings": [{"name": "ham"}]}
    assert resolver.is_valid(pizza)
    assert not resolver.is_valid({**pizza, "toppings": [{"name": 7}]})
    assert not resolver.is_valid({**pizza, "type": "peer_joined"})


async def test_a_token_is_described_if_there_is_one(client: Client) -> None:
    open_one = await describe(client)
    document = await describe(client, has_token=True)

    assert "security" not in open_one
    assert "401" not in open_one["paths"]["/api/plugins"]["get"]["responses"]
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["security"] == [{"token": []}]
    assert "401" in document["paths"]["/api/plugins"]["get"]["responses"]
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert document["paths"]["/readyz"]["get"]["security"] == []


@pytest.mark.slow
async def test_the_description_follows_the_plugins(client: Client) -> None:
    async with serving(client, post=Post(*ROUTES)) as (bus, http, _):
        first = (await http.get("/api/openapi.json")).content
        assert (await http.get("/api/openapi.json")).content == first
        await bus.plugins.replace("post", Post(ROUTES[0]))
        paths = (await http.get("/api/openapi.json")).json()["paths"]
        assert "/api/post" in paths
        assert "/api/post/webhook/{id}" not in paths
        await bus.unregister("post")
        assert "/api/post" not in (await http.get("/api/openapi.json")).json()["paths"]


async def test_a_route_that_cannot_be_described_is_logged_and_left_out(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(BaseModel):
        value: Callable[[], None]

    route = Route(method="POST", path="/odd", handler=nothing, request=Odd)
    async with serving(client, post=Post(ROUTES[0], route)) as (_, http, _app):
        await http.get("/api/openapi.json")
        again = await http.get("/api/openapi.json")
        paths = again.json()["paths"]

    assert "/api/post" in paths
    assert "/api/post/odd" not in paths
    [record] = caplog.records
    assert (
        "plugin 'post': POST /api/post/odd is left out of the OpenAPI description"
        in record.getMessage()
    )


async def test_a_name_of_a_plugin_is_quoted_in_paths(client: Client) -> None:
    document = await describe(client, **{"my post": Post(ROUTES[0])})

    assert document["paths"]["/api/my%20post"]["get"]["operationId"] == "myPostGet"


async def test_no_example_shows_a_secret(client: Client) -> None:
    document = await describe(client, post=Post(*ROUTES))

    schema = document["components"]["schemas"]["Status"]
    assert schema["properties"]["note"]["examples"] == ["**********"]
    assert SECRET not in json.dumps(document)


async def test_an_event_type_that_has_no_schema_is_logged_once_and_left_out(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd(Event):
        place: httpx.AsyncClient

    class Brings:
        @hookimpl
        def register_events(self) -> list[type[Event]]:
            return [Odd]

    async with serving(client, odd=Brings()) as (_, http, _app):
        await http.get("/api/events/types")
        types = (await http.get("/api/events/types")).json()["types"]
        document = (await http.get("/api/openapi.json")).json()

    assert "peer_joined" in [entry["type"] for entry in types]
    assert "odd" not in [entry["type"] for entry in types]
    assert "event.odd" not in document["components"]["schemas"]
    assert "event.peer_joined" in document["components"]["schemas"]
    assert len(caplog.records) == 1
    assert "event type 'odd' is left out of the HTTP API" in caplog.text
