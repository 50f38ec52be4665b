"""The test message in the same process as the stand-in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lanrage_events import EventBus, PeerJoined
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._commands import find_plugin, post_test_message
from lanrage_events_discord.testing import StandInDiscord

pytestmark = pytest.mark.real_clock


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_config(folder: Path, discord: StandInDiscord, *lines: str) -> None:
    text = ["state_folder: state", "plugins:", "  discord:", f'    allow_hosts: ["{discord.host}"]']
    (folder / "lanrage.yaml").write_text("\n".join([*text, *lines, ""]), "utf-8")


@pytest.mark.slow
async def test_in_a_forum_its_post_is_created_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    discord = StandInDiscord()
    async with discord.serve():
        webhook = discord.create_webhook(forum=True)
        write_config(
            folder, discord, f"    webhooks: {{news: {{url: '{webhook.url}', thread_name: LAN}}}}"
        )
        assert await post_test_message(find_plugin(None, None), None) == 0
        assert capsys.readouterr().out.endswith(", in the new post 'LAN'\n")
        assert await post_test_message(find_plugin(None, None), "news") == 0
        assert "new post" not in capsys.readouterr().out

    first, second = webhook.messages
    assert first["channel_id"] == second["channel_id"]
    [thread] = json.loads((folder / "state" / "discord.threads.json").read_text()).values()
    assert thread == first["channel_id"]


@pytest.mark.slow
async def test_a_text_channel_needs_no_post_that_a_route_names(folder: Path) -> None:
    discord = StandInDiscord()
    async with discord.serve():
        webhook = discord.create_webhook()
        lines = [
            f"    webhooks: {{news: {{url: '{webhook.url}'}}}}",
            "    routes: [thread_name: LAN]",
        ]
        write_config(folder, discord, *lines)
        assert await post_test_message(find_plugin(None, None), None) == 0

    assert len(webhook.messages) == 1


@pytest.mark.slow
async def test_a_daemon_that_runs_posts_to_the_same_post(folder: Path) -> None:
    discord = StandInDiscord()
    async with discord.serve():
        webhook = discord.create_webhook(forum=True)
        setting = {"url": webhook.url, "thread_name": "LAN"}
        config = {"allow_hosts": [discord.host], "webhooks": {"news": setting}}
        write_config(
            folder, discord, f"    webhooks: {{news: {{url: '{webhook.url}', thread_name: LAN}}}}"
        )
        bus = EventBus(state_folder=folder / "state")
        bus.register(DiscordPlugin(DiscordConfig.model_validate(config)), "discord")
        async with bus:
            assert await post_test_message(find_plugin(None, None), None) == 0
            await bus.publish(PeerJoined(peer_name="Ann", party_name="LAN"))

    assert len(webhook.messages) == 2
    assert len(webhook.threads) == 1


async def test_it_looks_as_templates_and_configuration_say_and_mentions_no_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine" / "discord").mkdir(parents=True)
    (folder / "mine" / "discord" / "event.yaml").write_text("footer: My LAN", "utf-8")
    discord = StandInDiscord()
    async with discord.serve():
        webhook = discord.create_webhook()
        write_config(
            folder, discord, f"    webhooks: {{news: {{url: '{webhook.url}', username: LAN Bot}}}}"
        )
        with (folder / "lanrage.yaml").open("a") as file:
            file.write("templates: [./mine]\n")

        assert await post_test_message(find_plugin(None, None), None) == 0

    [record] = discord.journal
    assert record.body["username"] == "LAN Bot"
    assert record.body["embeds"][0]["footer"] == {"text": "My LAN"}
    assert record.body["allowed_mentions"] == {"parse": []}


@pytest.mark.slow
async def test_a_limit_is_not_waited_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    discord = StandInDiscord(limit=1, per=30)
    async with discord.serve():
        webhook = discord.create_webhook()
        write_config(folder, discord, f"    webhook_url: {webhook.url}")
        found = find_plugin(None, None)
        assert await post_test_message(found, None) == 0
        assert await post_test_message(found, None) == 1

    errors = capsys.readouterr().err
    assert errors.startswith("webhook 'default': too many requests (HTTP 429)")
    assert re.search(r"; Discord asks to wait [\d.]+ s$", errors.strip())


async def test_an_internal_error_is_tried_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    discord = StandInDiscord()
    async with discord.serve():
        webhook = discord.create_webhook()
        write_config(folder, discord, f"    webhook_url: {webhook.url}")
        discord.faults.fail(500)
        assert await post_test_message(find_plugin(None, None), None) == 1

    assert len(discord.journal) == 1
    assert "webhook 'default': Discord has an internal error (HTTP 500)" in capsys.readouterr().err
