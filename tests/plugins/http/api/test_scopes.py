"""What each token may do, through the whole application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventBus, Redactor, hookimpl
from lanrage_events.http import Route, RouteRequest
from lanrage_events_http import HTTPConfig
from lanrage_events_http._app import make_app
from lanrage_events_http._feed import Feed

FULL, PUBLISH, READ, ADMIN = (f"{name}-token-0123456789" for name in ("full", "pub", "read", "adm"))
TOKENS = {
    "gamebox": {"token": PUBLISH, "scopes": ["publish"]},
    "dashboard": {"token": READ, "scopes": "read"},
    "owner": {"token": ADMIN, "scopes": ["admin"]},
}
EVENT = {"type": "notification", "title": "a", "message": "b"}

Client = Callable[..., httpx.AsyncClient]


class Plugin:
    """Adds a route of each scope, and one that declares none."""

    @hookimpl
    def http_routes(self) -> list[Route]:
        async def done(request: RouteRequest) -> None:
            """Do nothing."""

        return [
            Route(method="GET", path="/read", handler=done, scope="read"),
            Route(method="POST", path="/publish", handler=done, scope="publish"),
            Route(method="GET", path="/silent", handler=done),
        ]


@asynccontextmanager
async def serving(
    client: Client, **config: Any
) -> AsyncIterator[tuple[EventBus, httpx.AsyncClient]]:
    async with EventBus(redactor=Redactor()) as bus:
        await bus.plugins.register_and_wait(Plugin(), "extra")
        values = HTTPConfig(**{"token": FULL, "tokens": TOKENS, **config})
        app = make_app(bus, values, Feed(bus.redactor), stopping=anyio.Event(), port=8666)
        async with client(app) as http:
            yield bus, http


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/events", {PUBLISH, ADMIN, FULL}),
        ("GET", "/api/events/types", {PUBLISH, READ, ADMIN, FULL}),
        ("GET", "/api/openapi.json", {PUBLISH, READ, ADMIN, FULL}),
        ("GET", "/api/me", {PUBLISH, READ, ADMIN, FULL}),
        ("HEAD", "/api/events/stream", {READ, ADMIN, FULL}),
        ("GET", "/api/plugins", {READ, ADMIN, FULL}),
        ("GET", "/api/outbox", {READ, ADMIN, FULL}),
        ("GET", "/api/outbox/x/entries", {READ, ADMIN, FULL}),
        ("GET", "/metrics", {READ, ADMIN, FULL}),
        ("GET", "/api/pages", {READ, ADMIN, FULL}),
        ("GET", "/pages/x/page.js", {READ, ADMIN, FULL}),
        ("POST", "/api/outbox/x/retry", {ADMIN, FULL}),
        ("POST", "/api/outbox/x/drop", {ADMIN, FULL}),
        ("GET", "/api/sessions", {ADMIN, FULL}),
        ("DELETE", "/api/sessions", {ADMIN, FULL}),
        ("DELETE", "/api/sessions/x", {ADMIN, FULL}),
        ("GET", "/api/extra/read", {READ, ADMIN, FULL}),
        ("POST", "/api/extra/publish", {PUBLISH, ADMIN, FULL}),
        ("GET", "/api/extra/silent", {ADMIN, FULL}),
    ],
)
@pytest.mark.either_backend
async def test_each_route_needs_its_scope(
    method: str, path: str, allowed: set[str], client: Client
) -> None:
    body = EVENT if path == "/api/events" else None
    async with serving(client) as (_, http):
        for token in (FULL, PUBLISH, READ, ADMIN):
            response = await http.request(method, path, headers=bearer(token), json=body)
            assert (response.status_code != 403) == (token in allowed), token
            assert response.status_code != 401

        assert (await http.request(method, path, json=body)).status_code == 401


async def test_a_rejection_says_what_is_missing(client: Client) -> None:
    async with serving(client) as (_, http):
        response = await http.get("/api/plugins", headers=bearer(PUBLISH))

    assert response.status_code == 403
    assert response.json()["detail"] == (
        "the token 'gamebox' has the scope publish, and this needs read: use another token, or "
        "give this one the scope in the configuration"
    )


async def test_a_client_learns_what_it_may(client: Client) -> None:
    async with serving(client) as (_, http):
        found = [(await http.get("/api/me", headers=bearer(t))).json() for t in (FULL, READ)]

    assert found == [
        {"token": "token", "scopes": ["admin", "publish", "read"], "session": None},
        {"token": "dashboard", "scopes": ["read"], "session": None},
    ]


async def test_without_tokens_everything_is_allowed(client: Client) -> None:
    async with serving(client, token=None, tokens={}) as (_, http):
        me = (await http.get("/api/me")).json()

        assert me == {"token": None, "scopes": ["admin", "publish", "read"], "session": None}
        assert (await http.get("/api/extra/silent")).status_code == 204
        assert (await http.get("/api/sessions")).json() == {"sessions": []}


async def test_tokens_alone_are_enough(client: Client) -> None:
    async with serving(client, token=None, host="0.0.0.0") as (_, http):
        assert (await http.get("/api/plugins")).status_code == 401
        assert (await http.get("/api/plugins", headers=bearer(READ))).status_code == 200
        assert (await http.get("/api/plugins", headers=bearer(FULL))).status_code == 401


async def test_the_description_names_the_scopes(client: Client) -> None:
    async with serving(client) as (_, http):
        document = (await http.get("/api/openapi.json", headers=bearer(READ))).json()

    paths = document["paths"]
    assert paths["/api/events"]["post"]["security"] == [{"token": ["publish"]}]
    assert paths["/api/events/types"]["get"]["security"] == [{"token": []}]
    assert paths["/api/extra/silent"]["get"]["security"] == [{"token": ["admin"]}]
    assert paths["/healthz"]["get"]["security"] == []
    assert (
        "or the token lacks the scope admin"
        in paths["/api/extra/silent"]["get"]["responses"]["403"]["description"]
    )


# Sessions


async def log_in(http: httpx.AsyncClient, token: str, browser: str) -> dict[str, str]:
    headers = {"User-Agent": browser}
    response = await http.post("/login", json={"token": token}, headers=headers)
    assert response.status_code == 204
    cookie = response.cookies["lanrage_session"]
    http.cookies.clear()
    return {"Cookie": f"lanrage_session={cookie}"}


async def test_sessions_are_listed_and_ended(client: Client) -> None:
    async with serving(client) as (_, http):
        own = await log_in(http, FULL, "Firefox")
        other = await log_in(http, READ, "Chromium on the dashboard")
        third = await log_in(http, ADMIN, "Safari")
        listed = (await http.get("/api/sessions", headers=own)).json()["sessions"]
        ids = {session["browser"]: session["id"] for session in listed}

        assert [(s["token"], s["is_own"], s["address"]) for s in listed] == [
            ("token", True, "127.0.0.1"),
            ("owner", False, "127.0.0.1"),
            ("dashboard", False, "127.0.0.1"),
        ]
        for cookie in (own, other, third):
            assert not any(session["id"] in cookie["Cookie"] for session in listed)

        path = f"/api/sessions/{ids['Chromium on the dashboard']}"
        assert (await http.delete(path, headers=own)).status_code == 204
        assert (await http.delete(path, headers=own)).status_code == 404
        assert (await http.get("/api/me", headers=other)).status_code == 401
        assert (await http.get("/api/me", headers=third)).status_code == 200

        assert (await http.delete("/api/sessions", headers=own)).json() == {"count": 1}
        assert (await http.get("/api/me", headers=third)).status_code == 401
        assert (await http.get("/api/me", headers=own)).json()["session"] == ids["Firefox"]


async def test_a_session_may_what_its_token_may(client: Client) -> None:
    async with serving(client) as (_, http):
        reader = await log_in(http, READ, "Chromium")

        assert (await http.get("/api/plugins", headers=reader)).status_code == 200
        assert (await http.post("/api/events", headers=reader, json=EVENT)).status_code == 403
        assert (await http.get("/api/sessions", headers=reader)).status_code == 403
