"""How often old messages are edited, and that each action has a bucket of its own."""

from __future__ import annotations

from itertools import pairwise

import anyio
import httpx
import pytest

from lanrage_events_discord._client import (
    OLD_MESSAGE_SECONDS,
    Action,
    Limits,
    Outcome,
    RateLimits,
    WebhookClient,
    validate_webhook_url,
)
from lanrage_events_discord._client.old_edits import OldEdits
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook


class Editor:
    """Posts and edits through one webhook, within its limits."""

    def __init__(self, client: WebhookClient, limits: RateLimits, webhook: StandInWebhook) -> None:
        self._client = client
        self._limits = limits
        self._url = validate_webhook_url(webhook.url)
        self.message_id = ""
        self.posted_at = 0.0

    def limits(self, action: Action) -> Limits:
        return self._limits.of(self._url.id, action)

    async def post(self) -> Outcome:
        limits = self.limits(Action.EXECUTE)
        await limits.wait()
        outcome = await self._client.execute(self._url, {"content": "1"})
        limits.observe(outcome)
        self.message_id, self.posted_at = outcome.message_id or "", anyio.current_time()
        return outcome

    async def edit(self) -> Outcome:
        limits = self.limits(Action.EDIT)
        await limits.wait(is_old=anyio.current_time() - self.posted_at > OLD_MESSAGE_SECONDS)
        outcome = await self._client.edit(self._url, self.message_id, {"content": "2"})
        limits.observe(outcome)
        return outcome

    async def delete(self) -> Outcome:
        limits = self.limits(Action.DELETE)
        await limits.wait()
        outcome = await self._client.delete(self._url, self.message_id)
        limits.observe(outcome)
        return outcome


@pytest.mark.slow
async def test_posts_edits_and_deletions_use_buckets_of_their_own() -> None:
    discord = StandInDiscord(latency=0.04)
    limits = RateLimits()
    times: dict[str, list[float]] = {"post": [], "edit": []}
    async with httpx.AsyncClient(transport=discord.transport()) as http, WebhookClient(http) as c:
        webhook = discord.create_webhook()
        poster, editor = Editor(c, limits, webhook), Editor(c, limits, webhook)
        await editor.post()
        end = anyio.current_time() + 60

        async def repeat(name: str) -> None:
            while anyio.current_time() < end:
                await (poster.post() if name == "post" else editor.edit())
                times[name].append(anyio.current_time())

        async with anyio.create_task_group() as tasks:
            for name in times:
                tasks.start_soon(repeat, name)

        await poster.delete()

    assert discord.journal.statuses[429] == 0
    # 5 each in 2 seconds; with one bucket for both there would be half of them.
    assert len(times["post"]) >= 145
    assert len(times["edit"]) >= 145


async def test_old_messages_of_a_channel_are_edited_as_often_as_discord_allows() -> None:
    discord = StandInDiscord()
    limits = RateLimits()
    async with httpx.AsyncClient(transport=discord.transport()) as http, WebhookClient(http) as c:
        editors = [Editor(c, limits, discord.create_webhook("lobby")) for _ in range(2)]
        for editor in editors:
            await editor.post()

        await anyio.sleep(OLD_MESSAGE_SECONDS + 1)
        began = anyio.current_time()
        for number in range(31):
            await editors[number % 2].edit()

        seconds = anyio.current_time() - began

    assert discord.journal.statuses[429] == 0
    assert seconds == pytest.approx(60, abs=1.5)
    # What is not old need not wait for that.
    assert editors[0].limits(Action.EDIT).turn().at <= anyio.current_time() + 2


async def test_rejected_edit_waits_and_slows_down_only_edits_of_old_messages_there() -> None:
    discord = StandInDiscord()
    limits = RateLimits()
    async with httpx.AsyncClient(transport=discord.transport()) as http, WebhookClient(http) as c:
        lobby, other = (Editor(c, limits, discord.create_webhook(name)) for name in ("a", "b"))
        for editor in (lobby, other):
            await editor.post()

        await anyio.sleep(OLD_MESSAGE_SECONDS + 1)
        discord.faults.fail(429, code=30046, scope="shared", retry_after=4, times=1, action="edit")
        await lobby.edit()
        began = anyio.current_time()
        assert lobby.limits(Action.EDIT).turn().at <= began
        assert lobby.limits(Action.EXECUTE).turn().at <= began
        assert other.limits(Action.EDIT).turn(is_old=True).at <= began
        assert lobby.limits(Action.EXECUTE).channel.limit.limit is None
        turn = lobby.limits(Action.EDIT).turn(is_old=True)
        assert turn.at - began == pytest.approx(4, abs=0.1)
        assert "old messages of this channel are edited too often" in turn.reason
        times = []
        for _ in range(40):
            await lobby.edit()
            times.append(anyio.current_time() - began)

    assert times[0] == pytest.approx(4, abs=0.1)
    slow = [b - a for a, b in zip(times, times[3:], strict=False) if b < 63]
    quick = [b - a for a, b in zip(times, times[3:], strict=False) if a > 66]
    assert slow == pytest.approx([12.05] * len(slow), abs=0.1)
    assert quick == pytest.approx([6.05] * len(quick), abs=0.1)
    assert len(slow) >= 10
    assert len(quick) >= 10


def test_never_more_than_three_edits_in_any_six_seconds() -> None:
    edits, now, times = OldEdits(), 0.0, list[float]()
    for pause in (0, 0, 0, 0, 1, 5, 0.5, 7, 0, 0, 0, 20, 0, 0, 0, 0):
        now = max(now + pause, edits.free_at(now))
        edits.leaves(now)
        times.append(now)

    assert all(b - a > 6 for a, b in zip(times, times[3:], strict=False))
    assert min(b - a for a, b in pairwise(times)) == 0


@pytest.mark.slow
async def test_edits_do_not_count_as_messages_of_a_channel() -> None:
    discord = StandInDiscord(limit=None, channel_limit=30)
    async with httpx.AsyncClient(transport=discord.transport()) as http, WebhookClient(http) as c:
        lobby = Editor(c, RateLimits(), discord.create_webhook())
        while discord.journal.statuses[429] == 0:
            await lobby.post()

        await anyio.sleep(61)
        await lobby.post()
        for _ in range(60):
            await lobby.edit()

        messages = lobby.limits(Action.EXECUTE)
        assert len(messages.channel.limit.sent) == 1
        assert messages.turn().at <= anyio.current_time()
        # What an edit is asked to wait for does not keep messages, either.
        discord.faults.fail(429, scope="shared", retry_after=9, action="edit")
        await lobby.edit()
        assert messages.turn().at <= anyio.current_time()
        assert lobby.limits(Action.EDIT).turn().at > anyio.current_time() + 8
