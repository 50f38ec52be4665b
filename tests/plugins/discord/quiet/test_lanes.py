"""Quiet hours and mutes in the lanes, in virtual time."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio

from lanrage_events import Event, GameStarted, Notification, PeerJoined, PeerLeft
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]
ROLE = "140000000000000002"
SILENT = 4096
pytestmark = pytest.mark.slow


def clock(seconds: float) -> str:
    """Return what a clock in UTC shows in some seconds."""
    now = datetime.fromtimestamp(anyio.current_time(), UTC)
    return f"{now + timedelta(seconds=seconds):%H:%M}"


def hours(begin: float, end: float, then: str, **more: Any) -> dict[str, Any]:
    """Return quiet hours that begin and end in some seconds."""
    return {"from": clock(begin), "to": clock(end), "time_zone": "UTC", "then": then, **more}


def joined(*names: str) -> Iterator[Event]:
    return (PeerJoined(peer_name=name, party_name="LAN") for name in names)


class Channel:
    """A webhook, and what its messages say."""

    def __init__(self, setup: Any, webhook: Any) -> None:
        self.setup = setup
        self.webhook = webhook

    async def publish(self, *events: Event) -> None:
        for event in events:
            await self.setup.bus.publish_and_wait(event)

    async def post(self, *events: Event) -> list[tuple[str, bool, bool]]:
        """Publish events, wait some seconds, and return what the new messages are.

        That is the names in each, whether it is silent, and whether it mentions someone.
        """
        before = len(self.webhook.messages)
        await self.publish(*events)
        await anyio.sleep(5)
        return self.messages[before:]

    @property
    def messages(self) -> list[tuple[str, bool, bool]]:
        return [
            (
                " ".join(name for name in NAMES if name in json.dumps(message["embeds"])),
                bool(message.get("flags", 0) & SILENT),
                bool(message["content"]),
            )
            for message in self.webhook.messages
        ]

    @property
    def status(self) -> Any:
        return self.setup.call("GET", "/status")


NAMES = ["Ann", "Bob", "Cem", "Dee", "Eve", "Quake", "Fire"]


@asynccontextmanager
async def channel(
    running: Running, folder: Path | None = None, discord: Any = None, **config: Any
) -> AsyncIterator[Channel]:
    discord = discord or StandInDiscord(latency=0.04)
    webhook = discord.webhooks[0] if discord.webhooks else discord.create_webhook()
    routes = [
        {
            "events": "notification",
            "important": True,
            "mention": {"roles": [ROLE], "cooldown": "0s"},
        },
        {"mention": {"roles": [ROLE], "cooldown": "0s"}},
    ]
    config = {"webhook_url": webhook.url, "routes": routes, **config}
    async with running(discord, folder, **config) as setup:
        yield Channel(setup, webhook)


FIRE = Notification(title="Fire", message="in the hall")


async def test_silent_hours_post_without_notification_and_mention(running: Running) -> None:
    async with channel(running, quiet=[hours(600, 1200, "silent")]) as found:
        assert await found.post(*joined("Ann")) == [("Ann", False, True)]
        await anyio.sleep(600)
        assert await found.post(*joined("Bob")) == [("Bob", True, False)]
        assert await found.post(FIRE) == [("Fire", False, True)]
        await anyio.sleep(600)
        assert await found.post(*joined("Cem")) == [("Cem", False, True)]


async def test_held_hours_end_with_one_catch_up_digest(running: Running) -> None:
    async with channel(running, quiet=[hours(600, 7200, "hold")]) as found:
        assert await found.post(*joined("Ann")) == [("Ann", False, True)]
        await anyio.sleep(600)
        assert await found.post(*joined("Bob", "Cem")) == []
        assert await found.post(FIRE) == [("Fire", False, True)]
        assert await found.post(GameStarted(game_name="Quake", players=())) == []
        status = await found.status
        [lane] = status["lanes"]
        assert (lane["state"], lane["pending"]) == ("holding", 3)
        assert lane["quiet"]["then"] == "hold"
        assert lane["waits"] == pytest.approx(lane["quiet"]["seconds_left"], abs=1)
        until = lane["quiet"]["until"]
        health = found.setup.bus.health()["discord"]
        assert health.status == "ok"
        assert f"quiet hours until {until[11:16]}" in health.detail
        assert "3 events held" in health.detail
        await anyio.sleep(7200)
        assert found.messages[2:] == [("Bob Cem Quake", False, False)]
        [digest] = found.webhook.messages[2:]
        # With the times at which it happened.
        assert "<t:" in json.dumps(digest["embeds"])
        assert await found.post(*joined("Dee")) == [("Dee", False, True)]
        lane = (await found.status)["lanes"][0]
        assert (lane["state"], lane["quiet"], lane["pending"], lane["sent"]) == ("idle", None, 0, 6)


async def test_first_event_after_a_night_without_any_is_no_old_news(running: Running) -> None:
    async with channel(running, quiet=[hours(0, 600, "hold")]) as found:
        assert await found.post(FIRE) == [("Fire", False, True)]
        await anyio.sleep(700)
        assert await found.post(*joined("Ann")) == [("Ann", False, True)]


async def test_dropped_hours_post_nothing_later_either(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lanrage_events.discord")
    async with channel(running, quiet=[hours(0, 600, "drop")]) as found:
        assert await found.post(*joined("Ann", "Bob")) == []
        assert await found.post(FIRE) == [("Fire", False, True)]
        assert caplog.text.count("peer_joined") == 2
        assert "is dropped: quiet hours until" in caplog.text
        assert all(
            one.levelno == logging.DEBUG for one in caplog.records if "dropped" in one.message
        )
        await anyio.sleep(600)
        assert await found.post(*joined("Cem")) == [("Cem", False, True)]
        lane = (await found.status)["lanes"][0]
        assert (lane["dropped"], lane["sent"], lane["pending"]) == (2, 2, 0)
        metrics = {metric.name: metric for metric in found.setup.plugin.metrics()}
        assert metrics["lane_dropped"].samples[0].value == 2


async def test_what_came_before_hours_that_drop_is_posted_after_them(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    quiet = [hours(60, 600, "drop")]
    async with channel(running, discord=discord, quiet=quiet, batch={"window": "60s"}) as found:
        await found.post(*joined("Ann"))
        # It is gathered until the hours have begun.
        await anyio.sleep(40)
        assert await found.post(*joined("Bob")) == []
        await anyio.sleep(60)
        assert await found.post(*joined("Cem")) == []
        await anyio.sleep(600)
        assert found.messages[1:] == [("Bob", False, False)]


async def test_webhooks_have_quiet_hours_of_their_own(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    names = ("all", "own", "never")
    hooks = {name: discord.create_webhook() for name in names}
    webhooks: dict[str, Any] = {name: {"url": hook.url} for name, hook in hooks.items()}
    webhooks["own"]["quiet"] = [hours(0, 300, "drop")]
    webhooks["never"]["quiet"] = []
    async with running(discord, webhooks=webhooks, quiet=[hours(0, 600, "hold")]) as setup:
        await setup.publish("Ann")
        await anyio.sleep(310)
        await setup.publish("Bob")
        await anyio.sleep(5)
        assert [len(hooks[name].messages) for name in names] == [0, 1, 2]
        assert "Bob" in json.dumps(hooks["own"].messages)
        detail = setup.bus.health()["discord"].detail
        assert detail.startswith("webhook 'all': quiet hours until ")
        await anyio.sleep(600)
        assert [len(hooks[name].messages) for name in names] == [1, 1, 2]


async def test_important_events_pass_thousands_that_are_held(
    running: Running, tmp_path: Path
) -> None:
    discord, quiet = StandInDiscord(latency=0.04), [hours(0, 3600, "hold")]
    async with channel(running, tmp_path, discord, quiet=quiet, max_pending=5000) as found:
        events = [Notification(title=f"n{number}", message="x") for number in range(1, 3001)]
        for begin in range(0, 3000, 500):
            await found.setup.bus.publish_many_and_wait(
                PeerJoined(peer_name=one.title, party_name="LAN")
                for one in events[begin : begin + 500]
            )

        assert await found.post(FIRE) == [("Fire", False, True)]

    # What an earlier process put is read in several parts.
    async with channel(running, tmp_path, discord, quiet=quiet, max_pending=5000) as found:
        assert await found.post(FIRE) == [("Fire", False, True)]
        lane = (await found.status)["lanes"][0]
        assert (lane["pending"], lane["state"]) == (3000, "holding")
        await anyio.sleep(3600)
        lane = (await found.status)["lanes"][0]
        assert (lane["pending"], lane["sent"], lane["state"]) == (0, 3001, "idle")


async def test_what_expires_while_it_is_held_is_counted_in_the_digest(running: Running) -> None:
    quiet, max_age = [hours(0, 3600, "hold")], {"peer_joined": "30m"}
    async with channel(running, quiet=quiet, max_age=max_age) as found:
        await found.post(*joined("Ann"))
        await anyio.sleep(2400)
        # Which wakes the lane, but a note of what expired is no reason to post.
        assert await found.post(*joined("Bob")) == []
        await anyio.sleep(1200)
        assert found.messages == [("Bob", False, False)]
        assert "1 " in json.dumps(found.webhook.messages[0]["embeds"])
        lane = (await found.status)["lanes"][0]
        assert (lane["expired"], lane["sent"], lane["pending"]) == (1, 1, 0)


async def test_leave_and_join_in_held_hours_cancel(running: Running) -> None:
    async with channel(running, quiet=[hours(60, 3600, "hold")]) as found:
        await found.post(*joined("Ann"))
        await anyio.sleep(60)
        await found.post(PeerLeft(peer_name="Ann", party_name="LAN"), *joined("Ann", "Bob"))
        await found.post(PeerLeft(peer_name="Bob", party_name="LAN"), *joined("Cem"))
        await anyio.sleep(3600)
        lane = (await found.status)["lanes"][0]
        assert lane["pending"] == 0
        assert lane["sent"] + lane["cancelled"] == 6
        assert "Cem" in found.messages[1][0]


async def test_nothing_wakes_up_but_once_at_the_boundary(
    running: Running, anyio_backend_name: str
) -> None:
    if anyio_backend_name != "trio":
        pytest.skip("steps of tasks can be counted on trio")

    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            self.count += task.name.startswith("lane ")

    async with channel(running, quiet=[hours(60, 36_000, "hold")]) as found:
        await anyio.sleep(60)
        await found.post(*joined("Ann"))
        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        await anyio.sleep(35_000)
        assert steps.count == 0
        await anyio.sleep(1_000)
        trio.lowlevel.remove_instrument(steps)
        assert steps.count > 0
        assert found.messages == [("Ann", False, False)]


# Over restarts, and at the end


async def test_what_is_held_survives_a_restart(running: Running, tmp_path: Path) -> None:
    discord = StandInDiscord(latency=0.04)
    quiet = [hours(0, 3600, "hold")]
    async with channel(running, tmp_path, discord, quiet=quiet) as found:
        assert await found.post(*joined("Ann")) == []

    async with channel(running, tmp_path, discord, quiet=quiet) as found:
        assert await found.post(*joined("Bob")) == []
        await anyio.sleep(3600)
        assert found.messages == [("Ann Bob", False, False)]


async def test_what_was_held_comes_after_a_restart_that_missed_the_end(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord(latency=0.04)
    quiet = [hours(0, 3600, "hold")]
    async with channel(running, tmp_path, discord, quiet=quiet) as found:
        assert await found.post(*joined("Ann")) == []

    await anyio.sleep(4000)
    async with channel(running, tmp_path, discord, quiet=quiet) as found:
        await anyio.sleep(5)
        assert found.messages == [("Ann", False, False)]


async def test_outbox_in_memory_posts_what_it_holds_silently_at_the_end(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    async with channel(running, None, discord, quiet=[hours(0, 3600, "hold")]) as found:
        assert await found.post(*joined("Ann", "Bob")) == []

    assert found.messages == [("Ann Bob", True, False)]


# Mutes


async def test_mute_holds_and_unmute_posts_at_once(running: Running) -> None:
    async with channel(running) as found:
        answer = await found.setup.post(
            "/mute", {"duration": "2h", "why": "restart of\nthe server", "by": "anna"}
        )
        [mute] = answer["mutes"]
        assert (mute["webhook"], mute["why"], mute["by"]) == (None, "restart of the server", "anna")
        assert mute["seconds_left"] == pytest.approx(7200, abs=1)
        assert await found.post(*joined("Ann")) == []
        assert await found.post(FIRE) == [("Fire", False, True)]
        detail = found.setup.bus.health()["discord"].detail
        assert detail.startswith("muted until ")
        assert detail.endswith(" by anna (restart of the server), 1 event held")
        status = await found.status
        assert status["lanes"][0]["quiet"]["muted"] is True
        assert status["mutes"][0]["by"] == "anna"
        assert (await found.setup.call("DELETE", "/mute"))["mutes"] == []
        await anyio.sleep(5)
        assert found.messages[1:] == [("Ann", False, False)]
        assert (await found.setup.call("DELETE", "/mute"))["mutes"] == []


@pytest.mark.parametrize("then", ["hold", "drop", "silent"])
async def test_mute_is_in_the_state_and_the_reason_before_anything_happens(
    running: Running, then: str
) -> None:
    async with channel(running) as found:
        assert (await found.status)["lanes"][0]["reason"] == ""
        await found.setup.post("/mute", {"duration": "2h", "by": "anna", "then": then})
        status = await found.status
        [lane] = status["lanes"]
        [webhook] = (await found.setup.call("GET", "/webhooks"))["webhooks"]
        for one in (status, lane, webhook):
            assert one["state"] == ("idle" if then == "silent" else "holding")
            assert one["reason"].startswith("muted until ")
            assert one["reason"].endswith(" by anna")

        assert lane["quiet"]["until"] == webhook["quiet"]["until"] == status["mutes"][0]["until"]
        await found.setup.call("DELETE", "/mute")
        [lane] = (await found.status)["lanes"]
        assert (lane["state"], lane["reason"], lane["quiet"]) == ("idle", "", None)


async def test_mute_ends_by_itself(running: Running) -> None:
    async with channel(running) as found:
        await found.setup.post("/mute", {"duration": "1h"})
        assert await found.post(*joined("Ann")) == []
        await anyio.sleep(3600)
        assert found.messages == [("Ann", False, False)]
        assert (await found.status)["mutes"] == []


async def test_mute_while_muted_replaces_it(running: Running) -> None:
    async with channel(running) as found:
        await found.setup.post("/mute", {"duration": "2h", "why": "first"})
        assert await found.post(*joined("Ann")) == []
        answer = await found.setup.post("/mute", {"duration": "10m", "then": "silent"})
        [mute] = answer["mutes"]
        assert (mute["why"], mute["then"]) == ("", "silent")
        await anyio.sleep(5)
        # It is not held any more.
        assert found.messages == [("Ann", True, False)]
        await anyio.sleep(600)
        assert await found.post(*joined("Bob")) == [("Bob", False, True)]


async def test_mute_of_one_webhook_leaves_the_others(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    hooks = {name: discord.create_webhook() for name in ("a", "b")}
    webhooks = {name: {"url": hook.url} for name, hook in hooks.items()}
    async with running(discord, webhooks=webhooks) as setup:
        await setup.post("/mute", {"duration": "2h", "webhook": "a", "then": "drop"})
        await setup.post("/mute", {"duration": "1h"})
        await setup.publish("Ann")
        await anyio.sleep(3605)
        assert [len(hook.messages) for hook in hooks.values()] == [0, 1]
        await setup.publish("Bob")
        await anyio.sleep(5)
        assert [len(hook.messages) for hook in hooks.values()] == [0, 2]
        answer = await setup.call("DELETE", "/mute", webhook="a")
        assert answer["mutes"] == []
        await setup.publish("Cem")
        await anyio.sleep(5)
        assert [len(hook.messages) for hook in hooks.values()] == [1, 3]
        assert setup.plugin.lanes["a"].dropped == 2


async def test_mute_outlasts_quiet_hours_and_they_outlast_it(running: Running) -> None:
    async with channel(running, quiet=[hours(0, 1800, "hold")]) as found:
        await found.setup.post("/mute", {"duration": "1h", "then": "silent"})
        assert await found.post(*joined("Ann")) == []
        quiet = (await found.status)["lanes"][0]["quiet"]
        assert (quiet["then"], quiet["muted"]) == ("hold", False)
        await anyio.sleep(1800)
        assert found.messages == [("Ann", True, False)]
        await anyio.sleep(1800)
        assert await found.post(*joined("Bob")) == [("Bob", False, True)]


async def test_mute_that_ends_in_quiet_hours_says_both_ends(running: Running) -> None:
    async with channel(running, quiet=[hours(600, 1200, "hold")]) as found:
        await found.setup.post("/mute", {"duration": "15m", "by": "anna"})
        quiet = (await found.status)["lanes"][0]["quiet"]
        assert quiet["why"] == "muted until 00:15 UTC by anna, then quiet hours until 00:20 UTC"
        assert quiet["seconds_left"] == pytest.approx(1200, abs=1)
        assert await found.post(*joined("Ann")) == []
        await anyio.sleep(1000)
        assert (await found.status)["lanes"][0]["quiet"]["why"] == "quiet hours until 00:20 UTC"
        await anyio.sleep(200)
        assert found.messages == [("Ann", False, False)]


async def test_mute_survives_restarts_and_renames(running: Running, tmp_path: Path) -> None:
    discord = StandInDiscord(latency=0.04)
    hook = discord.create_webhook()
    async with running(discord, tmp_path) as setup:
        await setup.post("/webhooks", {"name": "old", "webhook_url": hook.url})
        await setup.post("/mute", {"duration": "2h", "webhook": "old", "by": "anna"})
        await setup.request("PATCH", "/webhooks", {"name": "new"}, name="old")
        await setup.publish("Ann")

    async with running(discord, tmp_path) as setup:
        await anyio.sleep(5)
        assert not hook.messages
        [mute] = (await setup.call("GET", "/status"))["mutes"]
        assert (mute["webhook"], mute["by"]) == ("new", "anna")
        await anyio.sleep(7200)
        assert len(hook.messages) == 1


async def test_alerts_are_posted_while_all_is_muted(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    main, admin = discord.create_webhook(), discord.create_webhook()
    config = {
        "webhooks": {"main": {"url": main.url}, "admin": {"url": admin.url}},
        "routes": [{"webhook": "main"}],
        "alerts": {"webhook": "admin", "late_after": "1m"},
    }
    async with running(discord, **config) as setup:
        await setup.post("/mute", {"duration": "2h"})
        await setup.publish("Ann")
        await anyio.sleep(600)
        # What is held on purpose is not late.
        assert not admin.messages
        main.delete()
        await setup.call("DELETE", "/mute")
        await anyio.sleep(2)
        await setup.post("/mute", {"duration": "2h"})
        await anyio.sleep(600)
        assert admin.messages
