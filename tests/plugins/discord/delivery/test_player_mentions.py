"""Players who are mentioned by the content of messages: whom Discord notifies, and how often."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import Event, EventBus, PeerJoined, hookimpl
from lanrage_events._rules import HidingKey
from lanrage_events.config import ConfigError, load_bus
from lanrage_events.config._rules import ConfiguredRules, RuleConfig
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ANN, BEN, CY = "111111111111111111", "222222222222222222", "333333333333333333"
ROLE = "444444444444444444"
URL = "https://discord.com/api/webhooks/111/made-up-token"


class Seats:
    """A plugin that knows where everyone sits."""

    @hookimpl
    def mention_player(self, player: str) -> str | None:
        return CY if player == "Cy" else None


class Scene:
    def __init__(self, folder: Path) -> None:
        self.discord = StandInDiscord(latency=0.04)
        self.webhook = self.discord.create_webhook()
        self.folder = folder / "templates"
        (self.folder / "discord").mkdir(parents=True)
        file = self.folder / "discord" / "peer_joined.yaml"
        file.write_text("content: '{{ peer_name | mention_player }} is here'", encoding="utf-8")

    def config(self, **more: Any) -> dict[str, Any]:
        return {
            "discord": self.discord,
            "webhook_url": self.webhook.url,
            "templates": [self.folder],
            "players": {"Ann": ANN, "STEAM_0:1:7": BEN},
            **more,
        }

    @property
    def posted(self) -> list[tuple[str, list[str]]]:
        """The contents and whom Discord notifies, by the requests."""
        bodies = [record.body for record in self.discord.journal]
        return [(b.get("content", ""), b["allowed_mentions"].get("users", [])) for b in bodies]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def join(setup: Any, *names: str, **more: Any) -> None:
    for name in names:
        await setup.bus.publish_and_wait(PeerJoined(peer_name=name, party_name="LAN", **more))
        await setup.settle()


async def test_exactly_the_players_in_the_content_are_notified(
    running: Running, scene: Scene
) -> None:
    async with running(**scene.config(plugins={"seats": Seats()})) as setup:
        await join(setup, "Ann", "Cy", "@everyone", "Dan")
        await join(setup, "Somebody", peer_id="STEAM_0:1:7")

    assert scene.posted == [
        (f"<@{ANN}> is here", [ANN]),
        (f"<@{CY}> is here", [CY]),
        (r"\@everyone is here", []),
        ("Dan is here", []),
        (f"<@{BEN}> is here", [BEN]),
    ]
    [first, *_] = scene.webhook.messages
    assert [user["id"] for user in first["mentions"]] == [ANN]


async def test_within_the_cooldown_a_name_is_shown_without_a_notification(
    running: Running, scene: Scene, tmp_path: Path
) -> None:
    config = scene.config(state_folder=tmp_path)
    async with running(**config) as setup:
        await join(setup, "Ann", "Ann")

    async with running(**config) as setup:
        await join(setup, "Ann")
        await anyio.sleep(300)
        await join(setup, "Ann")

    text = f"<@{ANN}> is here"
    assert scene.posted == [(text, [ANN]), (text, []), (text, []), (text, [ANN])]


async def test_the_cooldown_is_that_of_the_route_and_of_all_mentions(
    running: Running, scene: Scene
) -> None:
    mention = {"users": [BEN], "roles": [ROLE], "cooldown": "20s"}
    async with running(**scene.config(routes=[{"mention": mention}])) as setup:
        await join(setup, "Somebody", "Somebody", peer_id="STEAM_0:1:7")
        await anyio.sleep(20)
        await join(setup, "Ann")

    assert scene.posted == [
        (f"<@&{ROLE}> <@{BEN}>\n<@{BEN}> is here", [BEN]),
        (f"<@{BEN}> is here", []),
        (f"<@&{ROLE}> <@{BEN}>\n<@{ANN}> is here", [BEN, ANN]),
    ]


async def test_a_cooldown_needs_no_roles(running: Running, scene: Scene) -> None:
    async with running(**scene.config(routes=[{"mention": {"cooldown": "15s"}}])) as setup:
        await join(setup, "Ann", "Ann", "Ann")

    assert [bool(users) for _, users in scene.posted] == [True, False, True]


@pytest.mark.parametrize("where", ["quiet", "mention"])
async def test_quiet_hours_notify_nobody(running: Running, scene: Scene, where: str) -> None:
    now = datetime.fromtimestamp(anyio.current_time(), UTC)
    hours = {"from": f"{now - timedelta(hours=1):%H:%M}", "to": f"{now + timedelta(hours=1):%H:%M}"}
    if where == "quiet":
        more: dict[str, Any] = {"quiet": [{**hours, "then": "silent"}]}
    else:
        more = {"routes": [{"mention": {"quiet": [hours]}}]}

    async with running(**scene.config(**more)) as setup:
        await join(setup, "Ann")
        await anyio.sleep(3600)
        await join(setup, "Ann")

    assert scene.posted == [(f"<@{ANN}> is here", []), (f"<@{ANN}> is here", [ANN])]


async def test_a_digest_and_old_news_notify_nobody(
    running: Running, scene: Scene, tmp_path: Path
) -> None:
    config = scene.config(state_folder=tmp_path, batch={"immediate": False, "window": "1s"})
    async with running(**config) as setup:
        for name in ("Ann", "Ben", "Cy"):
            await setup.bus.publish_and_wait(PeerJoined(peer_name=name, party_name="LAN"))

        await setup.settle()

    assert scene.posted == [("", [])]
    scene.discord.faults.refuse_connections(60)
    async with running(**config) as setup:
        await setup.bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name="LAN"))
        await anyio.sleep(100)

    assert scene.posted[1:] == [(f"<@{ANN}> is here", [])]


async def test_a_hidden_player_is_not_found(running: Running, scene: Scene) -> None:
    asked: list[str] = []

    class Curious:
        @hookimpl
        def mention_player(self, player: str, event: Event) -> str | None:
            asked.append(f"{player} {event}")
            return None

    rules = ConfiguredRules((RuleConfig.model_validate({"hide": ["Ann", "Ben"]}),))
    async with running(**scene.config(plugins={"curious": Curious()})) as setup:
        setup.bus.rules = rules.make(HidingKey())
        await join(setup, "Ann")
        await join(setup, "Ben", peer_id="STEAM_0:1:7")

    assert scene.posted == [("a player is here", []), ("a player is here", [])]
    assert len(asked) == 2
    assert not any(word in text for text in asked for word in ("Ann", "Ben", "STEAM"))


async def test_a_lost_answer_notifies_again_no_one_else(running: Running, scene: Scene) -> None:
    scene.discord.faults.fail(503, times=1)
    async with running(**scene.config()) as setup:
        await join(setup, "Ann")

    assert scene.posted == [(f"<@{ANN}> is here", [ANN])] * 2


async def test_a_plugin_that_fails_leaves_the_name(
    running: Running, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty:
        @hookimpl
        def mention_player(self, player: str) -> str | None:
            raise RuntimeError("no seats")

    class Wrong:
        @hookimpl
        def mention_player(self) -> object:
            return 5

    plugins = {"faulty": Faulty(), "wrong": Wrong(), "seats": Seats()}
    async with running(**scene.config(plugins=plugins)) as setup:
        await join(setup, "Dan", "Cy")

    assert [users for _, users in scene.posted] == [[], [CY]]
    assert "plugin 'faulty' hook 'mention_player' failed" in caplog.text
    assert "hook 'mention_player' must return a text, or None, not 5" in caplog.text


async def test_the_previews_show_who_is_mentioned(running: Running, scene: Scene) -> None:
    event = {"type": "peer_joined", "fields": {"peer_name": "Cy", "party_name": "LAN"}}
    async with running(**scene.config(plugins={"seats": Seats()})) as setup:
        answer = await setup.post("/preview", event)
        joined = PeerJoined(peer_name="Ann", party_name="LAN")
        [found] = setup.bus.plugins.preview(joined)["discord"]

    assert answer["body"]["content"] == f"<@{CY}> is here"
    assert found.json["content"] == f"<@{ANN}> is here"


@pytest.mark.parametrize(
    ("players", "problems"),
    [
        ("{Ann: '12'}", []),
        ("{Ann: '123456789012345678', 'STEAM_0:1:7': '123456789012345678'}", []),
        ("{Ann: 12345}", ["3:20: plugins.discord.players.Ann: expected a text, found a number"]),
        ("{Ann: Ann#1234}", ["3:20: plugins.discord.players.Ann: expected the id of a user, not"]),
        ("{Ann: '<@12>', Ben: ''}", ["players.Ann: ", "players.Ben: "]),
        (
            "{Ann: '1', ' Ann ': '2'}",
            ["players. Ann : the same player as 'Ann': remove one of them"],
        ),
        ("{Ann: '1', Ann: '2'}", ["3:25: duplicate key 'Ann', first at 3:15"]),
        ("{'': '1'}", ["players.: expected the name of a player or a peer_id"]),
        ("[Ann]", ["plugins.discord.players: "]),
    ],
)
def test_duplicates_and_wrong_ids_are_errors_with_their_place(
    tmp_path: Path, players: str, problems: list[str]
) -> None:
    file = tmp_path / "lanrage.yaml"
    file.write_text(f"plugins:\n  discord:\n    players: {players}\n", encoding="utf-8")
    found = ""
    try:
        load_bus(file)
    except ConfigError as error:
        found = str(error)

    assert bool(found) is bool(problems)
    for problem in problems:
        assert problem in found
    if problems:
        assert f"{file}:3:" in found


async def test_a_content_that_discord_rejects_does_not_silence_who_is_in_it(scene: Scene) -> None:
    bodies: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        if not bodies[-1].get("content", "").endswith("LAN"):
            return httpx.Response(200, json={"id": "1", "channel_id": "2"})

        errors = {"content": {"_errors": [{"code": "X", "message": "not this"}]}}
        return httpx.Response(400, json={"code": 50035, "message": "Invalid", "errors": errors})

    file = scene.folder / "discord" / "peer_joined.yaml"
    file.write_text("content: '{{ peer_name | mention_player }} in {{ party_name }}'", "utf-8")
    config = DiscordConfig.model_validate({"webhook_url": URL, "players": {"Ann": ANN}})
    bus = EventBus(templates=[scene.folder])
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        bus.register(DiscordPlugin(config, http=http))
        async with bus:
            for party in ("LAN", "LAN", "Hall"):
                await bus.publish(PeerJoined(peer_name="Ann", party_name=party))
                await anyio.sleep(30)

    assert [body["allowed_mentions"].get("users") for body in bodies] == [[ANN], None, None, [ANN]]
