from __future__ import annotations

import io

import httpx
from rich.console import Console

from lanrage_events_discord._demo import play
from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_parties.demo import Demo


async def test_the_evening_in_the_demo_ends_with_a_recap() -> None:
    discord, out = StandInDiscord(), io.StringIO()
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        summary = await play(discord, Console(file=out, width=80), parts=[Demo()], http=http)

    text = out.getvalue()
    assert summary.exit_code == 0
    assert "Ann (3h 0m)" in text
    # As a message, and what the card shows at last.
    assert text.count("▌ 🌙 Party Over: Friday LAN") == 2
    recap = text[text.index("🌙 Party Over") : text.index("▸ 03:00")]
    for line in ("Duration: 3h 0m", "Players: 14", "Games: Quake III Arena", "Longest here: Ann"):
        assert line in recap
