"""What is done for cards, against the stand-in, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events.testing import virtual_time
from lanrage_events_discord.testing import Fail, Reset, StandInRequest

from ._channel import Channel, Running, text

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize("latency", [0.04, 0.9])
async def test_what_happens_during_a_request_is_shown_by_the_next(
    running: Running, latency: float
) -> None:
    channel = Channel(running, latency=latency)
    async with channel.open(every="1s") as party:
        for number in range(20):
            await party.join(f"P{number:02}")
            await anyio.sleep(0.21)

        await anyio.sleep(4)
        [card] = channel.cards
        assert "20" in text(card)
        assert channel.states == [("shown", "")]


async def test_a_deleted_message_comes_back_with_the_next_change(running: Running) -> None:
    channel = Channel(running)
    async with channel.open() as party:
        await party.join("Ann")
        await anyio.sleep(30)
        channel.webhook.delete_message(channel.cards[0]["id"])
        await anyio.sleep(600)
        assert channel.cards == []
        count, began = len(channel.discord.journal), anyio.current_time()
        await party.join("Bob")
        await channel.discord.journal.wait_for(lambda _: channel.cards)
        assert anyio.current_time() - began <= 3
        await anyio.sleep(10)
        assert [record.action for record in channel.since(count)] == ["edit", "execute"]
        assert "Bob" in text(channel.cards[0])
        assert channel.statistics.reposts == 1


async def test_a_message_that_is_always_deleted_is_posted_again_once_a_minute_and_then_not(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    channel = Channel(running)
    async with channel.open() as party:
        for number in range(80):
            await party.join(f"P{number}")
            await anyio.sleep(4)
            for card in channel.cards:
                channel.webhook.delete_message(card["id"])

        posts = [one.time for one in channel.discord.journal if one.action == "execute"]
        [(state, reason)] = channel.states
        assert channel.statistics.posts == 3

    assert [one for one in channel.done if one[0] == "edit"] == [("edit", 10008)] * 3
    assert posts[2] - posts[1] >= 60
    assert state == "stopped"
    assert "3 times" in reason
    assert reason in caplog.text


async def test_re_posts_are_a_minute_apart_over_restarts_too(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel(running)
    for number in range(4):
        async with channel.open(tmp_path) as party:
            await party.join(f"P{number}")
            await anyio.sleep(4)
            for card in channel.cards:
                channel.webhook.delete_message(card["id"])

    assert len([one for one in channel.done if one[0] == "execute"]) == 2


async def test_a_stopped_card_goes_on_when_it_is_posted_again(running: Running) -> None:
    channel = Channel(running)
    channel.discord.faults.fail(404, code=10008, action="edit", times=3)
    async with channel.open() as party:
        for number in range(60):
            await party.join(f"P{number}")
            await anyio.sleep(4)

        assert channel.states[0][0] == "stopped"
        [card] = channel.open_cards
        await channel.runtime.cards.post_again(card.id)
        await anyio.sleep(5)
        assert channel.states == [("shown", "")]
        assert "60" in text(channel.cards[-1])


async def test_a_limit_is_waited_for_and_never_a_reason_for_another_message(
    running: Running,
) -> None:
    channel = Channel(running)
    async with channel.open() as party:
        await party.join("Ann")
        await anyio.sleep(10)
        channel.discord.faults.fail(429, retry_after=7, action="edit")
        began = anyio.current_time()
        await party.join("Bob")
        await anyio.sleep(1)
        assert channel.states[0][0] == "waiting"
        await anyio.sleep(10)
        [edit] = [record for record in channel.discord.journal.accepted if record.action == "edit"]
        assert 7 <= edit.time - began <= 8
        assert len(channel.cards) == 1


async def test_a_card_that_discord_rejects_becomes_plain_and_is_then_stopped(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    channel = Channel(running)

    def reject(request: StandInRequest) -> Fail | None:
        return Fail(400, 50035, "Invalid Form Body") if request.action != "delete" else None

    async with channel.open() as party:
        channel.discord.faults.script(reject, times=1)
        await party.join("Ann")
        await anyio.sleep(5)
        assert len(channel.cards) == 1
        assert "Ann" not in text(channel.cards[0])
        channel.discord.faults.script(reject, times=1)
        with caplog.at_level(logging.ERROR):
            await party.join("Bob")
            await anyio.sleep(5)

        assert channel.states[0][0] == "stopped"
        count = len(channel.discord.journal)
        await party.join("Eve")
        await anyio.sleep(60)
        assert "Invalid Form Body" in caplog.text
        assert [one.action for one in channel.since(count)] == ["execute"]  # a message, as ever


async def test_nothing_is_sent_to_a_dead_webhook_until_it_is_replaced(running: Running) -> None:
    channel = Channel(running)
    other = channel.discord.create_webhook()
    async with channel.open() as party:
        await party.join("Ann")
        await anyio.sleep(5)
        channel.webhook.delete()
        await party.join("Bob")
        await anyio.sleep(10)
        count = len(channel.discord.journal)
        await party.join("Eve")
        await anyio.sleep(600)
        assert channel.since(count) == []
        [(state, reason)] = channel.states
        assert state == "waiting"
        assert "deleted" in reason
        channel.use(other)
        await anyio.sleep(5)
        [card] = other.messages
        assert "Eve" in text(card)
        assert channel.states == [("shown", "")]


async def test_a_message_whose_answer_is_lost_is_posted_again_and_counted(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    channel = Channel(running)
    channel.discord.faults.reset(accepted=True, action="execute")
    async with channel.open() as party:
        await party.join("Ann")
        await anyio.sleep(5)
        assert len(channel.cards) == 2
        assert channel.statistics.lost_answers == 1
        assert "there may be two" in caplog.text
        await party.join("Bob")
        await anyio.sleep(5)
        assert [("Bob" in text(card)) for card in channel.cards] == [False, True]


@pytest.mark.parametrize("fault", [Fail(503), Reset(accepted=True)])
async def test_an_outage_is_waited_out(running: Running, fault: Any) -> None:
    channel = Channel(running)
    async with channel.open() as party:
        await party.join("Ann")
        await anyio.sleep(5)
        count = len(channel.discord.journal)
        channel.discord.faults.script(lambda _: fault, lasting=600)
        await party.join("Bob")
        await anyio.sleep(601)
        assert len(channel.since(count)) < 70
        await anyio.sleep(40)
        [card] = channel.cards
        assert "Bob" in text(card)
        assert channel.states == [("shown", "")]


async def test_a_card_that_discord_cannot_handle_does_not_keep_the_others(
    running: Running,
) -> None:
    channel = Channel(running)

    def fail(request: StandInRequest) -> Fail | None:
        return Fail(500) if "Poison" in str(request.body) else None

    channel.discord.faults.script(fail)
    async with channel.open() as party:
        await party.join("Ann", party="Poisoned")
        await party.join("Poison", party="LAN")
        for number in range(60):
            await party.join(f"P{number:02}", party="Other")
            await anyio.sleep(2)

        assert len(channel.discord.journal) < 110
        assert any("60" in text(card) for card in channel.cards)
        [plain] = [card for card in channel.cards if "LAN" in text(card)]
        assert "Poison" not in text(plain)


async def test_a_forum_has_a_post_for_each_party(running: Running) -> None:
    channel = Channel(running, forum=True)
    async with channel.open(thread=True, more={"routes": [{"webhook": []}]}) as party:
        await party.join("Ann", party="LAN")
        await party.join("Bob", party="Other")
        await anyio.sleep(5)
        await party.join("Eve", party="Other")
        await anyio.sleep(5)
        assert sorted(channel.webhook.threads.values()) == ["LAN", "Other"]
        assert [one["id"] for one in channel.cards] == [one["channel_id"] for one in channel.cards]
        edits = [one for one in channel.discord.journal.accepted if one.action == "edit"]
        assert [one.query["thread_id"] for one in edits] == [channel.cards[1]["id"]]
        channel.discord.faults.fail(404, code=10003, message="Unknown Channel", action="edit")
        await party.join("Max", party="LAN")
        await anyio.sleep(5)
        assert sorted(channel.webhook.threads.values()) == ["LAN", "LAN", "Other"]
        assert channel.states == [("shown", "")] * 2
        assert channel.runtime.lanes["default"].is_usable


@pytest.mark.parametrize(("forum", "remedy"), [(True, "thread: true"), (False, "no forum")])
async def test_the_wrong_kind_of_channel_stops_the_card_and_not_the_lane(
    running: Running, forum: bool, remedy: str
) -> None:
    channel = Channel(running, forum=forum)
    async with channel.open(thread=not forum) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        [(state, reason)] = channel.states
        assert state == "stopped"
        assert remedy in reason
        assert channel.runtime.lanes["default"].is_usable


async def test_a_card_that_did_not_fit_to_its_channel_is_posted_once_it_does(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel(running, forum=True)
    async with channel.open(tmp_path) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        assert channel.states[0][0] == "stopped"

    async with channel.open(tmp_path, thread=True):
        await anyio.sleep(5)
        assert channel.states == [("shown", "")]
        assert list(channel.webhook.threads.values()) == ["LAN"]


async def test_roles_are_called_once_a_party(running: Running, tmp_path: Path) -> None:
    channel = Channel(running)
    card = {"mention": {"roles": ["123456789012345678"], "cooldown": "0s"}, "bump": "1m"}
    async with channel.open(tmp_path, **card) as party:
        await party.join("Ann")
        await anyio.sleep(10)
        await party.join("Bob")
        await anyio.sleep(10)
        await party.notify()
        await anyio.sleep(100)

    async with channel.open(tmp_path, **card) as party:
        channel.webhook.delete_message(channel.cards[-1]["id"])
        await party.join("Eve")
        await anyio.sleep(100)
        await party.join("Ann", party="Other")
        await anyio.sleep(10)

    sent = [one for one in channel.discord.journal if one.action in ("execute", "edit")]
    called = [one for one in sent if one.body["allowed_mentions"].get("roles")]
    assert [one.action for one in called] == ["execute", "execute"]
    assert all(one.body["content"].startswith("<@&123456789012345678>") for one in called)
    assert all(not one.body.get("flags") for one in called)
    # What is posted again makes no sound, and an edit keeps the text.
    posts = [one for one in sent if one.action == "execute" and one not in called]
    assert all(one.body["flags"] & 4096 for one in posts if "Food" not in str(one.body))
    assert sent[1].action == "edit"
    assert "<@&123456789012345678>" in sent[1].body["content"]


async def test_roles_are_called_once_there_are_enough(running: Running) -> None:
    channel = Channel(running)
    mention = {"roles": ["123456789012345678"], "when": {"count": 3}, "cooldown": "1h"}
    async with channel.open(mention=mention) as party:
        for number in range(6):
            await party.join(f"P{number}")
            await anyio.sleep(5)

        for number in range(3):
            await party.join(f"Q{number}", party="Other")
            await anyio.sleep(5)

        assert channel.states == [("shown", "")] * 2

    called = [
        one
        for one in channel.discord.journal
        if "roles" in (one.body or {}).get("allowed_mentions", {})
    ]
    assert [one.action for one in called] == ["execute"]
    assert "P2" in str(called[0].body)
    assert len(channel.cards) == 2
    assert "P5" in text(channel.cards[0])
    assert "Q2" in text(channel.cards[1])


async def test_a_mention_whose_answer_is_lost_is_not_repeated(running: Running) -> None:
    channel = Channel(running)
    channel.discord.faults.reset(accepted=True, action="execute")
    async with channel.open(mention={"roles": ["123456789012345678"], "cooldown": "0s"}) as party:
        await party.join("Ann")
        await anyio.sleep(10)

    first, second = [one for one in channel.discord.journal if one.action == "execute"]
    assert first.body["allowed_mentions"]["roles"]
    assert not second.body["allowed_mentions"].get("roles")


async def test_a_mention_that_was_not_posted_comes_with_the_next_attempt(running: Running) -> None:
    channel = Channel(running)
    channel.discord.faults.fail(503, action="execute", times=2)
    async with channel.open(mention={"roles": ["123456789012345678"]}) as party:
        await party.join("Ann")
        await anyio.sleep(10)

    [posted] = channel.discord.journal.accepted
    assert posted.body["allowed_mentions"]["roles"]


@pytest.mark.parametrize("silent", [True, False])
async def test_the_first_message_makes_a_sound_if_it_shall(running: Running, silent: bool) -> None:
    channel = Channel(running)
    async with channel.open(silent=silent) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        assert bool(channel.discord.journal[0].body.get("flags")) is silent


async def test_a_card_that_was_pushed_up_comes_down_again(running: Running, tmp_path: Path) -> None:
    channel = Channel(running)
    async with channel.open(tmp_path, bump="10m") as party:
        await party.join("Ann")
        await anyio.sleep(30)
        await party.notify()
        await anyio.sleep(300)
        assert len(channel.cards) == 1

    first = channel.cards[0]["id"]
    async with channel.open(tmp_path, bump="10m") as party:
        await anyio.sleep(260)
        assert [one["id"] for one in channel.cards] == [first]
        await anyio.sleep(20)
        [card] = channel.cards
        assert card["id"] != first
        assert channel.webhook.messages[-1] is card
        posted = channel.discord.journal[-2]
        assert posted.body["flags"] == 4096
        for _ in range(20):
            await party.notify()
            await anyio.sleep(60)

        assert channel.statistics.posts == 1 + 2
        count = len(channel.discord.journal)
        await anyio.sleep(1200)
        assert len(channel.since(count)) <= 2
        assert channel.webhook.messages[-1]["id"] == channel.cards[0]["id"]


async def test_cards_do_not_push_each_other_up_for_ever(running: Running) -> None:
    channel = Channel(running)
    async with channel.open(bump="1m") as party:
        for number in range(5):
            await party.join("Ann", party=f"Party {number}")
            await anyio.sleep(5)

        await anyio.sleep(600)
        count = len(channel.discord.journal)
        await anyio.sleep(3600)
        assert channel.since(count) == []
        assert len(channel.cards) == 5


@pytest.mark.parametrize("when_over", ["recap", "keep", "delete"])
async def test_a_card_whose_party_is_over(running: Running, tmp_path: Path, when_over: str) -> None:
    channel = Channel(running)
    card = {"when_over": when_over, "poll": {"question": "Best game?"}, "messages": []}
    async with channel.open(tmp_path, **card) as party:
        await party.join("Ann", "Bob")
        await party.play("Quake", "Doom")
        await anyio.sleep(30)
        await party.leave("Ann", "Bob")
        await party.end()
        await anyio.sleep(30)

    *cards, poll = channel.webhook.messages
    assert poll["poll"]["question"]["text"] == "Best game?"
    assert len(poll["poll"]["answers"]) == 2
    assert [("Began" in text(one)) for one in cards] == {
        "recap": [False],
        "keep": [True],
        "delete": [],
    }[when_over]
    count = len(channel.discord.journal)
    async with channel.open(tmp_path, **card):
        await anyio.sleep(100)
        assert channel.since(count) == []


async def test_a_poll_is_posted_at_most_once(running: Running, tmp_path: Path) -> None:
    channel = Channel(running)
    card = {"poll": {"question": "Best game?"}}
    async with channel.open(tmp_path, **card) as party:
        await party.join("Ann")
        await party.play("Quake", "Doom")
        await anyio.sleep(30)
        channel.discord.faults.fail(503, action="execute", containing="Best game?", times=2)
        channel.discord.faults.reset(
            accepted=True, action="execute", containing="Best game?", times=1
        )
        await party.end()
        await anyio.sleep(30)

    async with channel.open(tmp_path, **card):
        await anyio.sleep(100)

    assert len([one for one in channel.webhook.messages if one.get("poll")]) == 1


async def test_a_party_that_begins_again_has_another_card(running: Running) -> None:
    channel = Channel(running)
    async with channel.open() as party:
        await party.join("Ann")
        await anyio.sleep(5)
        await party.end()
        await anyio.sleep(5)
        await party.join("Bob")
        await anyio.sleep(5)
        assert ["Bob" in text(one) for one in channel.cards] == [False, True]


async def test_a_muted_webhook_gets_no_new_card_and_edits_go_on(running: Running) -> None:
    channel = Channel(running)
    async with channel.open() as party:
        await party.join("Ann")
        await anyio.sleep(5)
        await party.plugin.mute(600)
        await party.join("Bob")
        await party.join("Eve", party="Other")
        await anyio.sleep(30)
        [card] = channel.cards
        assert "Bob" in text(card)
        assert "muted" in channel.states[1][1]
        await anyio.sleep(580)
        assert len(channel.cards) == 2
        await party.plugin.mute(3600)
        await party.join("Max", party="Third")
        await anyio.sleep(30)
        assert len(channel.cards) == 2
        await party.plugin.unmute()
        await anyio.sleep(5)
        assert len(channel.cards) == 3
        await party.plugin.mute(60, then="drop")
        await party.join("Ann", party="Short")
        await party.join("Ann", party="Long")
        await party.end("Short")
        await anyio.sleep(100)
        assert len(channel.cards) == 4
        assert "Long" in text(channel.cards[3])


async def test_a_first_message_in_quiet_hours_makes_no_sound_and_calls_no_one(
    running: Running,
) -> None:
    channel = Channel(running)
    mention = {"roles": ["123456789012345678"]}
    async with channel.open(silent=False, mention=mention) as party:
        await party.plugin.mute(60, then="silent")
        await party.join("Ann")
        await anyio.sleep(100)
        channel.webhook.delete_message(channel.cards[0]["id"])
        await party.join("Bob")
        await anyio.sleep(5)

    first, again = [one for one in channel.discord.journal if one.action == "execute"]
    for posted in (first, again):
        assert posted.body["flags"] == 4096
        assert not posted.body["allowed_mentions"].get("roles")


async def test_a_removed_card_is_deleted_and_does_not_come_back(
    running: Running, tmp_path: Path
) -> None:
    channel = Channel(running)
    async with channel.open(tmp_path) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        [card] = channel.open_cards
        await channel.runtime.cards.remove(card.id)
        await anyio.sleep(5)
        assert channel.cards == []

    async with channel.open(tmp_path):
        await anyio.sleep(60)
        assert channel.cards == []


async def test_posted_again_it_is_below_all(running: Running) -> None:
    channel = Channel(running)
    async with channel.open(bump="never") as party:
        await party.join("Ann")
        await anyio.sleep(5)
        await party.notify()
        await anyio.sleep(5)
        [card] = channel.open_cards
        await channel.runtime.cards.post_again(card.id)
        await anyio.sleep(5)
        assert len(channel.cards) == 1
        assert channel.webhook.messages[-1]["id"] == channel.cards[0]["id"]
        await anyio.sleep(3600)
        assert [one[0] for one in channel.done] == ["execute", "execute", "execute", "delete"]


async def test_the_last_changes_are_shown_before_it_ends(running: Running, tmp_path: Path) -> None:
    channel = Channel(running)
    async with channel.open(tmp_path, every="5m") as party:
        await party.join("Ann")
        await anyio.sleep(10)
        await party.join("Bob")
        began = anyio.current_time()

    assert anyio.current_time() - began < 1
    assert "Bob" in text(channel.cards[0])


@pytest.mark.parametrize("accepted", [True, False])
async def test_an_end_during_an_edit_is_bounded_and_loses_nothing(
    running: Running, tmp_path: Path, accepted: bool
) -> None:
    channel = Channel(running)
    async with channel.open(tmp_path) as party:
        await party.join("Ann")
        await anyio.sleep(10)
        channel.discord.faults.hang(accepted=accepted, action="edit")
        await party.join("Bob")
        began = anyio.current_time()

    assert anyio.current_time() - began <= 6
    async with channel.open(tmp_path):
        await anyio.sleep(10)
        [card] = channel.cards
        assert "Bob" in text(card)
        assert channel.states == [("shown", "")]


async def test_another_url_gets_new_messages(running: Running, tmp_path: Path) -> None:
    channel = Channel(running)
    async with channel.open(tmp_path) as party:
        await party.join("Ann")
        await party.join("Eve", party="Other")
        await anyio.sleep(10)

    before, channel.webhook = channel.webhook, channel.discord.create_webhook()
    async with channel.open(tmp_path) as party:
        await anyio.sleep(10)
        assert len(channel.cards) == len(before.messages) == 2
        await party.join("Bob")
        await anyio.sleep(10)
        assert sum("Bob" in text(one) for one in channel.cards) == 1


async def test_a_step_of_the_clock_changes_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel(running)
    async with channel.open(bump="10m") as party:
        await party.join("Ann")
        await party.notify()
        await anyio.sleep(10)
        for step in (-86_400.0, 7 * 86_400.0):
            monkeypatch.setattr(type(party.plugin), "clock_step", step)
            count = len(channel.discord.journal)
            await party.join(f"P{step}")
            await anyio.sleep(5)
            assert [one.action for one in channel.since(count)] == ["edit"]

        await anyio.sleep(570)
        assert len(channel.since(count)) == 1
        await anyio.sleep(30)
        assert [one.action for one in channel.since(count)] == ["edit", "execute", "delete"]


async def test_a_card_goes_to_the_thread_of_its_webhook(running: Running) -> None:
    channel = Channel(running, forum=True)
    webhook = {"url": channel.webhook.url, "thread_name": "Evening"}
    more = {"webhook_url": None, "webhooks": {"default": webhook}}
    async with channel.open(more=more) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        await party.notify()
        await party.join("Bob")
        await anyio.sleep(5)
        assert list(channel.webhook.threads.values()) == ["Evening"]
        assert "Bob" in text(channel.cards[0])
        channel.discord.faults.fail(404, code=10003, message="Unknown Channel", action="edit")
        await party.join("Eve")
        await anyio.sleep(5)
        assert list(channel.webhook.threads.values()) == ["Evening"] * 2
        assert "Eve" in text(channel.cards[1])
        channel.discord.faults.fail(404, code=10003, message="Unknown Channel", action="execute")
        await party.join("Max", party="Other")
        await anyio.sleep(5)
        assert list(channel.webhook.threads.values()) == ["Evening"] * 3
        assert "Max" in text(channel.cards[2])
        assert channel.runtime.lanes["default"].is_usable


async def test_a_card_follows_its_template_and_the_invite(running: Running, tmp_path: Path) -> None:
    channel = Channel(running)
    template = tmp_path / "discord" / "party_card.yaml"
    template.parent.mkdir()
    template.write_text("title: First\n")
    async with channel.open(more={"templates": [tmp_path]}) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        template.write_text('title: "Come: {{ invite }}"\n')
        party.plugin.templates_changed(party.setup.bus)
        await anyio.sleep(5)
        assert "Come" in text(channel.cards[0])
        await party.setup.post("/invite", {"invite_url": "https://discord.gg/abc"})
        await anyio.sleep(5)
        assert "discord.gg" in text(channel.cards[0])
        assert len(channel.cards) == 1


@pytest.mark.parametrize("action", ["edit", "execute"])
@pytest.mark.parametrize("seconds", [0.01, 3.0])
async def test_a_plugin_that_is_replaced_in_the_middle_leaves_nothing_half_done(
    running: Running, tmp_path: Path, action: Any, seconds: float
) -> None:
    channel = Channel(running)
    async with channel.open(tmp_path) as party:
        if action == "edit":
            await party.join("Ann")
            await anyio.sleep(5)

        channel.discord.faults.hang(seconds, action=action)
        await party.join("Bob")
        await anyio.sleep(0.001)
        began = anyio.current_time()
        await party.replace()
        assert anyio.current_time() - began <= 4
        await party.join("Eve")
        await anyio.sleep(10)
        [card] = channel.cards
        assert "Bob" in text(card)
        assert "Eve" in text(card)
        assert channel.states == [("shown", "")]


@pytest.mark.parametrize(
    ("backend", "is_native"), [("asyncio", True), ("asyncio", False), ("trio", False)]
)
def test_an_abrupt_end_in_the_middle_loses_nothing(
    running: Running, tmp_path: Path, backend: Any, is_native: bool
) -> None:
    async def live(channel: Channel, folder: Path) -> None:
        async with channel.open(folder, every="1s") as party:
            await party.join("Ann")
            await anyio.sleep(10)
            await party.join("Bob")
            await anyio.sleep_forever()

    async def end_abruptly(seconds: float, folder: Path) -> None:
        channel = Channel(running)
        if is_native:
            task = asyncio.create_task(live(channel, folder))
            await anyio.sleep(seconds)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        else:
            with anyio.move_on_after(seconds):
                await live(channel, folder)

        async with channel.open(folder) as party:
            await party.join("Eve")
            await anyio.sleep(5)
            [card] = channel.cards
            shown = {name: name in text(card) for name in ("Ann", "Bob", "Eve")}
            assert shown == {"Ann": True, "Bob": seconds > 10, "Eve": True}

    # An answer takes 0.04 seconds, and Discord acts after half of them.
    for seconds in (0.01, 0.03, 0.041, 9.0, 10.01, 10.03, 10.041):
        name, options = virtual_time(backend)
        folder = tmp_path / str(seconds)
        anyio.run(end_abruptly, seconds, folder, backend=name, backend_options=options)


async def test_a_dead_webhook_does_not_keep_the_card_of_another(running: Running) -> None:
    channel = Channel(running)
    other = channel.discord.create_webhook()
    more = {"webhooks": {"other": {"url": other.url}}}
    async with channel.open(more=more, webhook=["default", "other"]) as party:
        await party.join("Ann")
        await anyio.sleep(5)
        channel.webhook.delete()
        await party.join("Bob")
        await anyio.sleep(60)
        assert "Bob" in text(other.messages[0])
        assert [state for state, _ in channel.states] == ["waiting", "shown"]
        count = len(channel.discord.journal)
        await party.join("Eve")
        await anyio.sleep(60)
        assert [one.webhook_id for one in channel.since(count)] == [other.id]


async def test_two_hundred_parties_are_all_shown(running: Running) -> None:
    channel = Channel(running)
    async with channel.open(bump="never") as party:
        for number in range(200):
            await party.join("Ann", party=f"Party {number}")

        await party.join("Bob", party="Party 7")
        await anyio.sleep(100)
        assert len(channel.cards) == 200
        assert channel.states == [("shown", "")] * 200
        assert "Bob" in text(next(one for one in channel.cards if "Party 7" in text(one)))
        assert channel.discord.journal.statuses[429] == 0
