"""The whole application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from pydantic import BaseModel

from lanrage_events import EventBus, hookimpl
from lanrage_events.http import Page, Route, RouteRequest
from lanrage_events_http import HTTPConfig
from lanrage_events_http._app import make_app
from lanrage_events_http._feed import Feed
from lanrage_events_http._server import CONTENT_SECURITY_POLICY, Guard

# Files are read in a thread.
pytestmark = pytest.mark.real_clock

Client: TypeAlias = Callable[..., httpx.AsyncClient]
Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]

TOKEN = "correct-horse-battery"
PATHS = (
    "/",
    "/api/events/types",
    "/api/openapi.json",
    "/api/outbox",
    "/api/pages",
    "/api/plugins",
    "/api/sample/greeting",
    "/healthz",
    "/login",
    "/pages/sample/page.js",
    "/readyz",
    "/static/app.js",
)
OPEN_PATHS = ("/healthz", "/login", "/readyz", "/static/app.js")


class Greeting(BaseModel):
    text: str


class Sample:
    """A third party's plugin."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @hookimpl
    def http_routes(self) -> list[Route]:
        return [
            Route(method="GET", path="/greeting", handler=self.greet, response=Greeting),
            Route(method="GET", path="/fail", handler=self.fail, response=Greeting),
        ]

    @hookimpl
    def http_pages(self) -> list[Page]:
        return [Page(title="Sample", folder=self._folder)]

    async def greet(self, request: RouteRequest) -> Greeting:
        """Return a greeting."""
        return Greeting(text="hello")

    async def fail(self, request: RouteRequest) -> Greeting:
        """Fail."""
        raise ValueError(f"cannot greet {TOKEN}")


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EventBus]:
    (tmp_path / "page.js").write_text("// a page", encoding="utf-8")
    bus = EventBus()
    bus.redactor.add(TOKEN)
    bus.register(Sample(tmp_path), "sample")
    async with bus:
        yield bus


def app(bus: EventBus, **config: Any) -> Guard:
    return make_app(
        bus, HTTPConfig(**config), Feed(bus.redactor), stopping=anyio.Event(), port=8666
    )


async def test_everything_is_there(bus: EventBus, client: Client) -> None:
    async with client(app(bus)) as browser:
        for path in PATHS:
            response = await browser.get(path)

            assert response.status_code == (303 if path == "/login" else 200), path
            assert response.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


async def test_with_a_token_everything_needs_it(bus: EventBus, client: Client) -> None:
    guarded = app(bus, token=TOKEN)
    async with client(guarded) as stranger:
        for path in PATHS:
            response = await stranger.get(path)

            assert response.status_code == (200 if path in OPEN_PATHS else 401), path

        page = await stranger.get("/", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/login")

    async with client(guarded, headers={"authorization": f"Bearer {TOKEN}"}) as friend:
        for path in PATHS:
            assert (await friend.get(path)).status_code == 200, path

        assert (await friend.get("/api/pages")).json()["login"] is True


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api", 404),
        ("GET", "/api/", 404),
        ("GET", "/api/nothing/here", 404),
        ("GET", "/api/plugins/", 404),
        ("POST", "/api/plugins", 405),
        ("DELETE", "/", 405),
        ("OPTIONS", "/api/events", 405),
        ("GET", "/docs", 404),
    ],
)
async def test_the_rest_is_answered_with_problem_details(
    method: str, path: str, status: int, bus: EventBus, client: Client
) -> None:
    async with client(app(bus)) as browser:
        response = await browser.request(method, path)

    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == response.json()["status"] == status


async def test_head_is_answered_like_get(bus: EventBus, client: Client) -> None:
    async with client(app(bus)) as browser:
        response = await browser.head("/")

    assert response.status_code == 200
    assert int(response.headers["content-length"]) > 0


async def test_an_error_of_a_plugin_shows_no_details(
    bus: EventBus, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(app(bus)) as browser:
        response = await browser.get("/api/sample/fail")

    assert response.status_code == 500
    assert set(response.json()) == {"title", "status", "detail"}
    assert "greet" not in response.text
    (record,) = caplog.records
    assert "Traceback" in record.getMessage()
    assert "ValueError: cannot greet" in record.getMessage()
    assert TOKEN not in caplog.text


async def test_an_error_of_our_own_shows_no_details(
    bus: EventBus, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(hook: str) -> Any:
        raise ValueError(f"cannot ask {TOKEN}")

    guarded = app(bus)
    monkeypatch.setattr(bus, "query", fail)
    async with client(guarded) as browser:
        response = await browser.get("/api/pages")

    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == response.json()["status"] == 500
    assert "ask" not in response.text
    (record,) = caplog.records
    assert "ValueError: cannot ask" in record.getMessage()
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("path", ["/api/events", "/api/events/stream", "/", "/metrics"])
async def test_no_other_site_gets_in(path: str, bus: EventBus, client: Client) -> None:
    async with client(app(bus)) as browser:
        foreign = {"origin": "http://evil.example.org", "sec-fetch-site": "cross-site"}
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await browser.request(method, path, headers=foreign)).status_code == 403

        rebound = await browser.get(path, headers={"host": "evil.example.org:8666"})
        assert rebound.status_code == 421
