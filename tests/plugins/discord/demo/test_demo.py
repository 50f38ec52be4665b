from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from rich.cells import cell_len
from rich.console import Console

from lanrage_events import Event
from lanrage_events_discord._demo import Summary, evening, play
from lanrage_events_discord._terminal import make_console
from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_parties import PartiesConfig, PartiesPlugin


class Ends:
    """Ends the party, as the part of the plugin ``parties`` does."""

    def plugins(self) -> Mapping[str, object]:
        return {"parties": PartiesPlugin(PartiesConfig())}

    def scenes(self) -> list[tuple[str, list[Event]]]:
        return []

    def lines(self, events: object) -> list[str]:
        return []


async def play_to(
    discord: StandInDiscord, encoding: str = "utf-8", **options: Any
) -> tuple[Summary, str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding, errors="replace")
    console = Console(file=out, width=80, **options)
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        summary = await play(discord, console, http=http, parts=[Ends()])

    out.seek(0)
    return summary, out.read()


async def test_every_event_of_the_evening_is_posted_once() -> None:
    discord = StandInDiscord()
    summary, text = await play_to(discord)

    events = [event for moment in evening() for event in moment.events]
    # And what the plugin publishes when the party is over.
    count = len(events) + 1
    posted = sum(record.action == "execute" for record in discord.journal)
    edits = sum(record.action == "edit" for record in discord.journal)
    assert summary == Summary(count, count - 2, 2, posted - 1, 0, edits)
    assert summary.exit_code == 0
    assert {event.type for event in events} == {
        "party_created",
        "peer_joined",
        "peer_left",
        "game_started",
        "game_ended",
        "server_started",
        "server_stopped",
        "notification",
    }
    for face in ("Party Created", "joined", "Game Started", "Game Ended", "Pizza", " left"):
        assert face in text


async def test_who_comes_back_at_once_is_one_line_and_no_message() -> None:
    _, text = await play_to(StandInDiscord())
    drop, back = (
        "▸ 20:50 Cleo's connection breaks",
        "▸ 20:50 12 seconds later Cleo is back: no message",
    )
    between = text[text.index(drop) + len(drop) :]
    assert between.lstrip().startswith(back)
    assert text.count("🔁 Cleo reconnected") == 1
    assert "Cleo left" not in text
    assert text.index(back) < text.index("🔁 Cleo reconnected")


@pytest.mark.slow
async def test_the_card_of_the_evening_is_one_message() -> None:
    discord = StandInDiscord()
    summary, text = await play_to(discord)
    card, *others = {r.message_id for r in discord.journal if r.action == "edit"}
    states = [record for record in discord.journal if record.message_id == card]
    scene = text[text.index("one message has shown all of it") :]
    lines = [line for line in scene.splitlines() if re.match(r"    \d\d:\d\d  ", line)]

    assert not others
    assert [record.action for record in states] == ["execute", *["edit"] * (len(states) - 1)]
    assert len(lines) == len(states) == summary.edits + 1
    assert max(map(cell_len, lines)) <= 80
    # A burst may be two states, by which task comes first.
    rest = iter(lines)
    for shown in ("👥 1 here", "👥 13 here", "👥 14 here", "👥 14 here · 🎮 Quake III Arena"):
        assert any(f"🟢 Friday LAN · {shown}" in line for line in rest)

    assert "⚪ Friday LAN" in lines[-2]
    assert "22:40  🌙 Party Over: Friday LAN" in lines[-1]
    # Only the last state is drawn whole.
    assert scene[: scene.index("▸ 03:00")].count("LANrage  APP") == 1
    assert "🥇 Ann · 3h 0m" in scene


@pytest.mark.slow
async def test_a_terminal_shows_the_card_as_one_frame_that_changes() -> None:
    _, text = await play_to(StandInDiscord(), force_terminal=True, legacy_windows=False)
    scene = text[text.index("one message has shown all of it") : text.index("▸ 03:00")]
    drawn = [part for part in re.split(r"(?:\x1b\[2K\x1b\[1A)+\x1b\[2K", scene) if "APP" in part]

    assert len(drawn) > 8
    assert all(part.count("APP") == 1 for part in drawn)
    assert all(part.count("Friday LAN") == 1 for part in drawn)


@pytest.mark.slow
async def test_what_happens_at_night_is_one_message_in_the_morning() -> None:
    discord = StandInDiscord()
    _, text = await play_to(discord)
    night, morning = (
        text.index("▸ 03:00 the channel is quiet"),
        text.index("▸ 08:00 the quiet hours end"),
    )
    assert "LANrage" not in text[night:morning]
    digest = text[morning:]
    assert digest.count("LANrage  APP") == 1
    for line in ("Catching up: 3 events", "Survival (crashed)", "Survival (Minecraft)", "1 joined"):
        assert line in digest


@pytest.mark.parametrize(("delivered", "rejected"), [(9, 0), (10, 1), (9, 1)])
def test_what_was_lost_or_rejected_is_not_a_success(delivered: int, rejected: int) -> None:
    assert Summary(12, delivered, 2, 3, rejected).exit_code == 1


@pytest.mark.slow
async def test_a_burst_becomes_few_messages() -> None:
    summary, text = await play_to(StandInDiscord())
    assert summary.messages < summary.events / 2
    assert "📋" in text
    assert str(summary).startswith(
        f"{summary.events} events, {summary.messages} messages: "
        f"{summary.events - summary.messages} requests saved, 0 events lost, 2 came to nothing"
    )


async def test_people_can_read_along() -> None:
    read: list[float] = []
    discord = StandInDiscord(latency=0.1)
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        console = Console(file=io.StringIO())
        await play(discord, console, http=http, pause=lambda: read.append(len(discord.journal)))

    assert len(read) == len(list(evening()))
    assert read == sorted(read)


async def test_messages_stand_below_what_they_post() -> None:
    _, text = await play_to(StandInDiscord())
    lines = text.splitlines()
    caption = lines.index("▸ 20:00 a game starts")
    face = next(number for number, line in enumerate(lines) if "Game Started" in line)
    assert caption < face < lines.index("▸ 21:01 the game ends")


async def test_a_funny_name_is_posted_as_it_is_and_pings_no_one() -> None:
    discord = StandInDiscord()
    _, text = await play_to(discord)
    assert "**@everyone** [free skins](https://evil.example) joined" in text
    assert all(record.body["allowed_mentions"] == {"parse": []} for record in discord.journal)


async def test_it_fits_into_80_columns_without_colours() -> None:
    _, text = await play_to(StandInDiscord(), "ascii")
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "> 19:30 Ann opens a party" in text


async def test_what_the_stand_in_rejects_is_shown_and_is_not_a_success() -> None:
    discord = StandInDiscord()
    discord.faults.fail(400, times=1)
    summary, text = await play_to(discord)
    assert summary.exit_code == 1
    assert summary.rejected == 1
    assert "rejected with status 400" in text
    assert "1 request rejected" in str(summary)


async def test_a_reader_that_exits_ends_it_without_losing_an_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    read, write = os.pipe()
    os.close(read)
    discord = StandInDiscord()
    with os.fdopen(write, "w", encoding="utf-8", buffering=1) as out:
        async with httpx.AsyncClient(transport=discord.transport()) as http:
            summary = await play(discord, make_console(out), http=http)

        with pytest.raises(BrokenPipeError):
            out.flush()

        os.dup2(os.open(os.devnull, os.O_WRONLY), write)

    assert summary.events == summary.delivered < len(list(evening()))
    assert not caplog.records
