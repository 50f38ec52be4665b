"""The operations of plugins, served below their names."""

from __future__ import annotations

import inspect
import json
import logging
import re
from functools import partial
from hashlib import blake2b
from urllib.parse import quote, unquote

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from lanrage_events import Redactor
from lanrage_events.abc import Bus
from lanrage_events.http import Route, RouteError, RouteRequest

from .._problem import INTERNAL_ERROR, Problem, hint, json_response, log_failure
from .._server import JSON_TYPE
from .operation import RETRY_AFTER, Call, Operation
from .route_table import RouteTable, RouteTableError, allowed

logger = logging.getLogger(__name__)

_BELOW = "/api/"
_TAG_BYTES = 16
_OWN_NAMES = frozenset({"events", "forget", "me", "openapi.json", "outbox", "plugins", "sessions"})
"""paths of the server below ``/api/``: a plugin of such a name cannot be reached there"""
_NAME_ERROR = {404: "there is nothing of that name"}
_INPUT_ERROR = {422: "the body or the query is not valid"}
_FIELD_LIST = re.compile(r"\n\s*:(?:param|returns?|raises)\b.*", re.DOTALL)


class PluginRoutes(BaseRoute):
    """Matches the paths below the names of plugins; a plugin that is replaced has new routes.

    It has to come after all other routes.

    :param bus: the bus of the plugins
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._plugins: dict[str, object] = {}
        self._tables: dict[str, RouteTable] = {}
        self._operations: tuple[Operation, ...] = ()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or not scope["path"].startswith(_BELOW):
            return Match.NONE, {}

        name = scope["path"].removeprefix(_BELOW).partition("/")[0]
        return (Match.FULL if name and name not in _OWN_NAMES else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation, values = self._find(scope["method"], _parts(scope))
        request = Request({**scope, "path_params": values}, receive, send)
        try:
            response = await operation.answer(request, self._bus.redactor)
        except SystemExit as error:  # of a model, since the bus calls the handler
            what = f"plugin '{operation.group}': {operation.method} {operation.path} failed"
            log_failure(logger, self._bus.redactor, what, error)
            raise Problem(500, INTERNAL_ERROR) from None

        await response(scope, receive, send)

    def _find(self, method: str, parts: list[str]) -> tuple[Operation, dict[str, str]]:
        name, *rest = parts
        tables = self._current_tables()
        if name not in tables:
            raise Problem(404, f"no plugin '{name}' has an HTTP API{hint(name, list(tables))}")

        found = tables[name].find(rest)
        if not found:
            path = "".join(f"/{part}" for part in rest)
            where = "/api/openapi.json describes what there is"
            raise Problem(404, f"plugin '{name}' has nothing at '{path}': {where}")

        method = "GET" if method == "HEAD" else method
        if method not in found:
            headers = {"Allow": allowed(found)}
            raise Problem(405, f"expected {headers['Allow']} here", headers=headers)

        statistics = self._bus.statistics().plugins.get(name)
        if statistics is None or statistics.state != "running":
            raise Problem(503, f"plugin '{name}' does not run now", headers=RETRY_AFTER)

        return found[method]

    def operations(self) -> tuple[Operation, ...]:
        """Return all operations, as the same object until a plugin is added, removed or replaced."""
        self._current_tables()
        return self._operations

    def _current_tables(self) -> dict[str, RouteTable]:
        plugins = dict(self._bus.plugins)
        if not _are_same(plugins, self._plugins):
            known = self._plugins
            new = {name for name, plugin in plugins.items() if plugin is not known.get(name)}
            tables = {name: t for name, t in self._tables.items() if name in plugins.keys() - new}
            if new:
                answers = self._bus.query("http_routes")
                tables |= self._read({name: answers[name] for name in answers if name in new})

            self._plugins, self._tables = plugins, tables
            self._operations = tuple(o for table in tables.values() for o in table.operations())

        return self._tables

    def _read(self, answers: dict[str, object]) -> dict[str, RouteTable]:
        tables: dict[str, RouteTable] = {}
        for name, answer in answers.items():
            if name in _OWN_NAMES:
                logger.warning(
                    "plugin '%s': its HTTP routes cannot be reached, since /api/%s is the server's "
                    "own: give the plugin another name and set 'use'",
                    name,
                    name,
                )
                continue

            try:
                make_operation = partial(_operation, name, self._bus)
                tables[name] = RouteTable(answer, make_operation)
            except RouteTableError as error:
                text = self._bus.redactor.redact(str(error))
                logger.error("plugin '%s': its HTTP routes are left out: %s", name, text)

        return tables


def _parts(scope: Scope) -> list[str]:
    """Return the decoded parts of a path, beginning with the name of a plugin."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    # A part may have a slash in it, which is %2F there.
    return [unquote(part) for part in raw.decode("latin-1").removeprefix(_BELOW).split("/")]


