"""Describes the API, that of plugins too, from the same models and routes that serve it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from lanrage_events import Event
from lanrage_events.abc import Bus
from lanrage_events.http import Route

from .._api import (
    JSON_LINES,
    JSON_TYPE,
    MAX_EVENTS,
    EventSchemas,
    Operation,
    Pattern,
    PluginRoutes,
    ProblemDetails,
)
from .._api import events as _events_api
from .._api import outbox as _outbox_api
from .._api import status as _status_api
from .._metrics import exposition as _metrics
from .._problem import json_response
from .parts import (
    Mode,
    Schemas,
    json_content,
    operation_id,
    path_of,
    path_parameters,
    problem_response,
    query_parameters,
    summary_of,
    texts_of,
)

logger = logging.getLogger(__name__)

OPENAPI = Operation(
    method="GET",
    path="/api/openapi.json",
    name="getOpenAPI",
    group="status",
    description="Return this description, in which the operations of plugins stand too.",
    responses={200: (JSON_TYPE,)},
)
OPERATIONS = (
    *_events_api.OPERATIONS,
    *_status_api.OPERATIONS,
    *_outbox_api.OPERATIONS,
    *_metrics.OPERATIONS,
    OPENAPI,
)
_COMMON_ERRORS = {
    400: "the request is malformed",
    403: "it comes from a page of another site",
    421: "it is for a name that this server does not know",
    431: "its head is too large",
    500: "something went wrong in the server, which has logged it",
    503: "the server is too busy, or the plugin does not run",
}
_TOKEN_ERRORS = {401: "the token is missing or wrong", 429: "too many wrong tokens came"}
_BODY_ERRORS = {
    408: "the body did not arrive in time",
    413: "the body is too large",
    415: "the body is of another media type",
}
_INPUT_ERROR = {422: "the body or the query is not valid"}
_NAME_ERROR = {404: "there is nothing of that name"}
# Before OpenAPI 3.2 no schema says what a stream is made of.
_SCHEMAS: dict[str, dict[str, Any]] = {
    JSON_TYPE: {"type": "object"},
    _events_api.EVENT_STREAM: {"description": "server-sent events, with the event as JSON in each"},
}


def openapi_routes(
    bus: Bus, routes: PluginRoutes | None = None, *, has_token: bool = False
) -> list[BaseRoute]:
    """Return the route to the description of the API.

    :param bus: whose plugins bring operations, and whose event types are described
    :param routes: those of the plugins, if they are shared with what serves them
    :param has_token: whether requests need a token
    """
    api = _OpenAPI(bus, routes or PluginRoutes(bus), has_token=has_token)
    return [OPENAPI.route(api.describe, bus.redactor)]


class _OpenAPI:
    def __init__(self, bus: Bus, routes: PluginRoutes, *, has_token: bool) -> None:
        self._bus = bus
        self._routes = routes
        self._has_token = has_token
        self._schemas = EventSchemas(bus)
        self._made_of: tuple[object, tuple[type[Event], ...]] | None = None
        self._made: dict[str, Any] = {}

    async def describe(self, request: Request) -> Response:
        # It takes long to make, and seldom changes; tables are made anew when plugins change.
        tables, types = self._routes.tables(), self._bus.events.types()
        made_of = self._made_of
        if made_of is None or made_of[0] is not tables or made_of[1] != types:
            document = _Document(
                self._schemas.all(), self._plugin_operations(), has_token=self._has_token
            )
            self._made, self._made_of = document.content(), (tables, types)

        return json_response(self._bus.redactor.redact_value(self._made))

    def _plugin_operations(self) -> list[tuple[str, Pattern, Route]]:
        operations: list[tuple[str, Pattern, Route]] = []
        for name, table in self._routes.tables().items():
            for pattern, route in table.routes:
                try:
                    Schemas(_models_of_route(route))
                except Exception as error:  # noqa: BLE001 - the models are the plugin's
                    logger.error(
                        "plugin '%s': %s %s is left out of the OpenAPI description: %s",
                        name,
                        route.method,
                        route.path,
                        self._bus.redactor.redact(str(error)),
                    )
                else:
                    operations.append((name, pattern, route))

        return operations


class _Document:
    """One OpenAPI description.

    :param events: the schemas of the event types
    :param plugins: the operations of plugins, with the plugins' names
    :param has_token: whether requests need a token
    """

    def __init__(
        self,
        events: Mapping[str, dict[str, Any]],
        plugins: list[tuple[str, Pattern, Route]],
        *,
        has_token: bool,
    ) -> None:
        self._events = events
        self._plugins = plugins
        self._has_token = has_token
        models: list[tuple[type[BaseModel], Mode]] = [(ProblemDetails, "serialization")]
        for operation in OPERATIONS:
            models += _models_of_operation(operation)

        for _, _, route in plugins:
            models += _models_of_route(route)

        self._schemas = Schemas(models)
        self._problem = self._schemas.ref(ProblemDetails, "serialization")
        self._paths: dict[str, dict[str, Any]] = {}
        self._ids: set[str] = set()

    def content(self) -> dict[str, Any]:
        """Return it as JSON."""
        for operation in OPERATIONS:
            self._put(operation.path, operation.method, self._describe(operation))

        for name, pattern, route in self._plugins:
            described = self._describe_route(name, pattern, route)
            self._put(path_of(name, route.path), route.method, described)

        content: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {
                "title": "lanrage-events",
                "version": version("lanrage-events"),
                "description": "Publish events, follow them, and see to their delivery.",
            },
            "servers": [{"url": "/"}],
            "paths": self._paths,
            "components": {"schemas": self._schemas.definitions},
        }
        if self._has_token:
            scheme = {"type": "http", "scheme": "bearer", "description": "the configured token"}
            content["components"]["securitySchemes"] = {"token": scheme}
            content["security"] = [{"token": []}]

        return content

    def _put(self, path: str, method: str, operation: dict[str, Any]) -> None:
        self._paths.setdefault(path, {})[method.lower()] = operation

    def _describe(self, operation: Operation) -> dict[str, Any]:
        names = Pattern.parse(operation.path).names
        described = self._start(
            operation.name,
            operation.group,
            (summary_of(operation.description), operation.description),
            [*path_parameters(names), *self._query(operation.query)],
        )
        if operation is _events_api.PUBLISH:
            described["requestBody"] = self._events_body()
        elif operation.request is not None:
            described["requestBody"] = self._body(operation.request)

        errors = self._errors(operation.method, operation.errors)
        if operation.is_public and self._has_token:
            described["security"] = []

        responses = {
            status: problem_response(text, self._problem_of(operation.problems.get(status)))
            for status, text in errors.items()
        }
        for status, answer in operation.responses.items():
            responses[status] = self._answer(answer)

        described["responses"] = _by_status(responses)
        return described

    def _describe_route(self, plugin: str, pattern: Pattern, route: Route) -> dict[str, Any]:
        described = self._start(
            operation_id(plugin, route.method, route.path),
            plugin,
            texts_of(route.handler),
            [*path_parameters(pattern.names), *self._query(route.query)],
        )
        if route.request is not None:
            described["requestBody"] = self._body(route.request)

        own: dict[int, str] = {}
        if pattern.names:
            own |= _NAME_ERROR

        if route.request is not None or route.query is not None:
            own |= _INPUT_ERROR

        errors = self._errors(route.method, {**own, **route.errors})
        responses = {status: problem_response(e, self._problem) for status, e in errors.items()}
        if route.response is None:
            responses[204] = {"description": "it is done"}
        else:
            responses[200] = self._answer(route.response)

        described["responses"] = _by_status(responses)
        return described

    def _start(
        self, name: str, tag: str, texts: tuple[str, str], parameters: list[dict[str, Any]]
    ) -> dict[str, Any]:
        id, number = name, 1
        while id in self._ids:
            number += 1
            id = f"{name}{number}"

        self._ids.add(id)
        described: dict[str, Any] = {"operationId": id, "tags": [tag]}
        summary, description = texts
        if description:
            described |= {"summary": summary, "description": description}

        return {**described, "parameters": parameters} if parameters else described

    def _query(self, model: type[BaseModel] | None) -> list[dict[str, Any]]:
        return [] if model is None else query_parameters(self._schemas.definition(model))

    def _body(self, model: type[BaseModel]) -> dict[str, Any]:
        return {"required": True, "content": json_content(self._schemas.ref(model, "validation"))}

    def _events_body(self) -> dict[str, Any]:
        # A name with a dot is no class, so that no model takes it.
        refs = {
            name: self._schemas.add(f"event.{name}", schema)
            for name, schema in self._events.items()
        }
        mapping = {name: ref["$ref"] for name, ref in refs.items()}
        discriminator = {"propertyName": "type", "mapping": mapping}
        event = self._schemas.add(
            "event", {"oneOf": list(refs.values()), "discriminator": discriminator}
        )
        batch = {"type": "array", "items": event, "maxItems": MAX_EVENTS}
        lines = {"type": "string", "description": "one event in each line, as JSON"}
        content = json_content({"anyOf": [event, batch]})
        for media_type in JSON_LINES:
            content |= json_content(lines, media_type)

        return {"required": True, "content": content}

    def _answer(self, answer: type[BaseModel] | tuple[str, ...]) -> dict[str, Any]:
        if isinstance(answer, tuple):
            content: dict[str, Any] = {}
            for media_type in answer:
                content |= json_content(_SCHEMAS.get(media_type, {"type": "string"}), media_type)

            return {"description": "the answer", "content": content}

        description = summary_of(answer.__doc__ or "") or "the answer"
        schema = self._schemas.ref(answer, "serialization")
        return {"description": description, "content": json_content(schema)}

    def _problem_of(self, model: type[BaseModel] | None) -> dict[str, Any]:
        if model is None:
            return self._problem

        # The guard and the query have problems of the same status.
        return {"anyOf": [self._schemas.ref(model, "serialization"), self._problem]}

    def _errors(self, method: str, errors: Mapping[int, str]) -> dict[int, str]:
        return {
            **_COMMON_ERRORS,
            **(_TOKEN_ERRORS if self._has_token else {}),
            **(_BODY_ERRORS if method != "GET" else {}),
            **errors,
        }


def _by_status(responses: Mapping[int, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(status): response for status, response in sorted(responses.items())}


def _models_of_operation(operation: Operation) -> list[tuple[type[BaseModel], Mode]]:
    incoming = [model for model in (operation.query, operation.request) if model is not None]
    outgoing = [*operation.responses.values(), *operation.problems.values()]
    return [
        *((model, "validation") for model in incoming),
        *((model, "serialization") for model in outgoing if not isinstance(model, tuple)),
    ]


def _models_of_route(route: Route) -> list[tuple[type[BaseModel], Mode]]:
    incoming = [model for model in (route.query, route.request) if model is not None]
    models: list[tuple[type[BaseModel], Mode]] = [(model, "validation") for model in incoming]
    return models if route.response is None else [*models, (route.response, "serialization")]
