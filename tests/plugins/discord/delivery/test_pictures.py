"""Pictures of templates in messages, from the event to Discord."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import EventBus, GameStarted
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import Fail, StandInDiscord, StandInRequest

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
Running = Callable[..., AbstractAsyncContextManager[Any]]
PNG = b"\x89PNG\r\n\x1a\n...."
TEMPLATE = "title: '{{ game_name }}'\nimage: {file: '{{ game_name | lower }}.png'}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "templates" / "discord"
    folder.mkdir(parents=True)
    (folder / "game_started.yaml").write_text(TEMPLATE, encoding="utf-8")
    for name in ("doom", "quake", "rune"):
        (folder / f"{name}.png").write_bytes(PNG + name.encode() * len(name))

    return folder


def config_of(discord: StandInDiscord, folder: Path, **batch: Any) -> dict[str, Any]:
    url = discord.create_webhook().url
    batch = {"style": "embeds", "immediate": False, **batch}
    return {
        "discord": discord,
        "webhook_url": url,
        "templates": [folder.parent],
        "batch": batch,
    }


async def play(setup: Any, *games: str) -> None:
    for game in games:
        await setup.bus.publish_and_wait(GameStarted(game_name=game, players=("Ann",)))


def shown(discord: StandInDiscord) -> list[str]:
    """Return the pictures of all embeds of all messages, by the names of their files."""
    [webhook] = discord.webhooks
    embeds = [embed for message in webhook.messages for embed in message["embeds"]]
    names = [embed.get("image", {}).get("url", "") for embed in embeds]
    assert all(message["attachments"] == [] for message in webhook.messages)
    return [name.rpartition("/")[2].rpartition("-")[0] for name in names]


async def test_a_message_shows_the_pictures_of_its_events(running: Running, folder: Path) -> None:
    discord = StandInDiscord(latency=0.04)
    async with running(**config_of(discord, folder)) as setup:
        await play(setup, "Doom", "Quake", "Doom", "Chess")
        await setup.settle()

    assert shown(discord) == ["doom", "quake", "doom", ""]
    assert [len(record.body["embeds"]) for record in discord.journal] == [4]


async def test_lines_of_a_digest_show_none(running: Running, folder: Path) -> None:
    discord = StandInDiscord(latency=0.04)
    async with running(**config_of(discord, folder, style="digest")) as setup:
        await play(setup, "Doom", "Quake", "Rune")
        await setup.settle()

    assert shown(discord) == [""]


async def test_another_attempt_sends_the_same_picture(running: Running, folder: Path) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(503, times=4)
    async with running(**config_of(discord, folder)) as setup:
        await play(setup, "Doom")
        await discord.journal.wait_for(len)
        (folder / "doom.png").write_bytes(PNG + b"another")
        await anyio.sleep(60)

    assert shown(discord) == ["doom"]
    bodies = [json.dumps(record.body) for record in discord.journal]
    assert len(bodies) == 5
    assert len(set(bodies)) == 1


@pytest.mark.parametrize("is_there", [True, False])
async def test_the_outbox_keeps_by_what_a_picture_is_found(
    running: Running, folder: Path, tmp_path: Path, is_there: bool, caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord(latency=0.04)
    discord.faults.fail(503, times=100)
    config = config_of(discord, folder)
    async with running(state_folder=tmp_path, **config) as setup:
        await play(setup, "Doom")
        await anyio.sleep(1)

    stored = (tmp_path / "discord.outbox").read_bytes()
    assert PNG not in stored
    assert str(folder).encode() not in stored
    if not is_there:
        (folder / "doom.png").unlink()

    discord.faults.clear()
    async with running(state_folder=tmp_path, **config) as setup:
        await setup.settle()
        assert setup.bus.health()["discord"].status == "ok"

    assert shown(discord) == (["doom"] if is_there else [""])
    assert ("there is no file 'doom.png'" in caplog.text) is not is_there


@pytest.mark.parametrize(
    "fault",
    [
        Fail(413, 40005, "Request entity too large"),
        Fail(413, html=True),
        Fail(400, 40005, "Request entity too large"),
    ],
)
async def test_a_picture_that_discord_finds_too_large_costs_no_event(
    running: Running, folder: Path, fault: Fail, caplog: pytest.LogCaptureFixture
) -> None:
    def reject_quake(request: StandInRequest) -> Fail | None:
        return fault if "quake-" in json.dumps(request.body) else None

    discord = StandInDiscord(latency=0.04)
    discord.faults.script(reject_quake)
    async with running(**config_of(discord, folder)) as setup:
        await play(setup, "Doom", "Quake")
        await setup.settle()
        await play(setup, "Quake", "Rune")
        await setup.settle()
        assert setup.plugin.lanes["default"].failed == 0

    assert shown(discord) == ["doom", "", "", "rune"]
    assert len(discord.journal) == 3
    assert caplog.text.count("Discord rejects the picture quake-") == 1


async def test_the_templates_and_their_pictures_are_read_again(
    running: Running, folder: Path
) -> None:
    discord = StandInDiscord(latency=0.04)
    async with running(**config_of(discord, folder)) as setup:
        await play(setup, "Doom")
        await setup.settle()
        (folder / "doom.png").write_bytes(PNG + b"another")
        setup.bus.plugins.reload_templates()
        await play(setup, "Doom")
        await setup.settle()

    [one, other] = [record.body["embeds"][0]["image"]["url"] for record in discord.journal]
    assert one != other


async def test_the_test_message_has_the_picture_of_its_template(
    running: Running, folder: Path
) -> None:
    discord = StandInDiscord(latency=0.04)
    (folder / "webhook_test.yaml").write_text("image: {file: doom.png}", encoding="utf-8")
    async with running(**config_of(discord, folder)) as setup:
        await setup.post("/test", {})

    assert shown(discord) == ["doom"]


async def test_previews_show_pictures_and_say_which_are_missing(
    running: Running, folder: Path
) -> None:
    async with running(templates=[folder.parent]) as setup:
        answers = {
            game: await setup.post(
                "/preview",
                {"type": "game_started", "fields": {"game_name": game, "players": ["Ann"]}},
            )
            for game in ("Doom", "Chess")
        }

    assert answers["Doom"]["embeds"][0]["image"].startswith("attachment://doom-")
    assert answers["Doom"]["faults"] == []
    assert answers["Chess"]["embeds"][0]["image"] is None
    [fault] = answers["Chess"]["faults"]
    assert fault == f"{folder / 'chess.png'}: there is no file 'chess.png' beside the template"


def test_the_preview_of_the_command_warns_of_what_is_missing(folder: Path) -> None:
    bus = EventBus(templates=[folder.parent])
    bus.register(DiscordPlugin(DiscordConfig()), "discord")

    [found] = bus.plugins.preview(GameStarted(game_name="Chess", players=()))["discord"]
    [problem] = found.problems
    assert problem.warning
    assert (
        str(problem) == f"{folder / 'chess.png'}: there is no file 'chess.png' beside the template"
    )

    [found] = bus.plugins.preview(GameStarted(game_name="Doom", players=()))["discord"]
    assert found.problems == ()
    assert "attachment://doom-" in json.dumps(found.json)


def test_check_reports_a_picture_that_is_missing_with_its_place(folder: Path) -> None:
    (folder / "peer_joined.yaml").write_text("image:\n  file: pizza.gif\n", encoding="utf-8")
    bus, plugin = EventBus(templates=[folder.parent]), DiscordPlugin(DiscordConfig())
    bus.register(plugin, "discord")

    [problem] = plugin.validate(bus)
    assert problem.place == f"{folder / 'peer_joined.yaml'}:2:9"
    assert problem.message == "image.file: there is no file 'pizza.gif' beside the template"
    assert not problem.warning
