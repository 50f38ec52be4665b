"""Mutes: how they are kept, how the clock changes them, and what is rejected."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lanrage_events import EventBus
from lanrage_events.forgetting import Forgotten, forget
from lanrage_events.http import RouteError
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._memory import Memory
from lanrage_events_discord._quiet import (
    Calendar,
    Loudness,
    Mute,
    Mutes,
    Quiet,
    QuietTimes,
    clock_time,
)
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]
NOW = datetime(2026, 12, 4, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now.timestamp()


def mutes_in(path: Path | None, clock: Clock) -> Mutes:
    return Mutes(Memory(path, "the mutes", survives_power_loss=True, wall_clock=clock))


def mute(hours: float, then: Loudness = Loudness.HOLD, now: datetime = NOW) -> Mute:
    return Mute(now, now + hours * HOUR, "anna", "maintenance", then)


async def test_mutes_are_in_the_file_when_they_are_added(tmp_path: Path) -> None:
    clock = Clock()
    mutes = mutes_in(tmp_path / "mutes.json", clock)
    await mutes.add(None, mute(2))
    await mutes.add("games", mute(1))
    # Nothing was saved at an end: the process was killed.
    found = mutes_in(tmp_path / "mutes.json", clock)
    assert found.all() == mutes.all() == {None: mute(2), "games": mute(1)}
    clock.now += HOUR
    assert found.all() == {None: mute(2)}
    assert await found.remove("games") == {}
    assert await found.remove(None) == {None: mute(2)}
    assert mutes_in(tmp_path / "mutes.json", clock).all() == {}


async def test_texts_that_name_a_person_are_forgotten(tmp_path: Path) -> None:
    path, clock = tmp_path / "state" / "discord.mutes.json", Clock(datetime.now(UTC))
    mutes = mutes_in(path, clock)
    await mutes.add("over", mute(0.001, now=clock.now))
    await mutes.add("games", mute(2, now=clock.now))
    clock.now += HOUR
    bus = EventBus(state_folder=tmp_path / "state")
    bus.register(DiscordPlugin(DiscordConfig()), "discord")
    assert (await forget(bus, "Bob")).found == []
    expected = [Forgotten("plugin 'discord'", {"texts of mutes": 2})]
    assert (await forget(bus, "ANNA")).found == expected
    assert b"anna" not in path.read_bytes()
    [kept] = mutes_in(path, clock).all().values()
    assert (kept.by, kept.why) == ("", "maintenance")


async def test_two_processes_change_the_same_file(tmp_path: Path) -> None:
    ours, theirs = (mutes_in(tmp_path / "mutes.json", Clock()) for _ in range(2))
    await ours.add("a", mute(1))
    await theirs.add("b", mute(2))
    await ours.add("c", mute(3))
    assert set(ours.all()) == {"a", "b", "c"}
    await theirs.rename("c", "d")
    ours.reload()
    assert set(ours.all()) == {"a", "b", "d"}
    assert theirs.all() == ours.all()


@pytest.mark.parametrize("hours", [-48, -1, 1, 3])
async def test_clock_that_is_set_lengthens_no_mute(tmp_path: Path, hours: float) -> None:
    clock = Clock()
    mutes = mutes_in(tmp_path / "mutes.json", clock)
    await mutes.add(None, mute(2))
    clock.now += hours * HOUR
    for found in (mutes, mutes_in(tmp_path / "mutes.json", clock)):
        left = [one.until - clock.now for one in found.all().values()]
        assert left == ([] if hours > 2 else [min(2.0, 2 - hours) * HOUR])

    # Its end does not go on as the clock does.
    clock.now += 2 * HOUR
    assert mutes.all() == {}


@pytest.mark.parametrize(
    "text",
    ["{", "[1]", '{"": 1}', '{"": {"since": 1}}', '{"": {"since": "x", "until": 2}}', "null"],
)
async def test_damaged_file_mutes_nothing(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "mutes.json"
    file.write_text(text)
    mutes = mutes_in(file, Clock())
    assert mutes.all() == {}
    assert ("the mutes are forgotten" in caplog.text) == (text != "null")
    await mutes.add(None, mute(1))
    assert mutes_in(file, Clock()).all() == {None: mute(1)}


async def test_mute_of_a_file_that_somebody_edited_lasts_a_month_at_most(tmp_path: Path) -> None:
    file = tmp_path / "mutes.json"
    await mutes_in(file, Clock()).add(None, mute(1))
    data = json.loads(file.read_text())
    data[""]["until"] *= 2
    file.write_text(json.dumps(data))
    [found] = mutes_in(file, Clock()).all().values()
    assert found.until - NOW == timedelta(days=31)


async def test_mute_that_cannot_be_kept_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    mutes = mutes_in(tmp_path / "file" / "mutes.json", Clock())
    with pytest.raises(OSError, match="File exists"):
        await mutes.add(None, mute(1))

    assert mutes.all() == {}


# With quiet hours

levels = st.sampled_from([Loudness.SILENT, Loudness.HOLD, Loudness.DROP])
lengths = st.integers(1, 200)


@pytest.mark.slow
@given(
    st.lists(st.tuples(lengths, levels), max_size=2),
    st.lists(st.tuples(st.integers(0, 1439), lengths, levels), max_size=2),
)
def test_each_minute_is_as_strict_as_the_strictest(
    muted: list[tuple[int, Loudness]], hours: list[tuple[int, int, Loudness]]
) -> None:
    begin, clock = NOW, Clock()
    windows = [
        QuietTimes(start, (start + length) % 1440, frozenset(range(7)), UTC, then)
        for start, length, then in hours
    ]
    mutes = mutes_in(None, clock)

    async def add() -> None:
        for name, (minutes, then) in zip((None, "main"), muted, strict=False):
            await mutes.add(name, mute(minutes / 60, then))

    anyio.run(add)
    quiet = Quiet(Calendar(windows), mutes)
    current = quiet.at("main")
    for minute in range(300):
        clock.now = begin + timedelta(minutes=minute)
        found = quiet.at("main")
        expected = [then for minutes, then in muted if minute < minutes]
        expected += [one.then for one in windows if one.contain(clock.now)]
        assert found.loudness == max(expected, default=Loudness.LOUD)
        assert (found.until is not None) or found.loudness == Loudness.LOUD
        if found.loudness != current.loudness:
            assert current.until in (None, clock.now)
            assert current.until == clock.now or current.loudness == Loudness.LOUD
            current = found


async def test_end_of_a_long_mute_is_known_however_many_quiet_hours_begin_meanwhile() -> None:
    hours = [QuietTimes(at, at + 30, frozenset(range(7)), UTC) for at in range(0, 1440, 60)]
    mutes = mutes_in(None, Clock())
    await mutes.add(None, mute(31 * 24))
    found = Quiet(Calendar(hours), mutes).at("main")
    assert found.until == NOW + timedelta(days=31)
    assert found.loudness == Loudness.HOLD


def test_times_are_those_of_the_reader() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert clock_time(NOW, NOW, berlin) == "21:00 Europe/Berlin"
    assert clock_time(NOW + 3 * HOUR, NOW, berlin) == "2026-12-05 00:00 Europe/Berlin"
    assert clock_time(NOW, NOW).startswith(f"{NOW.astimezone():%H:%M}")


# What is rejected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("duration", "text"),
    [
        ("0s", "to end one, unmute"),
        ("10y", "expected a duration, such as"),
        ("forever", "expected a duration, such as"),
        ("32d", "too long for a mute: remove a webhook"),
        ("-2h", "expected a duration, such as"),
        ("2", "a number alone is not a duration"),
    ],
)
async def test_length_that_makes_no_sense(running: Running, duration: str, text: str) -> None:
    discord = StandInDiscord()
    async with running(discord, webhook_url=discord.create_webhook().url) as setup:
        with pytest.raises(ValidationError, match=text):
            await setup.post("/mute", {"duration": duration})

        assert (await setup.call("GET", "/status"))["mutes"] == []


async def test_webhook_that_there_is_not(running: Running) -> None:
    discord = StandInDiscord()
    webhooks = {"games": {"url": discord.create_webhook().url}}
    async with running(discord, webhooks=webhooks) as setup:
        mute = partial(setup.post, "/mute", {"duration": "2h", "webhook": "gamse"})
        for call in (mute, partial(setup.call, "DELETE", "/mute", webhook="gamse")):
            with pytest.raises(RouteError) as caught:
                await call()

            assert caught.value.status == 404
            assert caught.value.detail == "no webhook is named 'gamse', did you mean 'games'?"


async def test_mute_that_cannot_be_saved_is_an_error(running: Running, tmp_path: Path) -> None:
    discord = StandInDiscord()
    (tmp_path / "discord.mutes.json.new").mkdir()
    async with running(discord, tmp_path, webhook_url=discord.create_webhook().url) as setup:
        with pytest.raises(RouteError) as caught:
            await setup.post("/mute", {"duration": "2h"})

        assert caught.value.status == 503
        assert (await setup.call("GET", "/status"))["mutes"] == []


async def test_texts_are_short_and_hold_no_secret(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as setup:
        why = f"{webhook.url} \x1b[31m" + "x" * 1000
        answer = await setup.post("/mute", {"duration": "2h", "why": why, "by": "a\nb"})
        [mute] = answer["mutes"]
        assert len(mute["why"]) <= 200
        assert "\x1b" not in mute["why"]
        assert mute["by"] == "a b"
        token = webhook.url.rpartition("/")[2]
        assert token not in json.dumps(answer) + setup.bus.health()["discord"].detail


# From a program


async def test_program_mutes_its_plugin(running: Running) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url) as setup:
        plugin = setup.plugin
        await plugin.mute(3600, why="maintenance", by="anna")
        await setup.publish("Ann")
        await setup.settle()
        assert not webhook.messages
        await plugin.unmute()
        await setup.settle()
        assert len(webhook.messages) == 1
        with pytest.raises(ValueError, match="too long for a mute"):
            await plugin.mute(1e9)

        with pytest.raises(LookupError, match="no webhook is named 'x', known: default"):
            await plugin.mute(60, "x")

    with pytest.raises(RuntimeError, match="the plugin is not running"):
        await plugin.mute(60)
