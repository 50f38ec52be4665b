"""Whatever a plugin says, does or holds: no answer and no log line shows a secret."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import anyio
import httpx
import pytest
from pydantic import BaseModel, SecretStr

from lanrage_events import Event, EventBus, Health, Metric, Notification, Redactor, Sample, hookimpl
from lanrage_events.http import Route, RouteError, RouteRequest
from lanrage_events.outbox import Outbox
from lanrage_events_http import HTTPConfig
from lanrage_events_http._app import make_app
from lanrage_events_http._feed import Feed

TOKEN = "not-a-real-token-0123456789"
WEBHOOK = "https://discord.example/api/webhooks/1234/not-a-real-webhook-0123456789"
PIECES = (TOKEN, WEBHOOK, "not-a-real-webhook-0123456789")
EVENT = {"type": "notification", "title": WEBHOOK, "message": "-"}

Client = Callable[..., httpx.AsyncClient]


class Hook(BaseModel):
    webhook_url: SecretStr = SecretStr(WEBHOOK)
    text: str = WEBHOOK


class Leaky:
    """A plugin that puts its secret wherever it can."""

    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self._outbox = Outbox()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        async with self._outbox:
            await self._outbox.put("main", f'{{"url": "{WEBHOOK}"}}', label=WEBHOOK)
            await self._outbox.put(WEBHOOK, quote(WEBHOOK, safe=""))
            await self._outbox.dead_letter([1], WEBHOOK, WEBHOOK)
            yield

    @hookimpl
    def event(self, event: Event) -> None:
        raise OSError(f"cannot reach {WEBHOOK}")

    @hookimpl
    def health(self) -> Health:
        return Health("degraded", f"cannot reach {WEBHOOK}")

    @hookimpl
    def outbox(self) -> Outbox:
        return self._outbox

    @hookimpl
    def metrics(self) -> Iterable[Metric]:
        yield Metric(name="lanes", help=WEBHOOK, samples=[Sample(1, {"lane": WEBHOOK})])
        yield Metric(name="sent", help=WEBHOOK, samples=[Sample(1, {TOKEN: WEBHOOK})])

    @hookimpl
    def http_routes(self) -> Iterable[Route]:
        async def fail(request: RouteRequest) -> None:
            raise OSError(f"cannot reach {WEBHOOK}")

        async def reject(request: RouteRequest) -> None:
            raise RouteError(409, f"{WEBHOOK} is there")

        async def answer(request: RouteRequest) -> Hook:
            return Hook()

        async def lie(request: RouteRequest) -> str:
            return WEBHOOK

        answer.__doc__ = f"Return {WEBHOOK}."
        yield Route(method="GET", path="/fail", handler=fail)
        yield Route(method="GET", path="/reject", handler=reject, errors={409: WEBHOOK})
        yield Route(method="GET", path="/answer", handler=answer, response=Hook)
        yield Route(method="GET", path="/lie", handler=lie, response=Hook)
        yield Route(method="POST", path="/answer", handler=answer, request=Hook, response=Hook)


@pytest.fixture(params=["configured", "unknown"])
async def http(client: Client, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    redactor = Redactor()
    redactor.add(TOKEN)
    if request.param == "configured":
        redactor.add(WEBHOOK)

    async with EventBus(redactor=redactor) as bus:
        await bus.plugins.register_and_wait(Leaky(), "leaky")
        feed = Feed(bus.redactor)
        feed.add(Notification(title=WEBHOOK, message=TOKEN))
        stopping = anyio.Event()
        # So that the stream ends by itself.
        stopping.set()
        config = HTTPConfig(token=SecretStr(TOKEN))
        app = make_app(bus, config, feed, stopping=stopping, port=8666)
        async with client(app, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
            yield http


@pytest.mark.slow
async def test_no_answer_and_no_log_shows_a_secret(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lanrage_events")
    caplog.set_level(logging.DEBUG, "lanrage_events_http")
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/api/events", EVENT),
        ("POST", "/api/events", [{**EVENT, "colour": WEBHOOK}, {"type": WEBHOOK}]),
        ("POST", f"/api/events?{WEBHOOK}", EVENT),
        ("GET", "/api/events/types", None),
        ("GET", "/api/events/stream?last_event_id=0", None),
        ("GET", f"/api/events/stream?type={WEBHOOK}", None),
        ("GET", "/api/plugins", None),
        ("GET", "/api/outbox", None),
        ("GET", "/api/outbox/leaky/entries", None),
        ("GET", f"/api/outbox/leaky/entries?lane={WEBHOOK[:-1]}", None),
        ("GET", f"/api/outbox/{TOKEN}/entries", None),
        ("POST", "/api/outbox/leaky/retry", {"lane": WEBHOOK[:-2]}),
        ("POST", "/api/outbox/leaky/drop", {"ids": [WEBHOOK]}),
        ("GET", "/metrics", None),
        ("GET", "/readyz", None),
        ("GET", "/healthz", None),
        ("GET", "/api/openapi.json", None),
        ("GET", "/api/leaky/fail", None),
        ("GET", "/api/leaky/reject", None),
        ("GET", "/api/leaky/answer", None),
        ("GET", "/api/leaky/lie", None),
        ("POST", "/api/leaky/answer", {"webhook_url": {"x": WEBHOOK}, "text": [WEBHOOK]}),
        ("GET", f"/api/leaky/{TOKEN}", None),
        ("GET", f"/api/{TOKEN}/x", None),
        ("GET", f"/{TOKEN}", None),
    ]
    statuses: list[int] = []
    for method, path, body in requests:
        response = await http.request(method, path, json=body)
        statuses.append(response.status_code)
        shown = f"{response.text} {response.headers}"
        assert [piece for piece in PIECES if piece in shown] == [], path

    assert {200, 404, 409, 422, 500, 503} <= set(statuses)
    assert re.search(r"cannot reach \S*\*{10}", caplog.text)
    assert [piece for piece in PIECES if piece in caplog.text] == []


async def test_the_login_is_not_repeated_either(http: httpx.AsyncClient) -> None:
    wrong = TOKEN[:-1]
    response = await http.get("/api/plugins", headers={"Authorization": f"Bearer {wrong}"})

    assert response.status_code == 401
    assert wrong not in response.text