def _are_same(plugins: dict[str, object], known: dict[str, object]) -> bool:
    return plugins.keys() == known.keys() and all(
        plugin is known[name] for name, plugin in plugins.items()
    )


def _operation(plugin: str, bus: Bus, route: Route) -> Operation:
    has_input = route.request is not None or route.query is not None
    words = re.findall(r"[A-Za-z0-9]+", f"{plugin} {route.method.lower()} {route.path}")
    return Operation(
        method=route.method,
        path=f"{_BELOW}{quote(plugin, safe='')}{'' if route.path == '/' else route.path}",
        name="".join([*words[:1], *(word[:1].upper() + word[1:] for word in words[1:])]),
        group=plugin,
        description=_description(route.handler),
        handler=partial(_call, plugin, bus, route),
        query=route.query,
        request=route.request,
        scope=route.scope,
        has_tag=route.method == "GET" and route.response is not None,
        responses={204: None} if route.response is None else {200: route.response},
        errors={
            **(_NAME_ERROR if "{" in route.path else {}),
            **(_INPUT_ERROR if has_input else {}),
            **route.errors,
        },
    )


def _description(handler: object) -> str:
    """Return the docstring of a handler without its fields."""
    while isinstance(handler, partial):
        handler = handler.func

    return _FIELD_LIST.sub("", "\n" + (inspect.getdoc(handler) or "")).strip()


async def _call(plugin: str, bus: Bus, route: Route, call: Call) -> Response:
    operation, redactor = f"{route.method} {route.path}", bus.redactor
    what = f"plugin '{plugin}': {operation}"
    request = RouteRequest(body=call.body, query=call.query, path=call.request.path_params)
    try:
        answer = await bus.call(plugin, operation, route.handler, request)
    except RouteError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin's handler may raise anything
        log_failure(logger, redactor, f"{what} failed", error)
        raise Problem(500, INTERNAL_ERROR) from None

    if route.response is None and answer is None:
        return Response(status_code=204)

    if route.response is None or not isinstance(answer, route.response):
        expected = "None" if route.response is None else route.response.__name__
        logger.error("%s returned %s, where %s was expected", what, type(answer).__name__, expected)
        raise Problem(500, INTERNAL_ERROR)

    try:
        response = _response(answer, redactor)
    except ValueError as error:
        log_failure(logger, redactor, f"{what}: its answer is not JSON", error)
        raise Problem(500, INTERNAL_ERROR) from None

    return response if route.method != "GET" else _unless_known(call.request, response)


def _unless_known(request: Request, response: Response) -> Response:
    """Return an answer with its tag, or only that, if the client has the same answer already.

    https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
    """
    tag = f'"{blake2b(response.body, digest_size=_TAG_BYTES).hexdigest()}"'
    known = [one.strip().removeprefix("W/") for one in _list(request.headers, "if-none-match")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"ETag": tag})

    response.headers["ETag"] = tag
    return response


def _list(headers: Headers, name: str) -> list[str]:
    return ",".join(headers.getlist(name)).split(",")


def _response(answer: BaseModel, redactor: Redactor) -> Response:
    try:
        text = answer.model_dump_json(by_alias=True)
    except PydanticSerializationError:  # a text has a lone surrogate
        return json_response(redactor.redact_value(answer.model_dump(mode="json", by_alias=True)))

    if redactor.redact(text) == text:
        return Response(text, media_type=JSON_TYPE)

    # Redacting the text could turn a number into invalid JSON.
    return json_response(redactor.redact_value(json.loads(text)))
