from __future__ import annotations

import anyio
import pytest
from lanrage_events import Notification, PeerJoined
from lanrage_events.config import ConfigError
from lanrage_events.testing import (
    CheckedBus,
    RecordingPlugin,
    assert_delivered,
    like,
    make_plugin,
    running,
    sample,
)
from lanrage_events_discord.testing import StandInDiscord

from lanrage_events_motd import MotdChanged, MotdPlugin


@pytest.fixture
async def recorder(bus: CheckedBus) -> RecordingPlugin:
    recorder = RecordingPlugin()
    bus.register(recorder)
    return recorder


async def test_each_player_is_greeted_with_the_message(
    bus: CheckedBus, recorder: RecordingPlugin, plugin: MotdPlugin
) -> None:
    await bus.publish(sample(PeerJoined, peer_name="Ann"))
    await recorder.wait_for(2)
    assert_delivered(
        recorder,
        PeerJoined,
        Notification(title="Welcome, Ann!", message="Pizza at eight"),
    )


async def test_greeting_can_be_turned_off(bus: CheckedBus, recorder: RecordingPlugin) -> None:
    async with running(bus, MotdPlugin, {"text": "Pizza at eight", "greet": False}):
        await bus.publish(sample(PeerJoined, peer_name="Ann"))

    await bus.drain()
    assert_delivered(recorder, PeerJoined)


async def test_the_message_is_repeated_every_two_hours(
    bus: CheckedBus, recorder: RecordingPlugin, plugin: MotdPlugin
) -> None:
    await anyio.sleep(2 * 3600 + 1)
    await bus.publish(sample(MotdChanged, text="Pizza at nine"))
    await anyio.sleep(2 * 3600)
    assert_delivered(
        recorder,
        like(Notification, message="Pizza at eight"),
        MotdChanged,
        like(Notification, title="Message of the day", message="Pizza at nine"),
    )


async def test_discord_shows_a_new_message(bus: CheckedBus, discord: StandInDiscord) -> None:
    await bus.publish(MotdChanged(text="Pizza at **nine**", author="Ann"))
    await discord.journal.wait_for(lambda journal: len(journal.messages()) == 1)
    [message] = discord.journal.messages()
    assert message["embeds"][0]["title"] == r"📣 Pizza at \*\*nine\*\*"
    assert message["embeds"][0]["description"] == "says **Ann**"


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "plugins.motd.text: required, but missing"),
        ({"text": "", "remind_every": 60}, "plugins.motd.remind_every: a number alone is not"),
        ({"text": "", "remind_evry": "2h"}, "remind_evry: unknown key, did you mean 'remind_eve"),
    ],
)
def test_a_wrong_configuration_is_rejected(config: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make_plugin(MotdPlugin, config)


async def test_the_daemon_finds_it_by_its_name(bus: CheckedBus) -> None:
    async with running(bus, "motd", {"text": "Pizza at eight"}) as plugin:
        assert isinstance(plugin, MotdPlugin)
