from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from lanrage_events import EventBus, Redactor, hookimpl
from lanrage_events.outbox import UNTIL_RESUMED, Outbox, OutboxError
from lanrage_events_http._api import outbox_operations
from lanrage_events_http._app import application

SECRET = "geheimnis-0123456789"
NOW = datetime(2026, 1, 31, 20, 15, tzinfo=UTC)

Client = Callable[..., httpx.AsyncClient]


class Mail:
    """A plugin with an outbox, in which there is what a test puts there."""

    def __init__(self) -> None:
        self.outbox: Any = Outbox(now=lambda: NOW)

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        async with self.outbox:
            yield

    @hookimpl(specname="outbox")
    def return_outbox(self) -> Any:
        return self.outbox


class Closed:
    """A plugin whose outbox is what a test says."""

    def __init__(self, answer: object = None) -> None:
        self._answer = answer

    @hookimpl
    def outbox(self) -> Any:
        return self._answer


@asynccontextmanager
async def serving(
    client: Client, *letters: tuple[str, str], **plugins: object
) -> AsyncIterator[tuple[Outbox, httpx.AsyncClient]]:
    redactor = Redactor()
    redactor.add(SECRET)
    async with EventBus(redactor=redactor) as bus:
        mail = Mail()
        await bus.plugins.register_and_wait(mail, "mail")
        for name, plugin in plugins.items():
            await bus.plugins.register_and_wait(plugin, name)

        for lane, body in letters:
            await mail.outbox.put(lane, body, label="peer_joined")

        async with client(application(outbox_operations(bus), bus.redactor)) as http:
            yield mail.outbox, http


async def test_outboxes_come_with_their_lanes(client: Client) -> None:
    letters = ("main", "1"), ("main", "2"), ("other", "3"), ("third", "4")
    async with serving(client, *letters) as (outbox, http):
        await outbox.dead_letter([1], "no such webhook")
        await outbox.postpone_lane("main", NOW + timedelta(minutes=1), f"slow {SECRET}")
        await outbox.postpone_lane("other", UNTIL_RESUMED, "webhook is gone")
        response = await http.get("/api/outbox")

    [entry] = response.json()["outboxes"]
    lanes = entry.pop("lanes")
    assert entry == {
        "plugin": "mail",
        "pending": 3,
        "dead": 1,
        "oldest": "2026-01-31T20:15:00Z",
        "problem": None,
    }
    assert lanes[0] == {
        "name": "main",
        "pending": 1,
        "dead": 1,
        "oldest": "2026-01-31T20:15:00Z",
        "postponed_until": "2026-01-31T20:16:00Z",
        "until_resumed": False,
        "last_error": "slow **********",
    }
    assert [lane["postponed_until"] for lane in lanes[1:]] == [None, None]
    assert [lane["until_resumed"] for lane in lanes[1:]] == [True, False]


async def test_an_outbox_that_is_closed_or_broken_has_a_problem(client: Client) -> None:
    class Broken(Outbox):
        async def lanes(self) -> Any:
            raise OutboxError(f"cannot read {SECRET}")

    broken = Mail()
    broken.outbox = Broken()
    others = {"shut": Closed(), "odd": Closed(7), "raw": Closed(Outbox()), "broken": broken}
    async with serving(client, **others) as (_, http):
        response = await http.get("/api/outbox")
        shut = await http.get("/api/outbox/shut/entries")
        raw = await http.get("/api/outbox/raw/entries")
        odd = await http.get("/api/outbox/odd/entries")
        unreadable = await http.get("/api/outbox/broken/entries?lane=main")

    problems = {entry["plugin"]: entry["problem"] for entry in response.json()["outboxes"]}
    assert problems == {
        "mail": None,
        "shut": "it is closed now",
        "raw": "it is closed now",
        "broken": "cannot read **********",
    }
    assert (shut.status_code, raw.status_code, odd.status_code) == (503, 503, 404)
    assert unreadable.status_code == 503
    assert unreadable.json()["detail"] == "cannot read **********"
    assert unreadable.headers["retry-after"] == "5"


