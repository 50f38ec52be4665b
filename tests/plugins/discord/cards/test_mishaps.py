"""What goes wrong around cards: a full disk, moderators, templates, webhooks that change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from lanrage_events_discord.testing import Fail, StandInRequest

from ._channel import Channel, Running, text

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ROLE = "123456789012345678"


@contextmanager
def full_disk(folder: Path, when: str) -> Iterator[None]:
    """Let a row of a card not be written if it is so."""
    trigger = (
        "CREATE TRIGGER full BEFORE {} ON cards WHEN {} BEGIN SELECT RAISE(FAIL, 'disk full'); END"
    )
    other = sqlite3.connect(folder / "discord.cards", isolation_level=None)
    other.execute(trigger.format("UPDATE", when))
    yield
    other.execute("DROP TRIGGER full")
    other.close()


async def test_a_mention_that_a_full_disk_kept_back_comes_later(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel(running)
    mention = {"roles": [ROLE], "cooldown": "0s", "when": {"count": 2}}
    async with channel.open(tmp_path, mention=mention) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        with full_disk(tmp_path, "json_extract(new.content, '$.is_mentioned')"):
            await party.join("Bob")
            await anyio.sleep(12)

        await anyio.sleep(12)

    mentioned = [one for one in channel.discord.journal.accepted if ROLE in str(one.body)]
    assert [one.action for one in mentioned if one.action == "execute"] == ["execute"]


async def test_a_poll_that_a_full_disk_kept_back_comes_later(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel(running)
    async with channel.open(tmp_path, poll={"question": "Best game?"}, messages=[]) as party:
        await party.join("Ann")
        await party.play("Quake", "Doom")
        with full_disk(tmp_path, "json_extract(new.content, '$.is_polled')"):
            await party.end()
            await anyio.sleep(12)

        await anyio.sleep(12)

    assert len([one for one in channel.webhook.messages if one.get("poll")]) == 1


async def test_an_archived_post_has_one_card_after_it_was_opened_again(running: Running) -> None:
    channel = Channel(running, forum=True)
    async with channel.open(thread=True, messages=[]) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        channel.discord.faults.fail(400, code=50083, message="Thread is archived", action="edit")
        await party.join("Bob")
        await anyio.sleep(5)
        [card] = channel.cards
        assert "Bob" in text(card)
        assert channel.states == [("shown", "")]
        assert list(channel.webhook.threads.values()) == ["LAN"]


async def test_a_post_that_a_moderator_deletes_is_not_there_again_for_the_poll(
    running: Running,
) -> None:
    channel = Channel(running, forum=True)

    def delete_thread(request: StandInRequest) -> None:
        if "Best game?" in str(request.body):
            for id in channel.webhook.threads:
                channel.webhook.delete_thread(id)

    channel.discord.faults.script(delete_thread)
    async with channel.open(thread=True, messages=[], poll={"question": "Best game?"}) as party:
        await party.join("Ann")
        await party.play("Quake", "Doom")
        await party.end()
        await anyio.sleep(200)
        assert channel.open_cards == []

    assert channel.cards == []


async def test_a_card_is_whole_again_once_the_template_is(running: Running, tmp_path: Path) -> None:
    channel = Channel(running)
    template = tmp_path / "discord" / "party_card.yaml"
    template.parent.mkdir()
    template.write_text('title: "Bad {{ party.size }}"\n')

    def reject(request: StandInRequest) -> Fail | None:
        is_bad = "Bad" in str(request.body) or channel.discord.faults is None
        return Fail(400, 50035, "Invalid Form Body") if is_bad else None

    channel.discord.faults.script(reject)
    async with channel.open(more={"templates": [tmp_path]}) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        assert "Bad" not in text(channel.cards[0])
        template.write_text('title: "Good {{ party.size }}"\n')
        party.plugin.templates_changed(party.setup.bus)
        await anyio.sleep(5)
        assert "Good 1" in text(channel.cards[0])
        # What was stopped, too.
        channel.discord.faults.fail(400, code=50035, message="Invalid", times=2, action="edit")
        await party.join("Bob")
        await anyio.sleep(5)
        assert channel.states[0][0] == "stopped"
        party.plugin.templates_changed(party.setup.bus)
        await anyio.sleep(5)
        assert channel.states == [("shown", "")]
        assert "Good 2" in text(channel.cards[0])


async def test_a_webhook_with_another_name_keeps_its_cards(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel(running)
    async with channel.open(tmp_path) as party:
        await party.join("Ann")
        await anyio.sleep(5)

    more = {"webhook_url": None, "webhooks": {"lobby": {"url": channel.webhook.url}}}
    async with channel.open(tmp_path, webhook=["lobby"], more=more) as party:
        await party.join("Bob")
        await anyio.sleep(5)
        [card] = channel.cards
        assert "Bob" in text(card)


async def test_two_webhooks_that_change_places_keep_their_cards(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel(running)
    first, second = channel.webhook, channel.discord.create_webhook()
    for urls in ((first.url, second.url), (second.url, first.url)):
        more = {"webhook_url": urls[0], "webhooks": {"other": {"url": urls[1]}}}
        async with channel.open(tmp_path, webhook=["default", "other"], more=more) as party:
            await anyio.sleep(5)
            await party.join("Ann" if urls[0] == first.url else "Bob")
            await anyio.sleep(5)

    for webhook in (first, second):
        [card] = webhook.messages
        assert "Bob" in text(card)


async def test_a_mention_that_a_dead_webhook_did_not_take_comes_after_a_kill(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel(running)
    mention = {"roles": [ROLE], "cooldown": "0s"}
    other = channel.discord.create_webhook()
    channel.webhook.delete()
    async with channel.open(tmp_path, mention=mention) as party:
        await party.join("Ann")
        await anyio.sleep(5)

    channel.webhook = other
    async with channel.open(tmp_path, mention=mention):
        await anyio.sleep(5)

    assert ROLE in str(channel.discord.journal.accepted[-1].body)


async def test_a_card_that_was_pushed_up_is_edited_while_its_webhook_is_muted(
    running: Running,
) -> None:
    channel = Channel(running)
    async with channel.open(bump="1m") as party:
        await party.join("Ann")
        await anyio.sleep(5)
        await party.notify()
        await anyio.sleep(10)
        await party.plugin.mute(3600)
        await anyio.sleep(100)
        await party.join("Bob")
        await anyio.sleep(5)
        [card] = channel.cards
        assert "Bob" in text(card)
        assert channel.states == [("shown", "")]
        await party.plugin.unmute()
        await anyio.sleep(5)
        assert channel.webhook.messages[-1]["id"] == channel.cards[0]["id"] != card["id"]
        await party.notify()
        await party.plugin.mute(600)
        await anyio.sleep(700)
        assert len(channel.cards) == 1
        assert channel.webhook.messages[-1]["id"] == channel.cards[0]["id"]


async def test_a_card_that_is_posted_again_in_a_mute_is_edited_until_then(
    running: Running,
) -> None:
    channel = Channel(running)
    async with channel.open() as party:
        await party.join("Ann")
        await anyio.sleep(5)
        await party.plugin.mute(600)
        [card] = channel.open_cards
        await channel.runtime.cards.post_again(card.id)
        await anyio.sleep(5)
        await party.join("Bob")
        await anyio.sleep(5)
        [shown] = channel.cards
        assert "Bob" in text(shown)
        await anyio.sleep(600)
        [later] = channel.cards
        assert later["id"] != shown["id"]


async def test_a_card_that_was_pushed_up_is_edited_while_nothing_can_be_posted(
    running: Running,
) -> None:
    channel = Channel(running)
    async with channel.open(bump="1m") as party:
        await party.join("Ann")
        await anyio.sleep(5)
        await party.notify()
        await anyio.sleep(30)
        channel.discord.faults.fail(429, retry_after=600, action="execute")
        await party.notify()
        await anyio.sleep(100)
        await party.join("Bob")
        await anyio.sleep(5)
        assert "Bob" in text(channel.cards[0])
        count = len(channel.discord.journal)
        await anyio.sleep(400)
        assert channel.since(count) == []
        await anyio.sleep(200)
        [card] = channel.cards
        assert channel.webhook.messages[-1]["id"] == card["id"]


async def test_cards_of_a_default_webhook_that_is_missing_are_in_the_health(
    running: Running,
) -> None:
    channel = Channel(running)
    more = {"webhook_url": None, "webhooks": {"lobby": {"url": channel.webhook.url}}}
    async with channel.open(more=more) as party:
        health = party.setup.bus.health()["discord"]
        assert health.status == "degraded"
        assert health.detail == (
            "routes or cards name webhook 'default', but no webhook_url is set"
        )

    async with channel.open(more=more, webhook="lobby") as party:
        assert party.setup.bus.health()["discord"].status == "ok"
