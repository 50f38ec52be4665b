"""The plugin's operations of the HTTP API, against the stand-in for Discord."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventBus, Metric, Sample, hookimpl
from lanrage_events.events import utc_now
from lanrage_events.http import RouteError, RouteRequest
from lanrage_events.outbox import OutboxError
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]
TOKENLESS = "https://discord.com/api/webhooks/111"
UNKNOWN = "https://discord.com/api/webhooks/111/made-up-token"
INVITE = "https://discord.gg/abc123"


async def rejection(call: Any) -> tuple[int, str]:
    with pytest.raises(RouteError) as caught:
        await call

    return caught.value.status, caught.value.detail


def files_with(text: str, folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if text.encode() in path.read_bytes()]


# The webhook


async def test_webhook_that_is_set_gets_the_events_from_then_on(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook(name="Captain Hook")
        await s.publish("Ann")
        before = await s.call("GET", "/status")
        assert before["webhook"] == {
            "configured": False,
            "source": None,
            "place": None,
            "name": None,
            "channel_id": None,
            "channel_url": None,
        }
        assert (before["state"], before["pending"]) == ("unconfigured", 0)
        assert s.bus.health()["discord"].undelivered == 1
        status = await s.post("/webhook", {"webhook_url": webhook.url})
        assert status["webhook"] == {
            "configured": True,
            "source": "saved",
            "place": None,
            "name": "Captain Hook",
            "channel_id": webhook.channel_id,
            "channel_url": status["webhook"]["channel_url"],
        }
        assert status["webhook"]["channel_url"].endswith(f"/{webhook.channel_id}")
        assert status["state"] == "idle"
        assert not webhook.messages
        await s.publish("Bob")
        await s.settle()
        assert "Bob" in str(webhook.messages)
        assert "Ann" not in str(webhook.messages)
        assert (await s.call("GET", "/status"))["sent"] == 1
        assert s.bus.health()["discord"].status == "ok"


async def test_webhook_survives_a_restart(running: Running, tmp_path: Path) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, tmp_path) as s:
        await s.post("/webhook", {"webhook_url": webhook.url})
        await s.post("/invite", {"invite_url": INVITE})

    async with running(discord, tmp_path) as s:
        status = await s.call("GET", "/status")
        assert (status["webhook"]["source"], status["state"]) == ("saved", "idle")
        assert status["invite"] == {
            "configured": True,
            "source": "saved",
            "place": None,
            "url": INVITE,
        }
        await s.publish("Ann")
        await s.settle()

    assert "Ann" in str(webhook.messages)


async def test_saved_secret_is_redacted_everywhere(running: Running, tmp_path: Path) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, tmp_path) as s:
        await s.post("/webhook", {"webhook_url": webhook.url})
        assert webhook.token not in s.bus.redactor.redact(f"it is {webhook.url}")
        for answer in s.answers:
            assert webhook.token not in answer

    async with running(discord, tmp_path) as s:
        assert webhook.token not in s.bus.redactor.redact(f"it is {webhook.token}")

    assert files_with(webhook.token, tmp_path) == ["discord.settings.json"]


async def test_cleared_webhook_gets_nothing_and_what_waits_is_kept(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        s.discord.faults.fail(429, retry_after=60)
        await s.publish("Ann")
        await anyio.sleep(1)
        status = await s.post("/webhook", {"webhook_url": " "})
        assert not status["webhook"]["configured"]
        assert (status["state"], status["pending"]) == ("unconfigured", 1)
        assert "no webhook_url" in s.bus.health()["discord"].detail
        await s.publish("Bob")
        await anyio.sleep(600)
        assert not webhook.messages
        assert s.bus.health()["discord"].undelivered == 2
        new = s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": new.url})
        await s.settle()
        assert "Ann" in str(new.messages)
        assert "Bob" not in str(new.messages)


@pytest.mark.slow
async def test_what_is_cleared_during_a_request_is_reported_once(running: Running) -> None:
    discord = StandInDiscord(latency=2)
    async with running(discord) as s:
        webhook = discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        await s.publish("Ann")
        await anyio.sleep(1)
        await s.post("/webhook", {"webhook_url": ""})
        await s.post("/webhook", {"webhook_url": webhook.url}, offline=True)
        await s.settle()
        assert len(webhook.messages) == 1
        assert s.plugin.pending == 0


async def test_clearing_nothing_is_not_an_error(running: Running) -> None:
    async with running() as s:
        status = await s.post("/webhook", {"webhook_url": ""})
        assert status["state"] == "unconfigured"


async def test_dead_lane_is_enabled_by_another_url(running: Running) -> None:
    async with running() as s:
        old, new = s.discord.create_webhook(), s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": old.url})
        old.delete()
        await s.publish("Ann")
        await s.settle()
        status = await s.call("GET", "/status")
        assert status["state"] == "dead"
        assert "deleted in Discord" in status["reason"]
        assert "deleted in Discord" in status["last_error"]
        status = await s.post("/webhook", {"webhook_url": new.url})
        assert status["state"] != "dead"
        await s.settle()
        assert "Ann" in str(new.messages)
        assert (await s.call("GET", "/status"))["state"] == "idle"


@pytest.mark.slow
async def test_yaml_wins_and_says_where_it_is_to_be_changed(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord()
    saved, webhook = discord.create_webhook(), discord.create_webhook()
    async with running(discord, tmp_path) as s:
        await s.post("/webhook", {"webhook_url": saved.url})
        await s.post("/invite", {"invite_url": INVITE})

    places = {"webhook_url": "lanrage.yaml:8:5", "invite_url": "lanrage.yaml:9:5"}
    config = {"webhook_url": webhook.url, "invite_url": "https://discord.gg/yaml"}
    async with running(discord, tmp_path, places=places, **config) as s:
        for body in ({"webhook_url": saved.url}, {"webhook_url": ""}):
            assert await rejection(s.post("/webhook", body)) == (
                409,
                "lanrage.yaml:8:5 sets webhook_url: change it there",
            )

        assert await rejection(s.post("/invite", {"invite_url": ""})) == (
            409,
            "lanrage.yaml:9:5 sets invite_url: change it there",
        )
        status = await s.call("GET", "/status")
        assert status["webhook"]["source"] == status["invite"]["source"] == "yaml"
        assert status["webhook"]["place"] == "lanrage.yaml:8:5"
        assert status["invite"]["place"] == "lanrage.yaml:9:5"
        assert status["invite"]["url"] == "https://discord.gg/yaml"
        await s.publish("Ann")
        await s.settle()

    assert len(webhook.messages) == 1
    assert not saved.messages
    async with running(discord, tmp_path) as s:
        status = await s.call("GET", "/status")
        assert status["webhook"]["source"] == "saved"
        assert status["invite"]["url"] == INVITE


async def test_webhook_named_default_in_yaml_wins_too(running: Running) -> None:
    discord = StandInDiscord()
    webhooks = {"default": {"url": discord.create_webhook().url}}
    async with running(discord, webhooks=webhooks) as s:
        status, detail = await rejection(s.post("/webhook", {"webhook_url": UNKNOWN}))
        assert (status, detail) == (409, "the configuration sets webhooks.default: change it there")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (TOKENLESS, "lacks its token"),
        ("https://example.org/api/webhooks/1/made-up-token", "does not lead to Discord"),
        ("hello", "must begin with https://"),
    ],
)
@pytest.mark.either_backend
async def test_url_that_is_none_is_rejected_without_asking(
    running: Running, url: str, reason: str
) -> None:
    async with running() as s:
        status, detail = await rejection(s.post("/webhook", {"webhook_url": url}))
        assert status == 422
        assert reason in detail
        assert "made-up-token" not in detail
        assert len(s.discord.journal) == 0


async def test_webhook_that_does_not_exist_is_rejected_and_asked_for_once(
    running: Running,
) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        webhook.delete()
        status, detail = await rejection(s.post("/webhook", {"webhook_url": webhook.url}))
        assert status == 422
        assert "deleted in Discord" in detail
        status, detail = await rejection(s.post("/webhook", {"webhook_url": webhook.url}))
        assert status == 422
        assert "asked a moment ago, so wait 10 s" in detail
        assert len(s.discord.journal) == 1
        await anyio.sleep(10)
        await rejection(s.post("/webhook", {"webhook_url": webhook.url}))
        assert len(s.discord.journal) == 2
        assert not (await s.call("GET", "/status"))["webhook"]["configured"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["no network", "503", "429", "no answer"])
@pytest.mark.either_backend
async def test_webhook_that_cannot_be_looked_up_can_be_saved_offline(
    running: Running, fault: str
) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        match fault:
            case "no network":
                s.discord.faults.refuse_connections(3600)
            case "503":
                s.discord.faults.fail(503, times=1)
            case "429":
                s.discord.faults.fail(429, retry_after=3, times=1)
            case _:
                s.discord.faults.hang(times=1)

        status, detail = await rejection(s.post("/webhook", {"webhook_url": webhook.url}))
        assert status == 503
        assert "save it without asking" in detail
        assert not (await s.call("GET", "/status"))["webhook"]["configured"]
        answer = await s.post("/webhook", {"webhook_url": webhook.url}, offline="")
        assert answer["webhook"] == {
            "configured": True,
            "source": "saved",
            "place": None,
            "name": None,
            "channel_id": None,
            "channel_url": None,
        }


async def test_block_of_the_address_is_waited_out_by_everyone(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        s.discord.faults.fail(429, html=True, retry_after=30, times=1)
        status, _ = await rejection(s.post("/webhook", {"webhook_url": webhook.url}))
        assert status == 503
        status, detail = await rejection(s.post("/webhook", {"webhook_url": webhook.url}))
        assert status == 503
        assert "because Cloudflare blocks this address" in detail
        assert len(s.discord.journal) == 1
        await anyio.sleep(30)
        await s.post("/webhook", {"webhook_url": webhook.url})


async def test_what_cannot_be_saved_does_not_take_effect(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(state_folder=tmp_path) as s:
        webhook = s.discord.create_webhook()

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", fail)
            assert await rejection(s.post("/webhook", {"webhook_url": webhook.url})) == (
                503,
                "it cannot be saved: No space left on device",
            )

        assert (await s.call("GET", "/status"))["state"] == "unconfigured"


@pytest.mark.slow
async def test_two_who_set_it_at_once_leave_file_and_lane_alike(
    running: Running, tmp_path: Path
) -> None:
    async with running(state_folder=tmp_path) as s:
        webhooks = [s.discord.create_webhook() for _ in range(3)]
        async with anyio.create_task_group() as tasks:
            for webhook in webhooks:
                tasks.start_soon(s.post, "/webhook", {"webhook_url": webhook.url})

        saved = json.loads((tmp_path / "discord.settings.json").read_text(encoding="utf-8"))
        await s.publish("Ann")
        await s.settle()
        assert [w.url for w in webhooks if w.messages] == [saved["webhook_url"]]


@pytest.mark.slow
async def test_saved_webhook_that_is_not_allowed_any_more_is_kept_and_not_used(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host, url = "127.0.0.1:8123", "http://127.0.0.1:8123/api/webhooks/111/made-up-token"
    async with running(state_folder=tmp_path, allow_hosts=[host]) as s:
        await s.post("/webhook", {"webhook_url": url}, offline=True)
        assert (await s.call("GET", "/status"))["webhook"]["configured"]

    async with running(state_folder=tmp_path) as s:
        assert not (await s.call("GET", "/status"))["webhook"]["configured"]
        assert "the saved webhook 'default' is not used" in caplog.text
        assert "made-up-token" not in caplog.text

    async with running(state_folder=tmp_path, allow_hosts=[host]) as s:
        assert (await s.call("GET", "/status"))["webhook"]["configured"]


async def test_start_without_a_webhook_points_to_the_setup_page(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with running():
        (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]

    assert "no webhook_url is set, so nothing is sent" in warning
    assert "setup page" in warning


# The invite


async def test_invite_is_shown_from_the_next_message_on(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        status = await s.post("/invite", {"invite_url": f" {INVITE} "})
        assert status["invite"]["url"] == INVITE
        body = {"type": "party_created", "fields": PARTY}
        assert INVITE in str((await s.post("/preview", body))["body"])
        status = await s.post("/invite", {"invite_url": ""})
        assert status["invite"] == {
            "configured": False,
            "source": None,
            "place": None,
            "url": None,
        }
        assert INVITE not in str((await s.post("/preview", body))["body"])


async def test_invite_that_is_none_is_rejected(running: Running) -> None:
    async with running() as s:
        status, detail = await rejection(s.post("/invite", {"invite_url": "https://discord.gg/"}))
        assert (status, "lacks its code" in detail) == (422, True)


async def test_saved_invite_that_is_none_is_not_used(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "discord.settings.json"
    file.write_text('{"invite_url": "https://example.org"}', encoding="utf-8")
    async with running(state_folder=tmp_path) as s:
        assert (await s.call("GET", "/status"))["invite"]["url"] is None

    assert "the saved invite is not used" in caplog.text


# Status


class Presence:
    """Says whether it is connected, as the plugin for Rich Presence does."""

    def __init__(self, value: float) -> None:
        self.value = value

    @hookimpl
    def metrics(self) -> list[Metric]:
        samples = [Sample(self.value)]
        return [Metric(name="presence_connected", help="Connected.", samples=samples)]


@pytest.mark.slow
@pytest.mark.parametrize(("value", "expected"), [(None, None), (0.0, False), (1.0, True)])
async def test_status_reports_whether_rich_presence_is_connected(
    running: Running, value: float | None, expected: bool | None
) -> None:
    async with running() as s:
        if value is not None:
            await s.bus.plugins.register_and_wait(Presence(value), "presence")

        assert (await s.call("GET", "/status"))["presence_connected"] is expected


async def test_status_counts_all_lanes(running: Running) -> None:
    discord = StandInDiscord()
    fine, gone = discord.create_webhook(), discord.create_webhook()
    gone.delete()
    webhooks = {"fine": {"url": fine.url}, "gone": {"url": gone.url}}
    async with running(discord, webhooks=webhooks) as s:
        await s.publish("Ann", "Bob")
        await s.settle()
        status = await s.call("GET", "/status")
        assert (status["state"], status["pending"], status["sent"]) == ("unconfigured", 2, 2)
        lanes = {lane["name"]: lane for lane in status["lanes"]}
        assert lanes["fine"]["messages"] == lanes["fine"]["requests"] > 0
        del lanes["fine"]["messages"], lanes["fine"]["requests"]
        assert lanes["fine"] == {
            "name": "fine",
            "state": "idle",
            "reason": "",
            "pending": 0,
            "sent": 2,
            "failed": 0,
            "expired": 0,
            "shortened": 0,
            "rate_limited": 0,
            "dropped": 0,
            "quiet": None,
            "cancelled": 0,
            "reconnects": 0,
            "reconnects_uncounted": 0,
            "waits": None,
            "last_error": "",
        }
        assert (lanes["gone"]["state"], lanes["gone"]["pending"]) == ("dead", 2)
        assert "deleted" in status["last_error"]


async def test_status_is_reported_though_the_outbox_cannot_be_read(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    discord = StandInDiscord()
    async with running(discord, webhook_url=discord.create_webhook().url) as s:
        discord.faults.refuse_connections(3600)
        await s.publish("Ann")

        async def fail() -> None:
            raise OutboxError("disk I/O error")

        monkeypatch.setattr(s.plugin.outbox(), "lanes", fail)
        status = await s.call("GET", "/status")
        assert (status["pending"], status["lanes"][0]["pending"]) == (1, 1)


async def test_nothing_is_answered_before_and_after_its_life() -> None:
    async with httpx.AsyncClient() as http:
        plugin = DiscordPlugin(DiscordConfig(), http=http)
        bus = EventBus()
        bus.register(plugin, "discord")
        routes = {(route.method, route.path): route for route in plugin.http_routes()}
        status = routes["GET", "/status"].handler
        assert (await rejection(status(RouteRequest())))[0] == 503
        async with bus:
            await status(RouteRequest())

        assert (await rejection(status(RouteRequest())))[0] == 503


async def test_instructions_are_steps_in_plain_text(running: Running) -> None:
    async with running() as s:
        answer = await s.call("GET", "/instructions")
        for part in ("webhook", "invite"):
            assert answer[part]["heading"].startswith("To create")
            assert len(answer[part]["steps"]) >= 5


# History


async def test_history_shows_what_was_sent_what_waits_and_for_how_long(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        await s.publish("Ann")
        await s.settle()
        s.discord.faults.fail(429, retry_after=20, times=1)
        await s.publish("Bob", "Cy")
        await anyio.sleep(10)
        during = await s.call("GET", "/history")
        await anyio.sleep(20)
        history = await s.call("GET", "/history")
        (lane,) = history["lanes"]
        buckets = lane["buckets"]
        assert (lane["name"], len(buckets), history["seconds_per_bucket"]) == ("default", 60, 5.0)
        assert sum(bucket["sent"] for bucket in buckets) == 3
        assert sum(bucket["rate_limited"] for bucket in buckets) == 1
        assert sum(bucket["waited"] for bucket in buckets) == pytest.approx(20, abs=1)
        assert max(bucket["waiting"] for bucket in buckets) == 2
        assert buckets[-1]["waiting"] == 0
        assert sum(b["waited"] for b in during["lanes"][0]["buckets"]) == pytest.approx(10, abs=1)
        starts = [datetime.fromisoformat(bucket["start"]) for bucket in buckets]
        assert all(b - a == timedelta(seconds=5) for a, b in itertools.pairwise(starts))
        assert timedelta(0) <= utc_now() - starts[-1] < timedelta(seconds=6)


async def test_history_shows_dead_letters_and_what_waited_before_the_start(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.refuse_connections(60)
    async with running(discord, tmp_path, webhook_url=webhook.url) as s:
        await s.publish("Ann", "Bob")

    discord.faults.clear()
    discord.faults.fail(400, code=50035, times=3)
    async with running(discord, tmp_path, webhook_url=webhook.url) as s:
        buckets = (await s.call("GET", "/history"))["lanes"][0]["buckets"]
        assert buckets[-1]["waiting"] == 2
        await s.settle()
        buckets = (await s.call("GET", "/history"))["lanes"][0]["buckets"]
        assert sum(bucket["failed"] for bucket in buckets) == 2


# Preview

PARTY = {"party_id": "p", "party_name": "LAN", "host": "Ann"}


@pytest.mark.slow
async def test_every_sample_can_be_previewed_without_a_error(running: Running) -> None:
    async with running() as s:
        types = (await s.call("GET", "/preview"))["types"]
        assert {one["type"] for one in types if not one["is_card"]} == {
            cls.type for cls in s.bus.events.types()
        }
        assert [one["type"] for one in types if one["is_card"]] == ["party_card", "party_recap"]
        for one in types:
            assert not {"type", "id", "time"} & one["fields"].keys()
            assert one["schema"]["properties"]
            assert one["description"]
            answer = await s.post("/preview", {"type": one["type"], "fields": one["fields"]})
            assert answer["faults"] == []
            (embed,) = answer["embeds"]
            assert embed["title"]
            assert answer["meters"][-1]["label"] == "message"

        assert len(s.discord.journal) == 0


async def test_a_card_is_in_no_digest(running: Running) -> None:
    async with running() as s:
        card = {"type": "party_card", "fields": {"party_name": "LAN", "count": 3}}
        answer = await s.post("/preview", card)
        assert answer["body"]["embeds"][0]["title"] == "🟢 LAN"
        assert answer["note"] == ""
        with pytest.raises(RouteError, match="count: input should be greater"):
            await s.post("/preview", {"type": "party_card", "fields": {"count": -1}})

        with pytest.raises(RouteError, match="'party_card' is a message of its own"):
            await s.post("/preview/digest", {"events": [card]})


async def test_preview_is_what_is_posted(running: Running) -> None:
    async with running() as s:
        webhook = s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        answer = await s.post(
            "/preview",
            {"type": "peer_joined", "fields": {"peer_name": "*Ann*", "party_name": "LAN"}},
        )
        await s.publish("*Ann*")
        await s.settle()
        posted = dict(webhook.messages[0]["embeds"][0])
        previewed = dict(answer["body"]["embeds"][0])
        for embed in (posted, previewed):
            embed.pop("timestamp")
            embed.pop("type", None)

        assert previewed["title"] == posted["title"]
        assert answer["body"]["allowed_mentions"] == {"parse": []}
        assert "*Ann*" in "".join(span["text"] for span in answer["embeds"][0]["title"])


async def test_preview_names_each_bad_field(running: Running) -> None:
    async with running() as s:
        status, detail = await rejection(
            s.post("/preview", {"type": "peer_joined", "fields": {"peer_name": 5, "extra": 1}})
        )
        assert status == 422
        for field in ("peer_name", "party_name", "extra"):
            assert f"{field}: " in detail

        with pytest.raises(RouteError) as caught:
            await s.post("/preview", {"type": "peer_joined", "fields": {"peer_name": 5}})

        assert {error.field for error in caught.value.errors} == {"peer_name", "party_name"}

        status, detail = await rejection(s.post("/preview", {"type": "peer_joind"}))
        assert status == 422
        assert "did you mean 'peer_joined'" in detail


async def test_preview_of_more_fields_than_an_event_has_is_rejected(running: Running) -> None:
    async with running() as s:
        fields = {f"field{number}": number for number in range(101)}
        status, detail = await rejection(
            s.post("/preview", {"type": "notification", "fields": fields})
        )
        assert (status, detail) == (422, "an event has at most 100 fields")


async def test_type_among_the_fields_changes_nothing(running: Running) -> None:
    async with running() as s:
        fields = {"peer_name": "A", "party_name": "B", "type": "notification"}
        answer = await s.post("/preview", {"type": "peer_joined", "fields": fields})
        assert "joined" in str(answer["body"])


@pytest.mark.slow
async def test_preview_reports_errors_of_templates_and_sees_changes(tmp_path: Path) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    file = folder / "peer_joined.yaml"
    file.write_text('title: "{{ nobody }}"', encoding="utf-8")
    async with httpx.AsyncClient() as http:
        plugin = DiscordPlugin(DiscordConfig(), http=http)
        bus = EventBus(templates=[tmp_path])
        bus.register(plugin, "discord")
        async with bus:
            route = next(r for r in plugin.http_routes() if r.path == "/preview" and r.request)
            assert route.request is not None
            fields = {"peer_name": "Ann", "party_name": "LAN"}
            body = route.request.model_validate({"type": "peer_joined", "fields": fields})
            answer: Any = await route.handler(RouteRequest(body=body))
            (fault,) = answer.faults
            assert "peer_joined.yaml" in fault
            file.write_text('title: "Hey {{ peer_name }}"', encoding="utf-8")
            answer = await route.handler(RouteRequest(body=body))
            assert answer.faults == ()
            assert answer.note.startswith("posts still use the templates as they were read before")
            assert answer.body["embeds"][0]["title"] == "Hey Ann"
            assert bus.plugins.reload_templates().keys() == {"discord"}
            answer = await route.handler(RouteRequest(body=body))
            assert (answer.faults, answer.note) == ((), "")
            assert answer.body["embeds"][0]["title"] == "Hey Ann"
            (tmp_path / "words.yaml").write_text("hours: '{{ count }} Std'", encoding="utf-8")
            answer = await route.handler(RouteRequest(body=body))
            assert answer.faults == ()
            assert answer.note.startswith("posts still use the templates as they were read before")


async def test_templates_that_change_are_those_of_the_next_message_and_digest(
    running: Running, tmp_path: Path
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as s:
        await s.publish("Ann")
        await s.settle()
        (folder / "peer_joined.yaml").write_text('title: "Hey {{ peer_name }}"', encoding="utf-8")
        (folder / "digest.yaml").write_text('title: "All {{ count }}"', encoding="utf-8")
        s.bus.templates = (tmp_path,)
        await s.publish("Ben")
        assert s.bus.plugins.reload_templates() == {"discord": []}
        await s.settle()
        await s.publish("Cy", "Dee", "Eli")
        await s.settle()
        titles = [embed.get("title") for m in webhook.messages for embed in m["embeds"]]

    # What was in the outbox is posted as it was rendered.
    assert titles == ["👋 Ann joined", "👋 Ben joined", "Hey Cy", "All 2"]


# Routes that name the default webhook


async def test_routes_may_name_a_webhook_that_comes_from_the_page(running: Running) -> None:
    discord = StandInDiscord()
    games = discord.create_webhook()
    routes = [{"events": "peer_joined", "webhook": "default"}, {"webhook": "games"}]
    async with running(discord, webhooks={"games": {"url": games.url}}, routes=routes[:1]) as s:
        await s.publish("Ann")
        health = s.bus.health()["discord"]
        assert health.undelivered == 1
        assert health.status == "degraded"
        assert "default" in health.detail
        webhook = discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        await s.publish("Bob")
        await s.settle()
        assert "Bob" in str(webhook.messages)
        assert not games.messages
        assert s.bus.health()["discord"].status == "ok"


async def test_event_that_no_route_wants_is_not_counted_as_undelivered(running: Running) -> None:
    async with running(routes=[{"webhook": []}]) as s:
        webhook = s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        await s.publish("Ann")
        assert s.bus.health()["discord"].undelivered == 0


# The page


async def test_page_has_its_script(running: Running) -> None:
    async with running() as s:
        (page,) = s.plugin.http_pages()
        assert page.title == "Discord"
        assert (page.folder / page.script).is_file()


async def test_no_answer_and_no_log_has_the_token(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with running() as s:
        webhook = s.discord.create_webhook()
        await s.post("/webhook", {"webhook_url": webhook.url})
        await s.publish("Ann")
        await s.settle()
        await s.post("/test", {})
        webhook.delete()
        await s.publish("Bob")
        await s.settle()
        await s.post("/test", {})
        for path in ("/status", "/history", "/instructions", "/preview"):
            await s.call("GET", path)

        await rejection(s.post("/webhook", {"webhook_url": webhook.url}))
        assert all(webhook.token not in answer for answer in s.answers)
        assert webhook.token not in str(list(s.plugin.metrics()))
        assert webhook.token not in repr([s.plugin, vars(s.plugin)])

    assert webhook.token not in caplog.text