async def test_an_outbox_that_closes_meanwhile_is_shown_as_closed(client: Client) -> None:
    async with serving(client) as (outbox, http), Outbox() as other:
        await outbox.__aexit__(None, None, None)
        response = await http.get("/api/outbox")
        entries = await http.get("/api/outbox/mail/entries")
        assert await other.lanes() == []

    assert response.json()["outboxes"][0]["problem"] == "it is closed now"
    assert entries.status_code == 503


async def test_the_last_failure_to_write_is_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = OutboxError(f"the disk is full: {SECRET}")
    monkeypatch.setattr(Outbox, "problem", problem)
    async with serving(client) as (_, http):
        response = await http.get("/api/outbox")

    assert response.json()["outboxes"][0]["problem"] == "the disk is full: **********"


async def test_entries_come_in_order_without_secrets(client: Client) -> None:
    letters = ("main", json.dumps({"url": SECRET})), ("main", "2"), ("main", "3")
    async with serving(client, *letters) as (outbox, http):
        await outbox.dead_letter([1], f"refused {SECRET}", f"embeds.0: {SECRET}")
        await outbox.postpone([2], NOW + timedelta(minutes=1), "slow")
        response = await http.get("/api/outbox/mail/entries")

    entries = response.json()["entries"]
    assert entries[0] == {
        "id": 1,
        "lane": "main",
        "label": "peer_joined",
        "put": "2026-01-31T20:15:00Z",
        "attempts": 0,
        "kind": "dead",
        "reason": "refused **********",
        "detail": "embeds.0: **********",
        "expires": None,
        "body": '{"url": "**********"}',
    }
    assert [(e["id"], e["kind"], e["reason"], e["attempts"]) for e in entries[1:]] == [
        (2, "pending", "slow", 1),
        (3, "pending", "", 0),
    ]
    assert response.json()["next"] is None


