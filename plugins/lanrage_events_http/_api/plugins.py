from __future__ import annotations

import json
import logging

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from lanrage_events import Redactor
from lanrage_events.abc import Bus
from lanrage_events.http import Route, RouteError, RouteRequest

from .._problem import Problem, hint, json_response, log_failure
from .operation import FAILED, JSON_TYPE, contained, read_model, read_query
from .route_table import FIXED_NAMES, PluginRoutes, allowed

logger = logging.getLogger(__name__)

_BELOW = "/api/"


def plugin_routes(bus: Bus, routes: PluginRoutes | None = None) -> list[BaseRoute]:
    """Return the route below which the routes of plugins are served, after all others.

    :param bus: whose plugins they are
    :param routes: those of the plugins, if they are shared with what describes them
    """
    return [_PluginRoute(_PluginAPI(bus, routes or PluginRoutes(bus)))]


class _PluginRoute(BaseRoute):
    """Matches what stands below the name of a plugin, and not what the server itself has there."""

    def __init__(self, api: _PluginAPI) -> None:
        self._api = api

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or not scope["path"].startswith(_BELOW):
            return Match.NONE, {}

        name, slash, rest = scope["path"].removeprefix(_BELOW).partition("/")
        if not name or name in FIXED_NAMES:
            return Match.NONE, {}

        return Match.FULL, {"path_params": {"plugin": name, "path": slash + rest}}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._api(scope, receive, send)


class _PluginAPI:
    """Serves the routes of plugins, whatever the method."""

    def __init__(self, bus: Bus, routes: PluginRoutes) -> None:
        self._bus = bus
        self._routes = routes
        self._handle = contained(self._answer, bus.redactor)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._handle(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        name, path = request.path_params["plugin"], request.path_params["path"]
        tables = self._routes.tables()
        if name not in tables:
            raise Problem(404, f"no plugin '{name}' has an HTTP API{hint(name, list(tables))}")

        found = tables[name].find(path)
        if not found:
            where = "/api/openapi.json describes what there is"
            raise Problem(404, f"plugin '{name}' has nothing at '{path}': {where}")

        method = "GET" if request.method == "HEAD" else request.method
        if method not in found:
            headers = {"Allow": allowed(found)}
            raise Problem(405, f"expected {headers['Allow']} here", headers=headers)

        if not self._routes.is_running(name):
            headers = {"Retry-After": "5"}
            raise Problem(503, f"plugin '{name}' does not run now", headers=headers)

        route, values = found[method]
        return await self._call(name, route, values, request)

    async def _call(
        self, name: str, route: Route, values: dict[str, str], request: Request
    ) -> Response:
        query = None if route.query is None else read_query(request, route.query)
        body = None if route.request is None else await read_model(request, route.request)
        what = f"plugin '{name}': {route.method} {route.path}"
        try:
            answer = await route.handler(RouteRequest(body=body, query=query, path=values))
        except RouteError as error:
            raise Problem(error.status, error.detail, errors=error.errors) from None
        except Exception as error:  # noqa: BLE001 - a plugin's failure is contained here
            log_failure(logger, self._bus.redactor, f"{what} failed", error)
            raise Problem(500, FAILED) from None

        if route.response is None and answer is None:
            return Response(status_code=204)

        if route.response is None or not isinstance(answer, route.response):
            expected = "None" if route.response is None else route.response.__name__
            found = type(answer).__name__
            logger.error("%s returned %s, where %s was expected", what, found, expected)
            raise Problem(500, FAILED)

        try:
            return _model_response(answer, self._bus.redactor)
        except ValueError as error:
            log_failure(logger, self._bus.redactor, f"{what}: its answer is no JSON", error)
            raise Problem(500, FAILED) from None


def _model_response(answer: BaseModel, redactor: Redactor) -> Response:
    try:
        text = answer.model_dump_json(by_alias=True)
    except PydanticSerializationError:  # of a lone surrogate, which a name may have
        return json_response(redactor.redact_value(answer.model_dump(mode="json", by_alias=True)))

    if redactor.redact(text) == text:
        return Response(text, media_type=JSON_TYPE)

    # Not in the text: a number would not stay JSON.
    return json_response(redactor.redact_value(json.loads(text)))
