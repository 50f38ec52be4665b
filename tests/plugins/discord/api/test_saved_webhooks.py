"""Several webhooks that are added, changed, renamed and removed through the HTTP API."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import GameStarted, PeerJoined
from lanrage_events.http import RouteError
from lanrage_events.outbox import OutboxError
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook

Running = Callable[..., AbstractAsyncContextManager[Any]]


async def rejection(call: Any) -> tuple[int, str]:
    with pytest.raises(RouteError) as caught:
        await call

    return caught.value.status, caught.value.detail


def files_with(text: str, folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if text.encode() in path.read_bytes()]


async def add(s: Any, name: str, webhook: StandInWebhook, **settings: Any) -> Any:
    return await s.post(
        "/webhooks", {"name": name, "webhook_url": webhook.url, **settings}, offline=True
    )


async def change(s: Any, webhook: str, **settings: Any) -> Any:
    return await s.request("PATCH", "/webhooks", settings, name=webhook, offline=True)


async def remove(s: Any, name: str) -> Any:
    return await s.request("DELETE", "/webhooks", name=name)


async def listed(s: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await s.call("GET", "/webhooks"))["webhooks"]}


async def publish_both(s: Any) -> None:
    await s.publish("Ann")
    await s.bus.publish_and_wait(GameStarted(game_name="Quake", players=("Ann",)))
    await s.settle()


def shown(webhook: StandInWebhook, since: int = 0) -> tuple[bool, bool]:
    """Whether it has posted who joined, and which game started."""
    text = str(webhook.messages[since:])
    return "joined" in text, "Quake" in text


@pytest.mark.slow
async def test_each_saved_webhook_posts_what_was_chosen_for_it(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord(latency=0.04)
    everything, games, yaml = (discord.create_webhook() for _ in range(3))
    config = {"webhooks": {"yaml": {"url": yaml.url}}}
    async with running(discord, tmp_path, **config) as s:
        await add(s, "default", everything)
        answer = await add(s, " games ", games, events=["game_*"])
        assert [one["name"] for one in answer["webhooks"]] == ["yaml", "default", "games"]
        assert not answer["routes_configured"]
        found = await listed(s)
        assert [found[name]["source"] for name in found] == ["yaml", "saved", "saved"]
        assert (found["games"]["events"], found["default"]["events"]) == (["game_*"], None)
        await publish_both(s)
        assert [shown(one) for one in (everything, yaml)] == [(True, True)] * 2
        assert shown(games) == (False, True)

    before = [len(webhook.messages) for webhook in discord.webhooks]
    async with running(discord, tmp_path, **config) as s:
        await publish_both(s)
        posted = [shown(*one) for one in zip(discord.webhooks, before, strict=True)]
        assert posted == [(True, True), (False, True), (True, True)]
        for events, expected in [("peer_joined", (True, False)), ("event", (True, True))]:
            await change(s, "games", events=[events])
            since = len(games.messages)
            await publish_both(s)
            assert shown(games, since) == expected

        assert (await listed(s))["games"]["events"] is None


async def test_events_that_no_webhook_posts_are_counted(running: Running) -> None:
    async with running() as s:
        await add(s, "games", s.discord.create_webhook(), events=["game_started"])
        await publish_both(s)
        assert (await s.call("GET", "/status"))["unrouted_types"] == {"peer_joined": 1}
        health = s.bus.health()["discord"]
        assert (health.status, health.detail) == ("ok", "no webhook takes 1 event: 1 peer_joined")


async def test_routes_of_the_configuration_decide_for_saved_webhooks_too(running: Running) -> None:
    discord = StandInDiscord()
    games = discord.create_webhook()
    places = {"routes": "lanrage.yaml:8:5"}
    routes = [{"events": "peer_joined"}]
    async with running(discord, routes=routes, places=places) as s:
        answer = await add(s, "games", games, events=["game_*"])
        assert answer["routes_configured"]
        assert answer["routes_place"] == "lanrage.yaml:8:5"
        await publish_both(s)
        assert shown(games) == (True, False)


async def test_the_style_is_chosen_and_changes_while_it_runs(running: Running) -> None:
    async with running(batch={"window": 1, "immediate": False}) as s:
        lists, cards = s.discord.create_webhook(), s.discord.create_webhook()
        await add(s, "lists", lists)
        await add(s, "cards", cards, style="embeds")
        found = await listed(s)
        assert (found["lists"]["style"], found["cards"]["style"]) == ("digest", "embeds")
        await s.publish("Ann", "Bob")
        await s.settle()
        assert [len(m["embeds"]) for m in lists.messages] == [1]
        assert [len(m["embeds"]) for m in cards.messages] == [2]
        await change(s, "lists", style="embeds")
        await change(s, "cards", style="digest")
        await s.publish("Cid", "Dee")
        await s.settle()
        assert len(lists.messages[-1]["embeds"]) == 2
        assert len(cards.messages[-1]["embeds"]) == 1


@pytest.mark.slow
@pytest.mark.either_backend
async def test_yaml_wins_by_the_name_of_a_webhook(running: Running, tmp_path: Path) -> None:
    discord = StandInDiscord()
    saved, other, yaml = (discord.create_webhook() for _ in range(3))
    async with running(discord, tmp_path) as s:
        await add(s, "games", saved, events=["game_*"])
        await add(s, "other", other)

    places = {"webhooks.games": "lanrage.yaml:4:7"}
    webhooks = {"games": {"url": yaml.url, "batch": {"style": "embeds"}}}
    async with running(discord, tmp_path, webhooks=webhooks, places=places) as s:
        found = (await listed(s))["games"]
        assert (found["source"], found["place"]) == ("yaml", "lanrage.yaml:4:7")
        assert (found["events"], found["style"]) == (None, "embeds")
        await publish_both(s)
        assert shown(yaml) == (True, True)
        assert not saved.messages
        where = (409, "lanrage.yaml:4:7 sets webhooks.games: change it there")
        assert await rejection(add(s, "games", other)) == where
        assert await rejection(change(s, "games", style="digest")) == where
        assert await rejection(change(s, "other", name="games")) == where
        assert await rejection(remove(s, "games")) == where

    async with running(discord, tmp_path) as s:
        found = (await listed(s))["games"]
        assert (found["source"], found["events"]) == ("saved", ["game_*"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "status", "detail"),
    [
        ({"name": "a"}, 409, "a webhook is named 'a' already"),
        ({"name": " "}, 422, "the name must have from 1 to 50 printable characters"),
        ({"name": "x" * 51}, 422, "from 1 to 50"),
        ({"name": "a\nb"}, 422, "printable"),
        ({"name": "a\u202eb"}, 422, "printable"),
        ({"events": []}, 422, "choose from 1 to 200 event types"),
        ({"events": ["gamestarted"]}, 422, "did you mean 'game_started'"),
        ({"webhook_url": "https://discord.gg/abc"}, 422, "does not lead to Discord"),
        ({"webhook_url": ""}, 422, "the webhook URL is empty"),
    ],
)
@pytest.mark.either_backend
async def test_what_is_wrong_is_rejected_and_changes_nothing(
    running: Running, tmp_path: Path, settings: dict[str, Any], status: int, detail: str
) -> None:
    async with running(state_folder=tmp_path) as s:
        webhook = s.discord.create_webhook()
        await add(s, "a", webhook)
        await add(s, "b", webhook)
        file = (tmp_path / "discord.settings.json").read_bytes()
        whole = {"name": "c", "webhook_url": webhook.url, **settings}
        adding = s.post("/webhooks", whole, offline=True)
        for call in (adding, s.request("PATCH", "/webhooks", settings, name="b", offline=True)):
            found = await rejection(call)
            assert found[0] == status
            assert detail in found[1]

        assert (tmp_path / "discord.settings.json").read_bytes() == file
        assert len(s.discord.journal) == 0


async def test_errors_name_the_field(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        wrong: list[tuple[str, Any]] = [
            ("name", ""),
            ("events", ["x"]),
            ("webhook_url", webhook.url[:-1]),
        ]
        for field, value in wrong:
            body = {"name": "c", "webhook_url": webhook.url, field: value}
            with pytest.raises(RouteError) as caught:
                await s.post("/webhooks", body)

            assert [one.field for one in caught.value.errors] == [field]


async def test_a_webhook_that_is_not_saved_cannot_be_changed(running: Running) -> None:
    async with running() as s:
        await add(s, "a", s.discord.create_webhook())
        expected = (404, "no saved webhook is named 'b', known: a")
        assert await rejection(change(s, "b", style="embeds")) == expected
        assert await rejection(remove(s, "b")) == expected


@pytest.mark.slow
async def test_at_most_100_webhooks_are_saved(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        for number in range(100):
            await add(s, f"w{number}", webhook)

        found = await rejection(add(s, "one more", webhook))
        assert found == (422, "100 webhooks are saved already: remove one")
        await change(s, "w0", name="another")


@pytest.mark.slow
async def test_what_waits_in_a_removed_webhook_is_kept_and_shown(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord(latency=0.04)
    webhook, new = discord.create_webhook(), discord.create_webhook()
    async with running(discord, tmp_path) as s:
        await add(s, "games", webhook)
        discord.faults.fail(429, retry_after=60, action="execute")
        await s.publish("Ann")
        await anyio.sleep(1)
        answer = await remove(s, "games")
        [former] = answer["webhooks"]
        assert (former["source"], former["state"], former["pending"]) == (None, "unconfigured", 1)
        await s.publish("Bob")
        await anyio.sleep(600)
        assert not webhook.messages

    async with running(discord, tmp_path) as s:
        [former] = (await listed(s)).values()
        assert (former["name"], former["source"], former["pending"]) == ("games", None, 1)
        await add(s, "games", new)
        await s.settle()
        assert "Ann" in str(new.messages)
        assert "Bob" not in str(new.messages)
        await remove(s, "games")
        assert await listed(s) == {}


async def test_a_renamed_webhook_sends_what_waited_in_its_order(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook()
    async with running(discord, tmp_path, batch={"style": "embeds"}) as s:
        await add(s, "old", webhook, events=["peer_*"], style="embeds")
        discord.faults.fail(429, retry_after=60, action="execute")
        await s.publish("Ann", "Bob")
        await anyio.sleep(1)
        answer = await change(s, "old", name="new")
        [entry] = answer["webhooks"]
        assert (entry["name"], entry["pending"]) == ("new", 2)
        assert (entry["events"], entry["style"]) == (["peer_*"], "embeds")
        await s.publish("Cid")
        await anyio.sleep(120)
        text = json.dumps(webhook.messages)
        assert [text.count(name) for name in ("Ann", "Bob", "Cid")] == [1, 1, 1]
        assert text.index("Ann") < text.index("Bob") < text.index("Cid")
        assert list(s.plugin.lanes) == ["new"]
        assert s.plugin.lanes["new"].sent == 3
        assert s.plugin.pending == 0

    async with running(discord, tmp_path) as s:
        assert list(await listed(s)) == ["new"]


async def test_a_webhook_is_renamed_once_the_message_under_way_is_there(running: Running) -> None:
    discord = StandInDiscord(latency=2)
    async with running(discord) as s:
        webhook = discord.create_webhook()
        await add(s, "default", webhook)
        await s.publish("Ann")
        await anyio.sleep(1)
        await change(s, "default", name="a")
        await change(s, "a", name="b")
        await s.publish("Bob")
        await s.settle()
        text = json.dumps(webhook.messages)
        assert (text.count("Ann"), text.count("Bob")) == (1, 1)
        assert (await s.call("GET", "/status"))["webhook"]["source"] is None
        await change(s, "b", name="default")
        assert (await s.call("GET", "/status"))["webhook"]["source"] == "saved"


@pytest.mark.slow
async def test_events_that_come_while_a_webhook_is_renamed_are_posted_once_and_in_order(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord(latency=0.1, limit=None)
    webhook = discord.create_webhook()
    names = [f"Player{number:03}" for number in range(200)]
    async with running(discord, tmp_path, batch={"style": "embeds"}) as s:
        await add(s, "name0", webhook)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(s.publish, *names[:100])

            async def publish_slowly() -> None:
                for name in names[100:]:
                    await s.bus.publish(PeerJoined(peer_name=name, party_name="LAN"))
                    await anyio.sleep(0.03)

            tasks.start_soon(publish_slowly)
            for number in range(10):
                await anyio.sleep(0.3)
                await change(s, f"name{number}", name=f"name{number + 1}")

        await s.settle()
        assert list(await listed(s)) == ["name10"]
        text = json.dumps(webhook.messages)
        assert {text.count(name) for name in names} == {1}
        assert s.plugin.pending == 0


@pytest.mark.slow
async def test_a_webhook_is_renamed_as_far_as_the_outbox_allows_it(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        await add(s, "a", webhook)

        async def fail(*_: object) -> int:
            raise OutboxError("the disk is full")

        monkeypatch.setattr("lanrage_events.outbox.Outbox.rename_lane", fail)
        status, detail = await rejection(change(s, "a", name="b"))
        assert status == 503
        assert "what waited stays under 'a', since the outbox cannot be written" in detail
        await s.publish("Ann")
        await s.settle()
        assert list(await listed(s)) == ["b"]
        assert "Ann" in str(webhook.messages)


async def test_another_url_enables_a_dead_webhook_and_discord_is_asked(running: Running) -> None:
    async with running() as s:
        old, new = s.discord.create_webhook(), s.discord.create_webhook(name="New")
        await add(s, "games", old)
        old.delete()
        await s.publish("Ann")
        await s.settle()
        assert (await listed(s))["games"]["state"] == "dead"
        body = {"webhook_url": new.url}
        answer = await s.request("PATCH", "/webhooks", body, name="games")
        assert [one["posts_as"] for one in answer["webhooks"]] == ["New"]
        await s.settle()
        assert "Ann" in str(new.messages)


async def test_a_dead_webhook_stays_so_when_only_its_events_change(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        await add(s, "games", webhook)
        webhook.delete()
        await s.publish("Ann")
        await s.settle()
        requests = len(s.discord.journal)
        await change(s, "games", events=["peer_*"], style="embeds")
        await change(s, "games", name="others")
        await s.settle()
        assert (await listed(s))["others"]["state"] == "dead"
        assert len(s.discord.journal) == requests


@pytest.mark.slow
async def test_secrets_are_in_no_answer_and_in_one_file(running: Running, tmp_path: Path) -> None:
    discord = StandInDiscord()
    one, two = discord.create_webhook(), discord.create_webhook()
    async with running(discord, tmp_path) as s:
        await add(s, "one", one)
        await add(s, "two", two)
        await change(s, "two", name="three", webhook_url=one.url)
        await s.call("GET", "/status")
        for webhook in (one, two):
            assert all(webhook.token not in answer for answer in s.answers)
            assert webhook.token not in s.bus.redactor.redact(f"it is {webhook.url}")

    async with running(discord, tmp_path) as s:
        assert one.token not in s.bus.redactor.redact(f"it is {one.token}")

    assert files_with(one.token, tmp_path) == ["discord.settings.json"]


async def test_types_that_are_not_known_any_more_are_logged_and_shown(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, tmp_path) as s:
        await add(s, "games", webhook, events=["game_started"])

    file = tmp_path / "discord.settings.json"
    file.write_text(file.read_text("utf-8").replace("game_started", "match_won"), "utf-8")
    async with running(discord, tmp_path) as s:
        message = "no event type is named 'match_won'"
        assert f"the saved webhook 'games' cannot post some events: {message}" in caplog.text
        assert message in (await listed(s))["games"]["events_problem"]
        await publish_both(s)
        assert not webhook.messages


async def test_a_url_that_is_not_allowed_any_more_is_shown_and_can_be_removed(
    running: Running, tmp_path: Path
) -> None:
    host, url = "127.0.0.1:8123", "http://127.0.0.1:8123/api/webhooks/111/made-up-token"
    body = {"name": "games", "webhook_url": url}
    async with running(state_folder=tmp_path, allow_hosts=[host]) as s:
        await s.post("/webhooks", body, offline=True)

    async with running(state_folder=tmp_path) as s:
        [found] = (await listed(s)).values()
        assert (found["source"], found["state"]) == ("saved", "unconfigured")
        assert "does not lead to Discord" in found["reason"]
        await change(s, "games", name="others", style="embeds")
        await remove(s, "others")
        assert await listed(s) == {}
