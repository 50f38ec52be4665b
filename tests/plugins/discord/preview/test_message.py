"""What the plugin answers to the hook ``preview``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lanrage_events import Event, EventBus, PartyCreated, PeerJoined, Preview
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._setup import Settings

JOINED = PeerJoined(peer_name="**Ann**", party_name="Friday LAN")
INVITE = "https://discord.gg/abc123"


def preview(event: Event, bus: EventBus | None = None, **config: Any) -> Preview:
    bus = bus or EventBus()
    bus.register(DiscordPlugin(DiscordConfig.model_validate(config)), "discord")
    [found] = bus.plugins.preview(event)["discord"]
    return found


def test_it_is_the_message_in_words_and_as_it_is_posted() -> None:
    found = preview(JOINED)

    assert found.text == "👋 **Ann** joined\nWelcome to Friday LAN!\nLANrage"
    assert isinstance(found.json, dict)
    assert found.json["embeds"][0]["title"] == r"👋 \*\*Ann\*\* joined"
    assert found.problems == ()


def test_an_error_in_a_template_is_a_problem_and_the_templates_are_read_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "discord" / "peer_joined.yaml"
    file.parent.mkdir()
    file.write_text("title: '{{ oops }}'", "utf-8")
    bus = EventBus(templates=[tmp_path])
    [problem] = preview(JOINED, bus).problems
    assert str(problem) == f"template {file}:1: title: 'oops' is undefined"

    file.write_text("title: fine", "utf-8")
    [after] = bus.plugins.preview(JOINED)["discord"]
    assert after.text.startswith("fine\n")
    assert after.problems == ()


async def test_the_invite_is_the_configured_or_the_saved_one(tmp_path: Path) -> None:
    event = PartyCreated(party_id="7", party_name="LAN", host="Ann")
    assert "Join" not in preview(event).text
    assert "Join Voice Chat" in preview(event, invite_url=INVITE).text

    await Settings(tmp_path / "discord.settings.json", inline=True).save("invite_url", INVITE)
    assert "Join Voice Chat" in preview(event, EventBus(state_folder=tmp_path)).text


@pytest.mark.parametrize(
    ("events", "problems"),
    [
        (["game_*"], ["routes: no route takes this event, so it is not posted"]),
        (["peer_joined"], []),
    ],
)
def test_an_event_that_no_route_takes_is_a_warning(events: list[str], problems: list[str]) -> None:
    found = preview(JOINED, routes=[{"events": events}])

    assert [str(problem) for problem in found.problems] == problems
    assert all(problem.warning for problem in found.problems)