@pytest.mark.parametrize(
    ("query", "ids", "next_page"),
    [
        ("limit=2", [1, 2], 2),
        ("limit=2&after=2", [3, 4], 4),
        ("limit=2&after=4", [5], None),
        ("limit=5", [1, 2, 3, 4, 5], None),
        ("after=5", [], None),
        ("kind=dead", [2, 4], None),
        ("kind=dead&limit=1", [2], 2),
        ("kind=pending", [1, 3, 5], None),
        ("lane=other", [4, 5], None),
        ("lane=other&kind=dead", [4], None),
    ],
)
@pytest.mark.either_backend
async def test_entries_come_in_pages(
    client: Client, query: str, ids: list[int], next_page: int | None
) -> None:
    letters = ("main", "1"), ("main", "2"), ("main", "3"), ("other", "4"), ("other", "5")
    async with serving(client, *letters) as (outbox, http):
        await outbox.dead_letter([2, 4], "refused")
        response = await http.get(f"/api/outbox/mail/entries?{query}")

    assert [entry["id"] for entry in response.json()["entries"]] == ids
    assert response.json()["next"] == next_page


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("mial/entries", "no plugin 'mial' has an outbox, did you mean 'mail'?"),
        ("mail/entries?lane=mian", "the outbox holds nothing in lane 'mian', did you mean 'main'?"),
        ("mail/entries?lane=x", "the outbox holds nothing in lane 'x', known are main, other"),
    ],
)
async def test_what_does_not_exist_is_answered_with_what_does(
    client: Client, path: str, detail: str
) -> None:
    async with serving(client, ("main", "1"), ("other", "2")) as (_, http):
        response = await http.get(f"/api/outbox/{path}")

    assert (response.status_code, response.json()["detail"]) == (404, detail)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "after=-1", f"after={2**63}", "kind=all", "lanes=main"]
)
async def test_a_query_that_is_not_valid_is_rejected(client: Client, query: str) -> None:
    async with serving(client) as (_, http):
        response = await http.get(f"/api/outbox/mail/entries?{query}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == query.partition("=")[0]


@pytest.mark.parametrize(
    ("chosen", "count", "retried"),
    [
        ({"ids": [1, 99]}, 1, [1, 3, 4]),
        ({"lane": "main"}, 2, [1, 2, 3, 4]),
        ({"ids": [99]}, 0, [3, 4]),
    ],
)
async def test_dead_letters_are_tried_again(
    client: Client, chosen: object, count: int, retried: list[int]
) -> None:
    letters = ("main", "1"), ("main", "2"), ("main", "3"), ("other", "4")
    async with serving(client, *letters) as (outbox, http):
        await outbox.dead_letter([1, 2], "refused")
        response = await http.post("/api/outbox/mail/retry", json=chosen)
        pending = await outbox.pending()

    assert (response.status_code, response.json()) == (200, {"count": count})
    assert [entry.id for entry in pending] == retried


@pytest.mark.parametrize(
    ("chosen", "count", "left"),
    [
        ({"ids": [1, 3, 99]}, 2, [2, 4]),
        ({"lane": "main"}, 3, [4]),
    ],
)
async def test_entries_are_dropped(
    client: Client, chosen: object, count: int, left: list[int]
) -> None:
    letters = ("main", "1"), ("main", "2"), ("main", "3"), ("other", "4")
    async with serving(client, *letters) as (outbox, http):
        await outbox.dead_letter([1], "refused")
        response = await http.post("/api/outbox/mail/drop", json=chosen)
        pending = await outbox.pending()

    assert (response.status_code, response.json()) == (200, {"count": count})
    assert [entry.id for entry in pending] == left


@pytest.mark.parametrize("action", ["retry", "drop"])
@pytest.mark.parametrize(
    ("chosen", "errors"),
    [
        ({}, {"": "exactly one of 'ids' and 'lane' is expected"}),
        ({"ids": [1], "lane": "main"}, {"": "exactly one of 'ids' and 'lane' is expected"}),
        ({"ids": []}, {"ids": "list should have at least 1 item after validation, not 0"}),
        ({"ids": ["1"]}, {"ids.0": "input should be a valid integer"}),
        ({"ids": [2**63]}, {"ids.0": "input should be less than or equal to 9223372036854775807"}),
        ({"lane": "main", "id": [1]}, {"id": "unknown field, did you mean 'ids'?"}),
        ([], {"": "input should be an object"}),
    ],
)
@pytest.mark.either_backend
async def test_a_choice_that_is_not_valid_changes_nothing(
    client: Client, action: str, chosen: object, errors: dict[str, str]
) -> None:
    async with serving(client, ("main", "1")) as (outbox, http):
        response = await http.post(f"/api/outbox/mail/{action}", json=chosen)
        assert len(await outbox.pending()) == 1

    assert response.status_code == 422
    assert {e["path"]: e["message"] for e in response.json()["errors"]} == errors


@pytest.mark.parametrize("action", ["retry", "drop"])
async def test_a_choice_in_what_does_not_exist_is_rejected(client: Client, action: str) -> None:
    async with serving(client, ("main", "1")) as (_, http):
        plugin = await http.post(f"/api/outbox/post/{action}", json={"lane": "main"})
        lane = await http.post(f"/api/outbox/mail/{action}", json={"lane": "mian"})
        text = await http.post(f"/api/outbox/mail/{action}", content="{")

    assert (plugin.status_code, lane.status_code, text.status_code) == (404, 404, 400)
    assert "did you mean 'main'?" in lane.json()["detail"]


@pytest.mark.parametrize("action", ["retry", "drop"])
async def test_a_change_that_cannot_be_written_is_answered_with_the_reason(
    client: Client, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*args: object) -> int:
        raise OutboxError("the disk is full")

    monkeypatch.setattr(Outbox, action, fail)
    async with serving(client, ("main", "1")) as (_, http):
        response = await http.post(f"/api/outbox/mail/{action}", json={"ids": [1]})

    assert (response.status_code, response.json()["detail"]) == (503, "the disk is full")
