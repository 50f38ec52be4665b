"""The ASGI application: all routes, behind the guard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import anyio
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from lanrage_events import Redactor
from lanrage_events.abc import Bus

from ._api import (
    Deduplicator,
    EventSchemas,
    Operation,
    PluginRoutes,
    event_operations,
    forget_operation,
    outbox_operations,
    session_operations,
    status_operations,
)
from ._config import HTTPConfig
from ._feed import Feed
from ._metrics import metrics_operation
from ._openapi import OpenAPI
from ._page import login_routes, own_files, page_routes
from ._problem import exception_handlers
from ._server import Authentication, Guard, HostCheck, Sessions, Timeouts, Tokens, TrustedProxies


def application(parts: Iterable[BaseRoute | Operation], redactor: Redactor) -> Starlette:
    """Return an application that answers with problem details.

    :param parts: routes, and operations that become routes
    :param redactor: removes secrets from answers
    """
    routes = [part.route(redactor) if isinstance(part, Operation) else part for part in parts]
    app = Starlette(routes=routes, exception_handlers=exception_handlers(redactor))
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
    authentication: Authentication | None = None,
    deduplicator: Deduplicator | None = None,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
    source: str = "http",
) -> Guard:
    """Return the whole ASGI application.

    :param feed: the live feed
    :param stopping: set when the server stops, which ends streams
    :param port: the one that was bound, not 0
    :param addresses: what the configured host resolves to
    :param authentication: with the sessions of earlier runs; by default there are none
    :param deduplicator: with the ids of earlier runs; by default there are none
    :param timeouts: of bodies and handlers
    :param source: the name under which the bus records that events came in
    """
    if authentication is None:
        tokens = Tokens(config.all_tokens())
        authentication = Authentication(tokens, Sessions(tokens))

    files = own_files()
    schemas = EventSchemas(bus)
    plugin_routes = PluginRoutes(bus)
    operations = [
        *event_operations(bus, feed, config, schemas, stopping, deduplicator, source),
        *status_operations(bus),
        *outbox_operations(bus),
        forget_operation(bus),
        *session_operations(authentication.sessions),
        metrics_operation(bus, feed),
    ]
    has_token = authentication.is_needed
    openapi = OpenAPI(bus, operations, plugin_routes.operations, schemas, has_token=has_token)
    parts: list[BaseRoute | Operation] = [
        *page_routes(bus, files, has_login=has_token),
        *login_routes(authentication, files, bus.redactor),
        *operations,
        openapi.operation,
        # The last, since it matches any plugin's name.
        plugin_routes,
    ]
    return Guard(
        application(parts, bus.redactor),
        hosts=HostCheck(config.host, port, config.allowed_hosts, addresses),
        max_body=config.max_body,
        redactor=bus.redactor,
        authentication=authentication,
        proxies=TrustedProxies(config.proxies()),
        max_requests=config.max_connections,
        timeouts=timeouts,
    )
