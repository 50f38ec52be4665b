"""Whom messages mention, and how often: over restarts, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events import GameStarted, PeerJoined
from lanrage_events.testing import virtual_time
from lanrage_events_discord._delivery import Mentions
from lanrage_events_discord._embeds import Embed
from lanrage_events_discord._memory import Memory
from lanrage_events_discord._rendering import DEFAULT_PRESENTATION, Digest, Entry
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]
ROLE = "140000000000000002"
TIME = datetime(2026, 3, 6, 20, tzinfo=UTC)


def entry(cooldown: float, *roles: str, users: tuple[str, ...] = ()) -> Entry:
    presentation = replace(DEFAULT_PRESENTATION, roles=roles, users=users, cooldown=cooldown)
    digest = Digest("group", "heading", "item")
    return Entry("id", "peer_joined", TIME, Embed(title="x"), digest, presentation)


class Clock:
    """A wall clock that goes with virtual time, and can be set."""

    def __init__(self) -> None:
        self.offset = 1_700_000_000.0

    def __call__(self) -> float:
        return self.offset + anyio.current_time()


def mentions_in(path: Path, clock: Clock | None = None) -> Mentions:
    return Mentions(Memory(path, "the cooldowns of mentions", wall_clock=clock or Clock()))


def mention(mentions: Mentions, *entries: Entry) -> list[str]:
    """Mention whom entries ask for, as a message that arrives at once does."""
    roles, users, *_ = mentions.choose(entries)
    mentions.release([*roles, *users])
    mentions.start_cooldown([*roles, *users])
    return [*roles, *users]


async def test_cooldown_outlasts_the_process(tmp_path: Path) -> None:
    file = tmp_path / "mentions.json"
    assert mention(mentions_in(file), entry(600, "1")) == ["1"]
    await anyio.sleep(5)
    # Nothing was saved at an end: the process was killed.
    assert mention(mentions_in(file), entry(600, "1", "2")) == ["2"]
    await anyio.sleep(596)
    assert mention(mentions_in(file), entry(600, "1", "2")) == ["1"]
    assert file.read_bytes().isascii()


async def test_each_route_has_its_own_cooldown_over_restarts(tmp_path: Path) -> None:
    file = tmp_path / "mentions.json"
    assert mention(mentions_in(file), entry(600, "1")) == ["1"]
    await anyio.sleep(100)
    assert mention(mentions_in(file), entry(600, "1")) == []
    assert mention(mentions_in(file), entry(60, "1")) == ["1"]
    await anyio.sleep(550)
    assert mention(mentions_in(file), entry(600, "1")) == []
    await anyio.sleep(51)
    assert mention(mentions_in(file), entry(600, "1")) == ["1"]


@pytest.mark.parametrize("change", [-3600, -1, 3600])
async def test_clock_that_is_set_lengthens_no_cooldown(tmp_path: Path, change: float) -> None:
    file, clock = tmp_path / "mentions.json", Clock()
    mention(mentions_in(file, clock), entry(600, "1"))
    await anyio.sleep(10)
    clock.offset += change
    mentions = mentions_in(file, clock)
    assert mention(mentions, entry(600, "1")) == (["1"] if change > 600 else [])
    await anyio.sleep(600)
    assert mention(mentions, entry(600, "1")) == ["1"]


@pytest.mark.parametrize("text", ["{", "[1]", '{"1": "x"}', '{"1": NaN}', '{"1": true}', "null"])
async def test_damaged_file_forgets_the_cooldowns(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "mentions.json"
    file.write_text(text)
    assert mention(mentions_in(file), entry(600, "1")) == ["1"]
    assert ("the cooldowns of mentions are forgotten" in caplog.text) == (text != "null")
    assert mention(mentions_in(file), entry(600, "1")) == []


async def test_file_that_cannot_be_written_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "file"
    folder.write_text("not a folder")
    mentions = mentions_in(folder / "mentions.json")
    for role in "123":
        assert mention(mentions, entry(600, role)) == [role]
        await anyio.sleep(2)

    assert caplog.text.count("cannot keep the cooldowns of mentions") == 1


async def test_file_keeps_those_who_were_mentioned_last(tmp_path: Path) -> None:
    file = tmp_path / "mentions.json"
    mentions = mentions_in(file)
    for first in range(0, 1100, 50):
        mention(mentions, entry(600, *(str(number) for number in range(first, first + 50))))
        await anyio.sleep(0.01)

    mentions.save()
    assert list(json.loads(file.read_text())) == [str(number) for number in range(100, 1100)]


async def test_mentions_without_a_cooldown_are_not_written_each(tmp_path: Path) -> None:
    file = tmp_path / "mentions.json"
    mentions = mentions_in(file)
    contents = set()
    for _ in range(100):
        mention(mentions, entry(0, "1"))
        contents.add(file.read_text())
        await anyio.sleep(0.1)

    assert len(contents) <= 11


@pytest.mark.slow
async def test_three_lives_in_five_seconds_mention_a_role_once(
    running: Running, tmp_path: Path
) -> None:
    discord = StandInDiscord()
    webhooks = {name: {"url": discord.create_webhook().url} for name in ("a", "b")}
    routes = [
        {"events": "game_started", "mention": {"roles": [ROLE], "cooldown": "10m"}},
        {"events": "peer_joined", "mention": {"roles": [ROLE], "cooldown": "2m"}},
    ]
    began = anyio.current_time()
    for life in range(3):
        async with running(discord, tmp_path, webhooks=webhooks, routes=routes) as s:
            for game in range(2):
                await s.bus.publish_and_wait(
                    GameStarted(game_name=f"G{life}{game}", players=("Ann",))
                )
                await anyio.sleep(0.7)

    assert anyio.current_time() - began < 5
    await anyio.sleep(120)
    async with running(discord, tmp_path, webhooks=webhooks, routes=routes) as s:
        await s.bus.publish_and_wait(GameStarted(game_name="late", players=("Bob",)))
        await anyio.sleep(1)
        await s.bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name="LAN"))
        await anyio.sleep(5)

    mentioned = [m for m in discord.journal.messages() if m["mention_roles"] == [ROLE]]
    assert len(mentioned) == 2
    assert "Ann" in str(mentioned[1]["embeds"])


lives = st.lists(
    st.tuples(
        st.sampled_from((0.0, 0.3, 2.0, 30.0, 90.0)),
        st.sampled_from((10.0, 60.0, 600.0)),
        st.sampled_from(("1", "2")),
        st.sampled_from(("goes on", "is killed", "ends")),
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=lives)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_one_is_mentioned_again_within_a_cooldown_whatever_ends(
    tmp_path_factory: pytest.TempPathFactory,
    backend: Any,
    lives: list[tuple[float, float, str, str]],
) -> None:
    file = tmp_path_factory.mktemp("state") / "mentions.json"

    async def main() -> None:
        mentions, last = mentions_in(file), dict[str, float]()
        for pause, cooldown, role, end in lives:
            await anyio.sleep(pause)
            now = anyio.current_time()
            is_free = now - last.get(role, -1000) >= cooldown
            # What the file says may be a second old, and times in it are rounded.
            if abs(now - last.get(role, -1000) - cooldown) > 1.01:
                assert mention(mentions, entry(cooldown, role)) == ([role] if is_free else [])
                last[role] = now if is_free else last[role]

            if end == "ends":
                mentions.save()

            if end != "goes on":
                mentions = mentions_in(file)

    name, options = virtual_time(backend)
    anyio.run(main, backend=name, backend_options=options)
