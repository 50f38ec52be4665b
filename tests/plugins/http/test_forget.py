"""Forgetting a person over the API, and in the files of a daemon that does not run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from lanrage_events import EventBus, hookimpl
from lanrage_events.forgetting import ForgetReport, Forgotten, forget
from lanrage_events_http import HTTPConfig, HTTPPlugin

pytestmark = pytest.mark.real_clock


class Arena:
    """A plugin whose hook fails, and one that has none."""

    @hookimpl
    def forget(self) -> dict[str, int]:
        raise OSError("disk full")


class Bingo:
    pass


def joined(name: str, id: str) -> dict[str, Any]:
    return {"type": "peer_joined", "id": id, "peer_name": name, "party_name": "LAN"}


async def publish(client: httpx.AsyncClient, *events: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/api/events", json=list(events))
    assert answer.status_code == 202, answer.text
    data: dict[str, Any] = answer.json()
    return data


async def test_the_feed_and_the_ids_forget_a_person(serve: Any, tmp_path: Path) -> None:
    bus = EventBus(state_folder=tmp_path)
    async with (
        serve({"bingo": Bingo()}, bus=bus) as served,
        httpx.AsyncClient(base_url=served.url) as client,
    ):
        await publish(client, joined("Ann", "ann-1"), joined("ann", "x"), joined("Bob", "y"))
        answer = await client.post("/api/forget", json={"name": "ANN"})
        removed = {"events in the feed": 2, "ids of events": 1}
        assert answer.json() == {
            "found": [{"place": "plugin 'http'", "removed": removed, "problem": ""}],
            "unasked": ["bingo"],
        }
        assert "ann" not in (tmp_path / "http.ids").read_text().lower()
        # The other ids are still known, and new ones are kept.
        repeated = await publish(client, joined("Bob", "y"), joined("Ann", "ann-1"))
        assert repeated["repeated"] == ["y"]

    assert "ann-1" in (tmp_path / "http.ids").read_text()


async def test_files_of_a_plugin_that_does_not_run_forget_a_person(tmp_path: Path) -> None:
    for name in ("http.ids", "http.ids.old"):
        lines = [[1.5, ["ann-1", "y"]], [2.5, ["bob"]]]
        (tmp_path / name).write_text("".join(f"\n{json.dumps(line)}" for line in lines))

    bus = EventBus(state_folder=tmp_path)
    bus.register(HTTPPlugin(HTTPConfig(port=0)), "http")
    expected = [Forgotten("plugin 'http'", {"ids of events": 2})]
    assert await forget(bus, "Ann") == ForgetReport(expected, [])
    for name in ("http.ids", "http.ids.old"):
        assert (tmp_path / name).read_text() == '\n[1.5, ["y"]]\n[2.5, ["bob"]]'
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600

    assert await forget(bus, "Ann") == ForgetReport([], [])
    assert sorted(os.listdir(tmp_path)) == ["http.ids", "http.ids.old"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"name": "*"}, 422, "expected the name or the id of a person"),
        ({"name": ""}, 422, "name"),
        ({}, 422, "name"),
        ({"name": "x" * 1001}, 422, "name"),
    ],
)
async def test_what_is_no_person_is_rejected(
    serve: Any, body: dict[str, str], status: int, detail: str
) -> None:
    async with serve() as served, httpx.AsyncClient(base_url=served.url) as client:
        answer = await client.post("/api/forget", json=body)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert detail in answer.text


async def test_a_plugin_that_fails_is_in_the_answer(serve: Any) -> None:
    async with (
        serve({"arena": Arena()}) as served,
        httpx.AsyncClient(base_url=served.url) as client,
    ):
        [found] = (await client.post("/api/forget", json={"name": "Ann"})).json()["found"]

    problem = "hook 'forget' failed: OSError: disk full"
    assert found == {"place": "plugin 'arena'", "removed": {}, "problem": problem}
