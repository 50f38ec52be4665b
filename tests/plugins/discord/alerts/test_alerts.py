"""An alert when something does not work, once, and one when it works again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import ConfigProblem, Event, EventBus, Health, PeerJoined, hookimpl
from lanrage_events.abc import Bus
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._alerts import LOOK_SECONDS
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook
from lanrage_events_parties import PartiesConfig, PartiesPlugin

Running = Callable[..., AbstractAsyncContextManager[Any]]

MINUTE = 60.0
HOUR = 3600.0


class Scene:
    """The plugin with a webhook for news and another one for alerts."""

    def __init__(self, running: Running, state_folder: Path | None = None) -> None:
        self.discord = StandInDiscord(latency=0.04)
        self.news = self.discord.create_webhook()
        self.admin = self.discord.create_webhook()
        self._running = running
        self._state_folder = state_folder

    def run(self, **alerts: Any) -> AbstractAsyncContextManager[Any]:
        max_pending = alerts.pop("max_pending", 1000)
        cards = alerts.pop("cards", ())
        # Only they need it.
        plugins = {"parties": PartiesPlugin(PartiesConfig())} if cards else {}
        return self._running(
            self.discord,
            self._state_folder,
            webhooks={"news": {"url": self.news.url}, "admin": {"url": self.admin.url}},
            routes=[{"webhook": "news"}],
            alerts={"webhook": "admin", **alerts},
            max_pending=max_pending,
            cards=cards,
            plugins=plugins,
        )

    @property
    def alerts(self) -> list[str]:
        return texts_of(self.admin)


def texts_of(webhook: StandInWebhook) -> list[str]:
    """Return the title and the text of each message."""
    embeds = [embed for message in webhook.messages for embed in message["embeds"]]
    return [f"{embed['title']}\n{embed.get('description', '')}" for embed in embeds]


@pytest.fixture
def scene(running: Running) -> Scene:
    return Scene(running)


@pytest.fixture
def kept(running: Running, tmp_path: Path) -> Scene:
    return Scene(running, tmp_path)


@pytest.mark.slow
async def test_webhook_that_dies_and_is_restored_is_two_messages(scene: Scene) -> None:
    scene.discord.faults.fail(404, code=10015, webhook=scene.news)
    async with scene.run() as s:
        await s.publish("Ann")
        await anyio.sleep(10)
        (alert,) = scene.alerts
        assert alert.startswith(
            "⚠️ Something does not work\n⛔ Webhook **news** is not used any more: `"
        )
        assert "deleted in Discord" in alert
        await anyio.sleep(HOUR)
        assert len(scene.alerts) == 1
        await s.post("/test", {"webhook": "news"})
        await anyio.sleep(2 * MINUTE)
        assert scene.alerts[1:] == ["✅ Works again\n✅ Webhook **news** works again"]
        await anyio.sleep(HOUR)
        assert len(scene.alerts) == 2


async def test_nothing_is_posted_while_everything_works(scene: Scene) -> None:
    async with scene.run() as s:
        for name in ("Ann", "Bob"):
            await s.publish(name)
            await anyio.sleep(10 * MINUTE)

        assert s.bus.health()["discord"] == Health()

    assert scene.alerts == []


@pytest.mark.slow
async def test_dead_letters_are_counted_and_over_after_the_cooldown(scene: Scene) -> None:
    async with scene.run(cooldown=10 * MINUTE) as s:
        s.bus.redactor.add("geheimnis")
        for name in ("Ann", "Bob", "Cid"):
            scene.discord.faults.fail(
                400, code=50035, message="geheimnis is invalid", webhook=scene.news
            )
            await s.publish(name)
            await anyio.sleep(MINUTE)

        (alert,) = scene.alerts
        assert "📭 Webhook **news**: Discord rejected 1 event: `" in alert
        assert " is invalid" in alert
        assert "geheimnis" not in alert
        await anyio.sleep(HOUR)
        (over,) = scene.alerts[1:]
        assert over.startswith(
            "✅ Works again\n✅ Webhook **news**: Discord rejects nothing any more."
        )
        assert over.endswith(" 3 events were rejected")


@pytest.mark.slow
async def test_rejected_alert_is_no_reason_for_an_alert(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.discord.faults.fail(400, code=50035, times=100, webhook=scene.admin)
    scene.discord.faults.fail(404, code=10015, webhook=scene.news)
    async with scene.run() as s:
        await s.publish("Ann")
        await anyio.sleep(HOUR)
        assert s.plugin.lanes["admin"].failed == 1
        status = await s.call("GET", "/status")
        assert [problem["subject"] for problem in status["alerts"]["problems"]] == ["news"]

    assert len([record for record in scene.discord.journal if record.status == 400]) == 1


@pytest.mark.slow
async def test_events_that_wait_too_long_are_reported_while_they_wait(scene: Scene) -> None:
    scene.discord.faults.fail(503, lasting=20 * MINUTE, webhook=scene.news)
    async with scene.run(late_after=10 * MINUTE) as s:
        await s.publish("Ann")
        await anyio.sleep(9 * MINUTE)
        assert scene.alerts == []
        await anyio.sleep(2 * MINUTE)
        (alert,) = scene.alerts
        assert "⏳ Webhook **news**: events have waited for 10m " in alert
        await anyio.sleep(20 * MINUTE)
        assert scene.alerts[1:] == [
            "✅ Works again\n✅ Webhook **news**: events are posted in time again"
        ]


@pytest.mark.slow
async def test_backlog_of_an_earlier_run_is_not_late_if_it_is_delivered(kept: Scene) -> None:
    kept.discord.faults.refuse_connections(2 * HOUR)
    async with kept.run() as s:
        await s.publish("Ann")
        await anyio.sleep(MINUTE)

    await anyio.sleep(2 * HOUR)
    kept.discord.faults.fail(503, lasting=4 * MINUTE, webhook=kept.news)
    async with kept.run(late_after=5 * MINUTE):
        await anyio.sleep(20 * MINUTE)

    assert len(kept.news.messages) == 1
    assert kept.alerts == []


@pytest.mark.slow
@pytest.mark.either_backend
async def test_what_is_late_after_a_restart_too_is_not_reported_as_over(kept: Scene) -> None:
    kept.discord.faults.fail(503, lasting=HOUR, webhook=kept.news)
    async with kept.run() as s:
        await s.publish("Ann")
        await anyio.sleep(6 * MINUTE)

    assert len(kept.alerts) == 1
    async with kept.run():
        await anyio.sleep(30 * MINUTE)

    assert len(kept.alerts) == 1
    async with kept.run():
        await anyio.sleep(30 * MINUTE)

    assert "events are posted in time again" in kept.alerts[1]
    assert len(kept.alerts) == 2


@pytest.mark.slow
async def test_alerts_that_wait_are_not_late_events(scene: Scene) -> None:
    scene.discord.faults.fail(404, code=10015, webhook=scene.news)
    scene.discord.faults.fail(503, lasting=30 * MINUTE, webhook=scene.admin)
    async with scene.run() as s:
        await s.publish("Ann")
        await anyio.sleep(HOUR)

    (alert,) = scene.alerts
    assert "Webhook **news** is not used" in alert
    assert "admin" not in alert


class Source:
    """A source of events."""

    def __init__(self) -> None:
        self.bus: Bus | None = None

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        self.bus = bus
        yield


@pytest.mark.slow
async def test_silent_source_is_reported_until_something_comes(scene: Scene) -> None:
    async with scene.run(silent_after={"logfile": HOUR, "http": HOUR}) as s:
        s.bus.register(Source(), "logfile")
        for _ in range(12):
            s.bus.record_input("http")
            await anyio.sleep(10 * MINUTE)

        (alert,) = scene.alerts
        assert alert.endswith("🔇 Nothing has come from **logfile** for 1h 0m")
        s.bus.record_input("logfile")
        s.bus.record_input("http")
        await anyio.sleep(10)
        assert scene.alerts[1:] == ["✅ Works again\n✅ Events come from **logfile** again"]


@pytest.mark.slow
async def test_silence_continues_over_a_restart_but_not_while_the_daemon_is_down(
    kept: Scene,
) -> None:
    for _ in range(2):
        async with kept.run(silent_after={"logfile": HOUR}):
            await anyio.sleep(29 * MINUTE)

        await anyio.sleep(12 * HOUR)
        assert kept.alerts == []

    async with kept.run(silent_after={"logfile": HOUR}):
        await anyio.sleep(3 * MINUTE)
        assert len(kept.alerts) == 1


class Stuck:
    """A plugin that loses events."""

    mailbox_size = 1
    when_full = "drop_newest"

    def __init__(self) -> None:
        self.goes_on = anyio.Event()

    @hookimpl
    async def peer_joined(self, event: Event) -> None:
        await self.goes_on.wait()


@pytest.mark.slow
@pytest.mark.either_backend
async def test_events_that_a_plugin_drops_are_reported(scene: Scene) -> None:
    stuck = Stuck()
    async with scene.run() as s:
        s.bus.register(stuck, "stuck")
        await anyio.sleep(10)
        for number in range(5):
            await s.bus.publish(PeerJoined(peer_name=f"p{number}", party_name="LAN"))
            await anyio.wait_all_tasks_blocked()

        await anyio.sleep(10)
        stuck.goes_on.set()
        assert scene.alerts == ["⚠️ Something does not work\n🗑️ Plugin **stuck** lost 3 events"]
        await anyio.sleep(HOUR)
        assert "loses nothing any more. 3 events were lost" in scene.alerts[1]


async def test_events_that_the_outbox_has_no_room_for_are_reported(scene: Scene) -> None:
    scene.discord.faults.fail(503, lasting=10 * MINUTE, webhook=scene.news)
    async with scene.run(max_pending=2, late_after=HOUR) as s:
        await s.publish("Ann", "Bob")
        with pytest.raises(ExceptionGroup):
            await s.publish("Cid")

        await anyio.sleep(10)
        (alert,) = scene.alerts
        assert "🗑️ Plugin **discord** lost 1 event" in alert


class Crashing:
    """A plugin whose lifespan fails on request."""

    def __init__(self) -> None:
        self.crash = anyio.Event()
        self.error = OSError("the port is taken")

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        self.crash = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            yield
            tasks.cancel_scope.cancel()

    async def _run(self) -> None:
        await self.crash.wait()
        raise self.error


async def test_plugin_that_failed_is_reported_although_it_runs_again(scene: Scene) -> None:
    other = Crashing()
    other.error = OSError("geheimnis is wrong")
    async with scene.run() as s:
        s.bus.redactor.add("geheimnis")
        s.bus.register(other, "http")
        await anyio.sleep(MINUTE)
        other.crash.set()
        await anyio.sleep(10)
        (alert,) = scene.alerts
        assert "💥 Plugin **http** failed: `OSError: " in alert
        assert "geheimnis" not in alert
        assert s.bus.statistics().plugins["http"].state == "running"
        await anyio.sleep(2 * MINUTE)
        assert scene.alerts[1:] == ["✅ Works again\n✅ Plugin **http** works again"]


class Failed:
    health_now = Health("failed", "no one answers")

    @hookimpl
    def health(self) -> Health:
        return self.health_now


async def test_plugin_that_waits_for_its_restart_is_reported_with_its_error(scene: Scene) -> None:
    other = Crashing()
    async with scene.run() as s:
        s.bus.register(other, "http")
        await anyio.sleep(LOOK_SECONDS - 0.5)
        other.crash.set()
        await anyio.sleep(0.9)
        assert s.bus.statistics().plugins["http"].state == "down"
        assert scene.alerts == [
            "⚠️ Something does not work\n💥 Plugin **http** failed: `OSError: the port is taken`"
        ]


async def test_plugin_whose_health_is_failed_is_reported(scene: Scene) -> None:
    other = Failed()
    async with scene.run() as s:
        s.bus.register(other, "presence")
        await anyio.sleep(10 * MINUTE)
        assert scene.alerts == [
            "⚠️ Something does not work\n💥 Plugin **presence** failed: `no one answers`"
        ]
        other.health_now = Health("degraded", "waits")
        await anyio.sleep(2 * MINUTE)
        assert len(scene.alerts) == 2


class Fragile(DiscordPlugin):
    """The plugin, whose lifespan fails on request."""

    def __init__(self, config: DiscordConfig, *, http: httpx.AsyncClient) -> None:
        super().__init__(config, http=http)
        self.crash = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        self.crash = anyio.Event()
        async with super().lifespan(bus), anyio.create_task_group() as tasks:
            tasks.start_soon(self._fail)
            yield
            tasks.cancel_scope.cancel()

    async def _fail(self) -> None:
        await self.crash.wait()
        raise OSError("out of files")


@pytest.mark.slow
async def test_own_failure_is_reported_after_the_restart() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    config = {"webhook_url": webhook.url, "alerts": {"webhook": "default"}}
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        plugin = Fragile(DiscordConfig.model_validate(config), http=http)
        bus = EventBus()
        bus.register(plugin, "discord")
        async with bus:
            await anyio.sleep(MINUTE)
            plugin.crash.set()
            await anyio.sleep(10)
            assert texts_of(webhook) == [
                "⚠️ Something does not work\n💥 Plugin **discord** failed: `OSError: out of files`"
            ]
            await anyio.sleep(2 * MINUTE)
            plugin.crash.set()
            await anyio.sleep(10 * MINUTE)
            assert len(texts_of(webhook)) == 2
            assert texts_of(webhook)[1].endswith("Plugin **discord** works again")


async def test_everything_that_is_wrong_at_once_is_one_message(scene: Scene) -> None:
    scene.discord.faults.fail(404, code=10015, webhook=scene.news)
    async with scene.run() as s:
        s.bus.register(Failed(), "presence")
        s.bus.register(Stuck(), "stuck", mailbox_size=1)
        for number in range(5):
            await s.bus.publish(PeerJoined(peer_name=f"p{number}", party_name="LAN"))
            await anyio.wait_all_tasks_blocked()

        await anyio.sleep(10)
        s.bus.plugins["stuck"].goes_on.set()
        (alert,) = scene.alerts
        assert len(alert.splitlines()) == 4
        assert all(name in alert for name in ("**news**", "**presence**", "**stuck**"))


@pytest.mark.slow
@pytest.mark.either_backend
async def test_restart_of_the_process_repeats_nothing_and_reports_that_it_is_over(
    kept: Scene,
) -> None:
    kept.discord.faults.fail(404, code=10015, webhook=kept.news)
    async with kept.run() as s:
        await s.publish("Ann")
        await anyio.sleep(10)
        assert len(kept.alerts) == 1

    for _ in range(3):
        await anyio.sleep(HOUR)
        async with kept.run():
            await anyio.sleep(HOUR)

    assert len(kept.alerts) == 1
    # It is tried again after a day.
    await anyio.sleep(24 * HOUR)
    async with kept.run() as s:
        await anyio.sleep(30)
        assert len(kept.news.messages) == 1
        await anyio.sleep(2 * MINUTE)
        assert kept.alerts[1:] == ["✅ Works again\n✅ Webhook **news** works again"]

    async with kept.run():
        await anyio.sleep(HOUR)

    assert len(kept.alerts) == 2


@pytest.mark.slow
async def test_reload_repeats_nothing_either(kept: Scene) -> None:
    async with kept.run() as s:
        s.bus.register(Failed(), "presence")
        await anyio.sleep(10)
        assert len(kept.alerts) == 1
        async with httpx.AsyncClient(transport=kept.discord.transport()) as http:
            plugin = type(s.plugin)(s.plugin.config, http=http)
            await s.bus.plugins.replace("discord", plugin)
            await anyio.sleep(5 * MINUTE)
            assert len(kept.alerts) == 1
            assert s.bus.health()["discord"].detail.startswith("1 problem")
            s.bus.plugins["presence"].health_now = Health()
            await anyio.sleep(2 * MINUTE)
            assert kept.alerts[1:] == ["✅ Works again\n✅ Plugin **presence** works again"]


@pytest.mark.slow
async def test_reload_counts_nothing_twice(kept: Scene) -> None:
    stuck = Stuck()
    async with kept.run(cooldown=5 * MINUTE) as s:
        s.bus.register(stuck, "stuck")
        for number in range(5):
            await s.bus.publish(PeerJoined(peer_name=f"p{number}", party_name="LAN"))
            await anyio.wait_all_tasks_blocked()

        stuck.goes_on.set()
        async with httpx.AsyncClient(transport=kept.discord.transport()) as http:
            await s.bus.plugins.replace("discord", type(s.plugin)(s.plugin.config, http=http))
            await anyio.sleep(10 * MINUTE)

    assert len(kept.alerts) == 2
    assert kept.alerts[0].endswith("Plugin **stuck** lost 3 events")
    assert kept.alerts[1].endswith("3 events were lost")


async def test_what_happens_right_before_the_end_is_reported_by_the_next_process(
    kept: Scene,
) -> None:
    kept.discord.faults.fail(400, code=50035, webhook=kept.news)
    async with kept.run() as s:
        await s.publish("Ann")
        await anyio.sleep(1)

    assert kept.alerts == []
    async with kept.run():
        await anyio.sleep(10)
        assert "Discord rejected 1 event" in kept.alerts[0]


@pytest.mark.slow
async def test_alert_waits_in_the_outbox_through_an_outage_and_a_restart(kept: Scene) -> None:
    kept.discord.faults.fail(404, code=10015, webhook=kept.news)
    kept.discord.faults.fail(503, lasting=HOUR, webhook=kept.admin)
    async with kept.run() as s:
        await s.publish("Ann")
        await anyio.sleep(MINUTE)

    assert kept.alerts == []
    await anyio.sleep(HOUR)
    async with kept.run():
        await anyio.sleep(MINUTE)

    (alert,) = kept.alerts
    assert alert.startswith("⚠️ Something does not work\n⛔ Webhook **news**")


@pytest.mark.slow
async def test_without_a_webhook_for_alerts_that_works_the_log_has_them(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.admin.delete()
    scene.discord.faults.fail(404, code=10015, webhook=scene.news)
    async with scene.run() as s:
        await s.post("/test", {"webhook": "admin"})
        await s.publish("Ann")
        await anyio.sleep(HOUR)
        assert s.plugin.lanes["admin"].requests == 1
        assert s.bus.statistics().plugins["discord"].restarts == 0

    lines = [record.getMessage() for record in caplog.records if "be reported" in record.message]
    assert len([line for line in lines if line.startswith("webhook 'news' does not work:")]) == 1
    assert len(lines) <= 2


@pytest.mark.slow
async def test_alerts_that_could_not_be_posted_are_posted_when_it_is_possible(
    scene: Scene,
) -> None:
    scene.discord.faults.fail(404, code=10015, webhook=scene.news)
    scene.discord.faults.fail(404, code=10015, webhook=scene.admin)
    async with scene.run() as s:
        await s.post("/test", {"webhook": "admin"})
        await s.publish("Ann")
        await anyio.sleep(HOUR)
        await s.post("/test", {"webhook": "admin"})
        await anyio.sleep(10)
        assert [alert for alert in scene.alerts if "news" in alert]
        assert not [alert for alert in scene.alerts if "**admin**" in alert]


@pytest.mark.slow
async def test_alert_that_the_outbox_has_no_room_for_is_tried_again_and_is_no_lost_event(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.discord.faults.fail(503, lasting=30 * MINUTE)
    async with scene.run(max_pending=1) as s:
        for webhook in ("news", "admin"):
            assert webhook in s.plugin.lanes

        s.bus.register(Failed(), "presence")
        await s.publish("Ann")
        await anyio.sleep(10)
        s.bus.register(Failed(), "late")
        await anyio.sleep(20 * MINUTE)
        assert "It cannot be reported" in caplog.text
        await anyio.sleep(20 * MINUTE)

    assert not [alert for alert in scene.alerts if "lost" in alert]
    assert any("**late**" in alert for alert in scene.alerts)


async def test_alert_in_the_webhook_of_the_events_is_not_in_their_digest(
    running: Running,
) -> None:
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook()
    async with running(
        discord, webhook_url=webhook.url, alerts={"webhook": "default"}, batch={"window": 10.0}
    ) as s:
        s.bus.register(Failed(), "presence")
        await anyio.sleep(4)
        await s.publish("Ann", "Bob", "Cid")
        await anyio.sleep(2)
        await s.publish("Dee", "Eve")
        await anyio.sleep(MINUTE)

    alerts = [text for text in texts_of(webhook) if "presence" in text]
    assert alerts == ["⚠️ Something does not work\n💥 Plugin **presence** failed: `no one answers`"]
    assert not [m for m in webhook.messages if len(m["embeds"]) > 1]
    everything = str(webhook.messages)
    assert all(everything.count(name) == 1 for name in ("Ann", "Bob", "Cid", "Dee", "Eve"))


async def test_names_and_reasons_from_outside_are_plain_text(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    other = Failed()
    other.health_now = Health("failed", "`code` **bold** @everyone\n# heading https://evil.example")
    async with running(discord, webhook_url=webhook.url, alerts={"webhook": "default"}) as s:
        s.bus.register(other, "**x** @everyone [y](https://evil.example)")
        await anyio.sleep(MINUTE)

    (message,) = webhook.messages
    assert message.get("content", "") == ""
    description = message["embeds"][0]["description"]
    assert "\\*\\*x\\*\\*" in description
    assert "\n" not in description
    assert "\\[y](https\\:" in description


@pytest.mark.slow
async def test_many_problems_are_one_message_that_says_how_many_there_are(
    running: Running, broken_limits: Callable[[list[Any]], list[str]]
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    other = Failed()
    other.health_now = Health("failed", "x" * 5000)
    async with running(discord, webhook_url=webhook.url, alerts={"webhook": "default"}) as s:
        for number in range(100):
            s.bus.register(
                type("Other", (Failed,), {"health_now": other.health_now})(), f"p{number}"
            )

        await anyio.sleep(MINUTE)

    (message,) = webhook.messages
    assert broken_limits(message["embeds"]) == []
    *lines, more = message["embeds"][0]["description"].splitlines()
    assert more == f"… and {100 - len(lines)} more problems"


async def test_status_health_and_metrics_have_the_alerts(scene: Scene) -> None:
    def metric(plugin: DiscordPlugin, name: str) -> float:
        return next(m.samples[0].value for m in plugin.metrics() if m.name == name)

    async with scene.run() as s:
        assert (await s.call("GET", "/status"))["alerts"] == {
            "webhook": "admin",
            "sent": 0,
            "problems": [],
        }
        s.bus.register(Failed(), "presence")
        await anyio.sleep(MINUTE)
        assert (await s.call("GET", "/status"))["alerts"] == {
            "webhook": "admin",
            "sent": 1,
            "problems": [{"kind": "plugin", "subject": "presence", "detail": "no one answers"}],
        }
        assert s.bus.health()["discord"].detail == "1 problem reported to webhook 'admin'"
        assert metric(s.plugin, "alerts") == 1
        assert metric(s.plugin, "alerts_problems") == 1


async def test_without_the_setting_there_are_no_alerts(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        s.bus.register(Failed(), "presence")
        await anyio.sleep(HOUR)
        assert (await s.call("GET", "/status"))["alerts"] is None
        assert not [metric for metric in s.plugin.metrics() if "alerts" in metric.name]

    assert not webhook.messages


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"silences": {"x": "y"}}', '{"incidents": [{}], "silences": {}}']
)
@pytest.mark.either_backend
async def test_damaged_file_is_moved_aside(
    running: Running, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "discord.alerts.json"
    file.write_text(content)
    scene = Scene(running, tmp_path)
    async with scene.run() as s:
        s.bus.register(Failed(), "presence")
        await anyio.sleep(MINUTE)

    assert len(scene.alerts) == 1
    assert "so the alerts that were posted are forgotten" in caplog.text
    assert json.loads(file.read_text())["incidents"]


async def test_error_while_looking_ends_nothing_and_is_logged_once(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene.run() as s:
        await anyio.sleep(10)
        monkeypatch.setattr(s.bus, "statistics", lambda: 1 / 0)
        await anyio.sleep(MINUTE)
        monkeypatch.undo()
        s.bus.register(Failed(), "presence")
        await anyio.sleep(10)
        assert len(scene.alerts) == 1

    assert caplog.text.count("alerts do not work at present") == 1


@pytest.mark.parametrize("seconds", [1.0, 59.0])
def test_settings_have_bounds(seconds: float) -> None:
    for setting in (
        {"cooldown": seconds},
        {"late_after": seconds},
        {"silent_after": {"x": seconds}},
    ):
        with pytest.raises(ValueError, match="greater than or equal to 60"):
            DiscordConfig.model_validate({"alerts": {"webhook": "default", **setting}})


def test_webhook_must_exist() -> None:
    with pytest.raises(ValueError, match="no webhook is named 'admn', known: default"):
        DiscordConfig.model_validate({"alerts": {"webhook": "admn"}})


@pytest.mark.slow
def test_check_warns_of_sources_that_there_are_not() -> None:
    config = {
        "webhook_url": "https://discord.com/api/webhooks/1/made-up-token",
        "alerts": {"webhook": "default", "silent_after": {"logfle": HOUR, "stdin": HOUR}},
    }
    bus = EventBus()
    plugin = DiscordPlugin(DiscordConfig.model_validate(config))
    bus.register(plugin, "discord")
    bus.register(Source(), "logfile")
    (problem,) = plugin.validate(bus)
    assert isinstance(problem, ConfigProblem)
    assert problem.warning
    assert str(problem) == (
        "alerts.silent_after.logfle: no plugin is named 'logfle', did you mean 'logfile'?"
    )


def test_check_knows_that_alerts_use_a_webhook() -> None:
    url = "https://discord.com/api/webhooks/1/made-up-token"
    config = {
        "webhooks": {"news": {"url": url}, "admin": {"url": url}, "other": {"url": url}},
        "routes": [{"webhook": "news"}],
        "alerts": {"webhook": "admin"},
    }
    bus = EventBus()
    plugin = DiscordPlugin(DiscordConfig.model_validate(config))
    bus.register(plugin, "discord")
    (problem,) = plugin.validate(bus)
    assert "('other')" in str(problem)


@pytest.mark.slow
async def test_cards_that_have_stopped_are_reported_until_they_are_removed(scene: Scene) -> None:
    cards = [{"webhook": "news", "messages": []}]
    scene.discord.faults.fail(400, code=50035, message="bad embed", times=4, webhook=scene.news)
    async with scene.run(cards=cards) as s:
        for party in ("Friday", "Saturday"):
            await s.bus.publish(PeerJoined(peer_name="Ann", party_name=party))

        await anyio.sleep(10)
        (alert,) = scene.alerts
        assert "🪧 Webhook **news**: a card is not kept up to date any more: `" in alert
        assert "(and 1 more card)" in alert
        await anyio.sleep(HOUR)
        assert len(scene.alerts) == 1
        friday, saturday = (await s.call("GET", "/cards"))["cards"]
        await s.call("POST", f"/cards/{friday['id']}/post")
        await anyio.sleep(5 * MINUTE)
        assert len(scene.alerts) == 1
        await s.call("DELETE", f"/cards/{saturday['id']}")
        await anyio.sleep(2 * MINUTE)
        assert scene.alerts[1:] == [
            "✅ Works again\n✅ Webhook **news**: all cards are up to date again"
        ]
