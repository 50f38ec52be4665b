"""Puts the application together: all routes, behind the guard."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from lanrage_events import Redactor
from lanrage_events.abc import Bus

from ._api import PluginRoutes, event_routes, outbox_routes, plugin_routes, status_routes
from ._config import HTTPConfig
from ._feed import Feed
from ._metrics import metrics_routes
from ._openapi import openapi_routes
from ._page import login_routes, own_files, page_routes
from ._problem import Problem, exception_handlers
from ._server import FAULT, Guard, HostCheck, Sessions


def route(routes: Sequence[BaseRoute], redactor: Redactor) -> Starlette:
    """Return an application of some routes that answers with problem details.

    What its handlers raise comes out of it, when it has answered.

    :param redactor: knows what must not be shown
    """

    async def answer_fault(request: Request, error: Exception) -> Response:
        return Problem(500, FAULT).response(redactor)

    handlers = {**exception_handlers(redactor), Exception: answer_fault}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


def make_app(
    bus: Bus,
    config: HTTPConfig,
    feed: Feed,
    *,
    stopping: anyio.Event,
    port: int,
    addresses: Sequence[str] = (),
) -> Guard:
    """Return the whole ASGI application.

    :param bus: what it is about
    :param feed: the events that clients follow
    :param stopping: set when the server stops, which ends answers that have no end
    :param port: the real one
    :param addresses: those that the host stands for
    """
    sessions = None if config.token is None else Sessions(config.token.get_secret_value())
    files = own_files()
    of_plugins = PluginRoutes(bus)
    routes: list[BaseRoute] = [
        *page_routes(bus, files, has_login=sessions is not None),
        *login_routes(sessions, files, bus.redactor),
        *event_routes(bus, feed, config, stopping),
        *status_routes(bus),
        *outbox_routes(bus),
        *metrics_routes(bus, feed),
        *openapi_routes(bus, of_plugins, has_token=sessions is not None),
        # The last, as they stand below any name of a plugin.
        *plugin_routes(bus, of_plugins),
    ]
    return Guard(
        route(routes, bus.redactor),
        hosts=HostCheck(config.host, port, config.allowed_hosts, addresses),
        max_body=config.max_body,
        redactor=bus.redactor,
        sessions=sessions,
    )
