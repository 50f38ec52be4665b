"""Pictures of cards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import GameEnded, GameStarted
from lanrage_events_discord.testing import Fail
from tests.plugins.discord.cards.test_cards import Channel, joined, parties, publish

Running = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = [pytest.mark.anyio, pytest.mark.slow]


PNG = b"\x89PNG\r\n\x1a\n...."


async def test_the_picture_of_a_card_stays_until_it_is_another_one(
    running: Running, tmp_path: Path
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    text = "image: {file: '{{ (party.game or \"none\") | lower }}.png', fallback: none.png}"
    (folder / "party_card.yaml").write_text(text, encoding="utf-8")
    for name in ("none", "doom"):
        (folder / f"{name}.png").write_bytes(PNG + name.encode())

    channel = Channel()
    more = {"templates": [tmp_path], "plugins": parties()}
    async with running(**channel.config(**more)) as setup:
        await publish(setup, *joined("Ann"))
        await publish(setup, *joined("Ben"))
        await publish(setup, GameStarted(game_name="Doom", players=("Ann",)))
        await publish(setup, *joined("Cy"))
        await publish(setup, GameEnded(game_name="Doom", duration=1.0))

    cards = [one for one in channel.discord.journal if "image" in str(one.body["embeds"])]
    files = [one.headers["content-type"].partition(";")[0].rpartition("/")[2] for one in cards]
    shown = [one.body["embeds"][0]["image"]["url"].rpartition("-")[0] for one in cards]
    none, doom = "attachment://none", "attachment://doom"
    assert list(zip(shown, files, strict=True)) == [
        (none, "form-data"),
        (none, "json"),
        (doom, "form-data"),
        (doom, "json"),
        (none, "form-data"),
    ]
    [card] = [one for one in channel.webhook.messages if "image" in str(one["embeds"])]
    assert card["attachments"] == []


async def test_a_card_goes_without_a_picture_that_discord_finds_too_large(
    running: Running, tmp_path: Path
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "party_card.yaml").write_text("image: {file: large.png}", encoding="utf-8")
    (folder / "large.png").write_bytes(PNG)
    channel = Channel()
    channel.discord.faults.script(
        lambda request: Fail(413, 40005) if "large-" in str(request.body) else None
    )
    more = {"templates": [tmp_path], "plugins": parties()}
    async with running(**channel.config(**more)) as setup:
        await publish(setup, *joined("Ann"))

    [text] = channel.texts
    assert "Ann" in text
    assert "large" not in text
    assert channel.requests == 2


async def test_a_card_of_which_only_the_picture_changes_is_edited(
    running: Running, tmp_path: Path
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    text = """
        title: Party
        description: People play.
        fields: []
        image: {file: "{{ party.game or 'none' }}.png"}
    """
    (folder / "party_card.yaml").write_text(text, encoding="utf-8")
    for name in ("none", "doom"):
        (folder / f"{name}.png").write_bytes(PNG + name.encode())

    channel = Channel()
    more = {"templates": [tmp_path], "plugins": parties()}
    async with running(**channel.config(**more)) as setup:
        await publish(setup, *joined("Ann"))
        await publish(setup, *joined("Ben"))
        await publish(setup, GameStarted(game_name="doom", players=("Ann",)))

    cards = [one for one in channel.discord.journal if "image" in str(one.body["embeds"])]
    shown = [one.body["embeds"][0]["image"]["url"].rpartition("-")[0] for one in cards]
    assert shown == ["attachment://none", "attachment://doom"]


async def test_a_card_shows_a_picture_that_is_replaced_or_added(
    running: Running, tmp_path: Path
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "party_card.yaml").write_text("image: {file: logo.png}", encoding="utf-8")
    (folder / "logo.png").write_bytes(PNG + b"1")
    channel = Channel()
    shown: list[str] = []
    async with running(**channel.config(templates=[tmp_path], plugins=parties())) as setup:
        await publish(setup, *joined("Ann"))
        for content in (b"2", None, b"3"):
            (folder / "logo.png").unlink(missing_ok=True)
            if content is not None:
                (folder / "logo.png").write_bytes(PNG + content)

            setup.plugin.templates_changed(setup.bus)
            await anyio.sleep(30)
            [card] = [one for one in channel.webhook.messages if "Ann" in str(one["embeds"])]
            shown.append(str(card["embeds"][0].get("image", {}).get("url", "")))

    assert [bool(one) for one in shown] == [True, False, True]
    assert len(set(shown)) == 3
