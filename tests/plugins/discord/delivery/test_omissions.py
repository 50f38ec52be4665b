"""A message goes again without the part that Discord rejects, and later ones go without it at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventBus, Notification
from lanrage_events.abc import Bus
from lanrage_events.outbox import Outbox
from lanrage_events_discord import DiscordConfig, DiscordPlugin

URL = "https://discord.com/api/webhooks/111/made-up-token"
BAD = "https://bad.example/logo.png"
TEMPLATE = f"""\
title: "{{{{ title }}}}"
description: "{{{{ message }}}}"
thumbnail: {BAD}
fields:
- {{name: kind, value: "{{{{ title }}}}"}}
"""


class InlinePlugin(DiscordPlugin):
    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        return Outbox(self._state_file(bus, "outbox"), inline=True)


class Discord:
    """Answers as Discord does when it rejects parts of bodies.

    :param find: returns the paths of what is wrong in a body
    :param old: whether to answer in the form that names no more than embeds
    """

    def __init__(self, find: Callable[[Any], list[str]], *, old: bool = False) -> None:
        self.bodies: list[Any] = []
        self.accepted: list[Any] = []
        self._find = find
        self._old = old
        self.transport = httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        paths = self._find(body)
        if not paths:
            self.accepted.append(body)
            return httpx.Response(200, json={"id": "1", "channel_id": "2"})

        if self._old:
            return httpx.Response(400, json={"embeds": sorted({p.split(".")[1] for p in paths})})

        errors: dict[str, Any] = {}
        for path in paths:
            node = errors
            for key in path.split("."):
                node = node.setdefault(key, {})

            node["_errors"] = [{"code": "X", "message": "Not a well formed URL."}]

        answer = {"code": 50035, "message": "Invalid Form Body", "errors": errors}
        return httpx.Response(400, json=answer)

    @property
    def titles(self) -> list[str]:
        return [embed["title"] for body in self.accepted for embed in body["embeds"]]


def bad_thumbnails(body: Any) -> list[str]:
    return [
        f"embeds.{index}.thumbnail.url"
        for index, embed in enumerate(body["embeds"])
        if embed.get("thumbnail", {}).get("url") == BAD
    ]


@asynccontextmanager
async def running(
    discord: Discord,
    folder: Path,
    state_folder: Path | None = None,
    *,
    template: str = TEMPLATE,
    **webhook: Any,
) -> AsyncIterator[tuple[EventBus, DiscordPlugin]]:
    (folder / "discord").mkdir(parents=True, exist_ok=True)
    (folder / "discord" / "notification.yaml").write_text(template, encoding="utf-8")
    async with httpx.AsyncClient(transport=discord.transport) as http:
        batch = {"style": "embeds", "immediate": False}
        webhooks = {"main": {"url": URL, "batch": batch, **webhook}}
        kind = DiscordPlugin if state_folder is None else InlinePlugin
        plugin = kind(DiscordConfig.model_validate({"webhooks": webhooks}), http=http)
        bus = EventBus(templates=[folder], state_folder=state_folder)
        bus.register(plugin, "discord")
        async with bus:
            yield bus, plugin


def notice(number: int) -> Notification:
    return Notification(title=f"n{number}", message="text")


def left_out(plugin: DiscordPlugin) -> float:
    [metric] = [m for m in plugin.metrics() if m.name == "lane_parts_left_out"]
    return metric.samples[0].value


@pytest.mark.parametrize("old", [False, True])
async def test_a_picture_that_discord_rejects_costs_one_request_and_no_event(
    tmp_path: Path, old: bool, caplog: pytest.LogCaptureFixture
) -> None:
    discord = Discord(bad_thumbnails, old=old)
    async with running(discord, tmp_path) as (bus, plugin):
        for number in range(5):
            await bus.publish(notice(number))

        await anyio.sleep(10)
        for number in range(5, 8):
            await bus.publish(notice(number))

        await anyio.sleep(10)
        assert plugin.pending == 0
        assert left_out(plugin) == 8
        assert bus.health()["discord"].status == "ok"

    assert discord.titles == [f"n{number}" for number in range(8)]
    assert len(discord.bodies) - len(discord.accepted) == 1
    assert all(embed["fields"] for body in discord.accepted for embed in body["embeds"])
    assert caplog.text.count(BAD) == 1
    assert "webhook 'main': Discord rejects" in caplog.text


@pytest.mark.slow
async def test_after_a_restart_it_costs_one_more(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    down = Discord(bad_thumbnails)
    down.transport = httpx.MockTransport(lambda _: httpx.Response(503))
    async with running(down, tmp_path, state) as (bus, _):
        for number in range(3):
            await bus.publish_and_wait(notice(number))

    for _ in range(2):
        discord = Discord(bad_thumbnails)
        async with running(discord, tmp_path, state) as (bus, plugin):
            await bus.publish(notice(3))
            await bus.publish(notice(4))
            await anyio.sleep(60)
            assert plugin.pending == 0

        assert len(discord.bodies) - len(discord.accepted) == 1


@pytest.mark.slow
async def test_only_what_is_named_is_left_out_of_only_that_embed(tmp_path: Path) -> None:
    def find(body: Any) -> list[str]:
        return [
            f"embeds.{index}.fields.0.value"
            for index, embed in enumerate(body["embeds"])
            if embed["title"] == "n1" and embed.get("fields")
        ]

    discord = Discord(find)
    async with running(discord, tmp_path) as (bus, _):
        await bus.publish(notice(0))
        await bus.publish(notice(1))
        await anyio.sleep(10)

    first, second = discord.accepted[0]["embeds"]
    assert "fields" in first
    assert "fields" not in second
    assert first["thumbnail"] == second["thumbnail"] == {"url": BAD}


@pytest.mark.parametrize("part", ["username", "avatar_url"])
async def test_a_name_or_a_picture_of_the_webhook_that_is_rejected_is_left_out(
    tmp_path: Path, part: str
) -> None:
    discord = Discord(lambda body: [part] if part in body else [])
    settings = {"username": "bot", "avatar_url": "https://example.com/a.png"}
    async with running(discord, tmp_path, None, **settings) as (bus, plugin):
        for number in range(2):
            await bus.publish(notice(number))
            await anyio.sleep(10)

        assert left_out(plugin) == 2

    assert len(discord.bodies) == 3
    assert all(body.keys() & {*settings} == {*settings} - {part} for body in discord.accepted)


async def test_what_an_event_cannot_do_without_makes_a_dead_letter(tmp_path: Path) -> None:
    def find(body: Any) -> list[str]:
        return [f"embeds.{i}.title" for i, e in enumerate(body["embeds"]) if e["title"] == "n1"]

    discord = Discord(find)
    async with running(discord, tmp_path) as (bus, plugin):
        for number in range(3):
            await bus.publish(notice(number))

        await anyio.sleep(10)
        outbox = plugin.outbox()
        assert outbox is not None
        assert outbox.statistics().dead == 1

    assert discord.titles == ["n0", "n2"]


EXTRAS = """\
title: "{{ title }}"
content: "look: {{ title }}"
username: "{{ message }}"
buttons:
- {label: Good, url: "https://good.example"}
- {label: Bad, url: "https://bad.example"}
"""


def bad_buttons(body: Any) -> list[str]:
    return [
        f"components.{row}.components.{column}.url"
        for row, one in enumerate(body.get("components", ()))
        for column, button in enumerate(one["components"])
        if button["label"] == "Bad"
    ]


def bad_names(body: Any) -> list[str]:
    return ["username"] if "username" in body else []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("find", "lost"), [(bad_buttons, "Bad: https://bad.example"), (bad_names, "username 'text'")]
)
async def test_a_button_or_a_name_that_discord_rejects_costs_one_request_and_no_event(
    tmp_path: Path,
    find: Callable[[Any], list[str]],
    lost: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    discord = Discord(find)
    async with running(discord, tmp_path, template=EXTRAS) as (bus, plugin):
        for number in range(3):
            await bus.publish(notice(number))
            await anyio.sleep(10)

        assert plugin.pending == 0
        assert left_out(plugin) == 3

    assert discord.titles == ["n0", "n1", "n2"]
    assert [body["content"] for body in discord.accepted] == [f"look: n{n}" for n in range(3)]
    labels = [
        [b["label"] for b in body["components"][0]["components"]] for body in discord.accepted
    ]
    assert labels == [["Good", "Bad"] if find is bad_names else ["Good"]] * 3
    assert len(discord.bodies) - len(discord.accepted) == 1
    assert caplog.text.count(lost) == 1
