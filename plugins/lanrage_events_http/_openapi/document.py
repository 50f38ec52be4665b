"""The OpenAPI document, made from the operations of the server and of plugins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from lanrage_events import Event
from lanrage_events.abc import Bus
from lanrage_events.cli import error_text

from .._api import EVENT_STREAM, MAX_EVENTS, Call, EventSchemas, Operation, ProblemDetails
from .._problem import INTERNAL_ERROR, PROBLEM_TYPE, json_response
from .._server import JSON_LINES, JSON_TYPE
from .parts import (
    Mode,
    Schemas,
    json_content,
    path_parameters,
    query_parameters,
    summary_of,
)

logger = logging.getLogger(__name__)

_COMMON_ERRORS = {
    400: "the request is malformed",
    403: "the request comes from a page of another site",
    421: "the Host header is not a name of this server",
    431: "the head of the request is too large",
    500: INTERNAL_ERROR,
    503: "the server is too busy, or the plugin does not run",
}
_TOKEN_ERRORS = {401: "the token is missing or wrong", 429: "there were too many wrong tokens"}
_OTHER_SITE = _COMMON_ERRORS[403]
_BODY_ERRORS = {
    408: "the body did not arrive in time",
    413: "the body is too large",
    415: "the media type of the body is not supported",
}
# Before OpenAPI 3.2, a schema cannot describe the items of a stream.
_SCHEMAS: dict[str, dict[str, Any]] = {
    JSON_TYPE: {"type": "object"},
    EVENT_STREAM: {"description": "server-sent events, with the event as JSON in each"},
}


class OpenAPI:
    """Serves the OpenAPI document, which contains its own operation, too.

    :param operations: of the server
    :param of_plugins: returns the plugins' operations, as the same object until they change
    :param schemas: of the event types
    :param has_token: whether requests need a token
    """

    def __init__(
        self,
        bus: Bus,
        operations: Sequence[Operation],
        of_plugins: Callable[[], Sequence[Operation]],
        schemas: EventSchemas,
        *,
        has_token: bool = False,
    ) -> None:
        self.operation = Operation(
            method="GET",
            path="/api/openapi.json",
            name="getOpenAPI",
            group="status",
            scope=None,
            description="Return this document, which contains the operations of plugins, too.",
            handler=self._describe,
            responses={200: (JSON_TYPE,)},
        )
        self._bus = bus
        self._operations = (*operations, self.operation)
        self._of_plugins = of_plugins
        self._schemas = schemas
        self._has_token = has_token
        self._made_of: tuple[object, tuple[type[Event], ...]] | None = None
        self._made: dict[str, Any] = {}

    async def _describe(self, call: Call) -> Response:
        # The document is slow to make, and rarely changes.
        of_plugins, types = self._of_plugins(), self._bus.events.types()
        made_of = self._made_of
        if made_of is None or made_of[0] is not of_plugins or made_of[1] != types:
            operations = [*self._operations, *filter(self._can_be_described, of_plugins)]
            document = _Document(operations, self._schemas.all(), has_token=self._has_token)
            self._made, self._made_of = document.content(), (of_plugins, types)

        return json_response(self._bus.redactor.redact_value(self._made))

    def _can_be_described(self, operation: Operation) -> bool:
        try:
            Schemas(_models([operation]))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's model raises anything
            logger.error(
                "plugin '%s': %s %s is left out of the OpenAPI description: %s",
                operation.group,
                operation.method,
                operation.path,
                self._bus.redactor.redact(error_text(error)),
            )
            return False

        return True


class _Document:
    def __init__(
        self,
        operations: Sequence[Operation],
        events: Mapping[str, dict[str, Any]],
        *,
        has_token: bool,
    ) -> None:
        self._operations = operations
        self._events = events
        self._has_token = has_token
        self._schemas = Schemas([(ProblemDetails, "serialization"), *_models(operations)])
        self._problem = self._schemas.ref(ProblemDetails, "serialization")
        self._ids: set[str] = set()

    def content(self) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for operation in self._operations:
            described = self._describe(operation)
            paths.setdefault(operation.path, {})[operation.method.lower()] = described

        content: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {
                "title": "lanrage-events",
                "version": version("lanrage-events"),
                "description": "Publish events, follow them, and manage their delivery.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {"schemas": self._schemas.used_by(paths)},
        }
        if self._has_token:
            scheme = {"type": "http", "scheme": "bearer", "description": "a configured token"}
            content["components"]["securitySchemes"] = {"token": scheme}
            content["security"] = [{"token": []}]

        return content

    def _describe(self, operation: Operation) -> dict[str, Any]:
        described: dict[str, Any] = {
            "operationId": self._unique_id(operation.name),
            "tags": [operation.group],
        }
        if operation.description:
            described["summary"] = summary_of(operation.description)
            described["description"] = operation.description

        parameters = path_parameters(operation.path)
        if operation.query is not None:
            parameters += query_parameters(self._schemas.definition(operation.query))

        if parameters:
            described["parameters"] = parameters

        if operation.takes_events:
            described["requestBody"] = self._events_body()
        elif operation.request is not None:
            schema = self._schemas.ref(operation.request, "validation")
            described["requestBody"] = {"required": True, "content": json_content(schema)}

        # For other schemes than OAuth's, the list has the roles that are needed:
        # https://spec.openapis.org/oas/v3.1.1.html#security-requirement-object
        scopes = [] if operation.scope is None else [operation.scope]
        needs_token = self._has_token and not operation.is_public
        described["security"] = [{"token": scopes}] if needs_token else []
        described["responses"] = self._responses(operation)
        return described

    def _unique_id(self, name: str) -> str:
        id, number = name, 1
        while id in self._ids:
            number += 1
            id = f"{name}{number}"

        self._ids.add(id)
        return id

    def _events_body(self) -> dict[str, Any]:
        # A class name has no dot, so that no model has such a name.
        refs = {
            # Unless the request is strict, a field that is not known is dropped.
            name: self._schemas.add(f"event.{name}", {**schema, "additionalProperties": True})
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

    def _responses(self, operation: Operation) -> dict[str, dict[str, Any]]:
        errors = {
            **_COMMON_ERRORS,
            **(_TOKEN_ERRORS if self._has_token else {}),
            **(_BODY_ERRORS if operation.method != "GET" else {}),
            **operation.errors,
        }
        if self._has_token and not operation.is_public and operation.scope is not None:
            errors[403] = f"{_OTHER_SITE}, or the token lacks the scope {operation.scope}"

        responses = {
            status: {"description": text, "content": self._problem_of(operation, status)}
            for status, text in errors.items()
        }
        responses |= {status: self._answer(a) for status, a in operation.responses.items()}
        if operation.has_tag:
            responses[304] = {"description": "it has the ETag that If-None-Match names"}
            responses[200]["headers"] = {"ETag": {"schema": {"type": "string"}}}

        return {str(status): response for status, response in sorted(responses.items())}

    def _problem_of(self, operation: Operation, status: int) -> dict[str, Any]:
        schema = self._problem
        if status in operation.problems:
            own = self._schemas.ref(operation.problems[status], "serialization")
            # The guard and the query may raise problems of the same status.
            schema = {"anyOf": [own, self._problem]}

        return json_content(schema, PROBLEM_TYPE)

    def _answer(self, answer: type[BaseModel] | tuple[str, ...] | None) -> dict[str, Any]:
        if answer is None:
            return {"description": "it is done"}

        if isinstance(answer, tuple):
            content: dict[str, Any] = {}
            for media_type in answer:
                content |= json_content(_SCHEMAS.get(media_type, {"type": "string"}), media_type)

            return {"description": "the answer", "content": content}

        description = summary_of(answer.__doc__ or "") or "the answer"
        schema = self._schemas.ref(answer, "serialization")
        return {"description": description, "content": json_content(schema)}


def _models(operations: Iterable[Operation]) -> Iterator[tuple[type[BaseModel], Mode]]:
    for operation in operations:
        for model in (operation.query, operation.request):
            if model is not None:
                yield model, "validation"

        for answer in (*operation.responses.values(), *operation.problems.values()):
            if isinstance(answer, type):
                yield answer, "serialization"
