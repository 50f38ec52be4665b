from __future__ import annotations

import io
import os

import anyio
import httpx
import pytest
from rich.console import Console

from lanrage_events_discord._demo import Summary, own_scenes, play
from lanrage_events_discord._terminal import make_console
from lanrage_events_discord.testing import StandInDiscord


async def play_to(discord: StandInDiscord, encoding: str = "utf-8") -> tuple[Summary, str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding, errors="replace")
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        summary = await play(discord, Console(file=out, width=80), http=http)

    out.seek(0)
    return summary, out.read()


async def test_every_event_of_the_evening_is_posted_once() -> None:
    discord = StandInDiscord()
    summary, text = await play_to(discord)

    events = [event for _, events in own_scenes() for event in events]
    assert summary == Summary(len(events), len(events) - 2, 2, len(discord.journal), 0)
    assert "🔁 Cleo reconnected" in text
    assert summary.exit_code == 0
    assert {event.type for event in events} == {
        "party_created",
        "peer_joined",
        "peer_left",
        "game_started",
        "game_ended",
        "notification",
    }
    for face in ("Party Created", "joined", "Game Started", "Game Ended", "Pizza", " left"):
        assert face in text


@pytest.mark.parametrize(("delivered", "rejected"), [(9, 0), (10, 1), (9, 1)])
def test_what_was_lost_or_rejected_is_not_a_success(delivered: int, rejected: int) -> None:
    assert Summary(12, delivered, 2, 3, rejected).exit_code == 1


async def test_a_burst_becomes_few_messages() -> None:
    summary, text = await play_to(StandInDiscord())
    assert summary.messages < summary.events / 2
    assert "📋" in text
    assert str(summary).startswith(
        f"{summary.events} events, {summary.messages} messages: "
        f"{summary.events - summary.messages} requests saved, 0 events lost"
    )


async def test_it_ends_by_itself_within_seconds() -> None:
    began = anyio.current_time()
    await play_to(StandInDiscord(latency=0.1))
    assert len(own_scenes()) <= anyio.current_time() - began < 10


async def test_messages_stand_below_what_they_post() -> None:
    _, text = await play_to(StandInDiscord())
    lines = text.splitlines()
    caption = lines.index("▸ a game starts")
    face = next(number for number, line in enumerate(lines) if "Game Started" in line)
    assert caption < face < lines.index("▸ the game ends")


async def test_a_funny_name_is_posted_as_it_is_and_pings_no_one() -> None:
    discord = StandInDiscord()
    _, text = await play_to(discord)
    assert "**@everyone** [free skins](https://evil.example) joined" in text
    assert all(record.body["allowed_mentions"] == {"parse": []} for record in discord.journal)


async def test_it_fits_into_80_columns_without_colours() -> None:
    _, text = await play_to(StandInDiscord(), "ascii")
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "> Ann opens a party" in text


async def test_what_the_stand_in_rejects_is_shown_and_is_not_a_success() -> None:
    discord = StandInDiscord()
    discord.faults.fail(400, times=1)
    summary, text = await play_to(discord)
    assert summary.exit_code == 1
    assert summary.rejected == 1
    assert "rejected with status 400" in text
    assert "1 request rejected" in str(summary)


@pytest.mark.real_clock
async def test_it_plays_over_the_loopback() -> None:
    discord = StandInDiscord()
    async with discord.serve():
        summary = await play(discord, Console(file=io.StringIO()), pause=0.01)

    assert summary.exit_code == 0
    assert "0 events lost" in str(summary)


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

    assert summary.events == summary.delivered < len(own_scenes())
    assert not caplog.records
