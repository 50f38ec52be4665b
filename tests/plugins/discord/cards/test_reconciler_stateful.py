"""Whatever happens in whatever order: at the end Discord shows the final state, once.

Each life is a bus with the plugin, on the same files. ``LANRAGE_EVENTS_EXAMPLES`` says how many
histories are tried, 7 by default; only if it is set is what fails made smaller.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lanrage_events.testing import virtual_time
from lanrage_events_discord.testing import Drip, Fail, Hang, Reset

from ._channel import Channel, Running, text

pytestmark = pytest.mark.slow

EXAMPLES = os.environ.get("LANRAGE_EVENTS_EXAMPLES")
PARTIES = ("Alpha", "Beta", "Gamma")
ROLE = "123456789012345678"

parties = st.sampled_from(PARTIES)
faults = st.sampled_from(
    (
        Fail(503),
        Fail(500),
        Fail(429, retry_after=3),
        Fail(429, retry_after=6, scope="shared", code=30046),
        Fail(502, html=True),
        Fail(404, code=10008, message="Unknown Message"),
        Fail(400, code=50035, message="Invalid Form Body"),
        Reset(),
        Reset(accepted=True),
        Hang(20),
        Hang(20, accepted=False),
        Drip(2),
    )
)
steps = st.one_of(
    st.tuples(st.just("join"), parties, st.integers(0, 9)),
    st.tuples(st.just("leave"), parties, st.integers(0, 9)),
    st.tuples(st.just("wait"), st.sampled_from((0.0, 0.05, 0.5, 2.0, 30.0, 300.0, 4000.0))),
    st.tuples(st.just("fault"), faults, st.sampled_from(("execute", "edit", "delete"))),
    st.tuples(st.just("outage"), st.sampled_from((1.0, 20.0))),
    st.tuples(st.just("delete"), st.integers(0, 5)),
    st.tuples(st.just("notify")),
    st.tuples(st.just("end"), parties),
    st.tuples(st.just("mute"), st.sampled_from((1.0, 100.0))),
    st.tuples(st.just("again"), st.integers(0, 3)),
    st.tuples(st.just("restart"), st.sampled_from((0.0, 5.0))),
    st.tuples(st.just("webhook")),
)


class History:
    """What has happened, and what Discord must show at the end."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.inside: dict[str, set[str]] = {}
        self.ended = 0
        self.was_deleted = False

    async def do(self, step: tuple[Any, ...]) -> None:
        """Let one thing happen."""
        channel = self.channel
        match step:
            case ("join", party, number):
                await channel.join(f"P{number}", party=party)
                self.inside.setdefault(party, set()).add(f"P{number}")
            case ("leave", party, number) if f"P{number}" in self.inside.get(party, ()):
                await channel.leave(f"P{number}", party=party)
                self.inside[party].discard(f"P{number}")
            case ("end", party) if party in self.inside:
                await channel.end(party)
                self.ended += 1
                del self.inside[party]
            case ("wait", seconds):
                await anyio.sleep(seconds)
            case ("fault", fault, action):
                channel.discord.faults.script(lambda _: fault, times=1, action=action)
            case ("outage", seconds):
                channel.discord.faults.refuse_connections(seconds)
            case ("delete", number) if len(channel.cards) > number:
                channel.webhook.delete_message(channel.cards[number]["id"])
                self.was_deleted = True
            case ("notify",):
                await channel.notify()
            case ("mute", seconds):
                await channel.plugin.mute(seconds)
            case ("again", number):
                if number < len(channel.open_cards):
                    await channel.runtime.cards.post_again(channel.open_cards[number].id)
            case _:
                pass

    async def finish(self) -> None:
        """Look at Discord when nothing goes wrong any more; what was deleted comes with a change."""
        channel = self.channel
        channel.discord.faults.clear()
        await anyio.sleep(700)
        for card in channel.open_cards:
            if card.stopped:
                await channel.runtime.cards.post_again(card.id)

        for party in self.inside if self.was_deleted else ():
            await channel.join("Last", party=party)
            self.inside[party].add("Last")

        await anyio.sleep(200)
        self.check()
        count = len(channel.discord.journal)
        await anyio.sleep(7200)
        assert len(channel.since(count)) <= 2 * len(PARTIES)  # those that were pushed up

    def check(self) -> None:
        """Check that Discord shows each party once, as it is, and nothing was mentioned twice."""
        channel = self.channel
        assert [state for state in channel.states if state[0] != "shown"] == []
        shown = {one["id"]: one for one in channel.cards}
        for card in channel.open_cards:
            assert not card.formers
            assert card.webhook_id == channel.webhook.id
            names = {*re.findall(r"P[0-9]|Last", text(shown.pop(card.message_id)))}
            if not card.is_plain:
                assert names == self.inside[channel.runtime.cards.party(card).name]

        assert len(channel.open_cards) == len(self.inside)
        # What else is there are recaps, and messages whose answers were lost.
        lost = [
            record
            for record in channel.discord.journal
            if record.action == "execute" and record.accepted and record.fault
        ]
        assert len(shown) <= self.ended + len(lost)


async def live(story: list[tuple[Any, ...]], running: Running, folder: Path) -> None:
    """Let a history happen, over as many lives as it has."""
    channel = Channel(running)
    history = History(channel)
    card = {"bump": "5m", "mention": {"roles": [ROLE], "cooldown": "0s"}}
    rest = [*story]
    while True:
        async with channel.open(folder, **card):
            while rest and rest[0][0] not in ("restart", "webhook"):
                await history.do(rest.pop(0))

            if not rest:
                await history.finish()
                break

            kind, *seconds = rest.pop(0)
            await anyio.sleep(sum(seconds))

        if kind == "webhook":
            channel.webhook = channel.discord.create_webhook()


@settings(
    max_examples=int(EXAMPLES or 7),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[*Phase] if EXAMPLES else [Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    story=st.lists(steps, min_size=5, max_size=40),
    backend=st.sampled_from(("asyncio", "trio")),
)
def test_discord_shows_the_final_state_once(
    story: list[tuple[Any, ...]],
    backend: Literal["asyncio", "trio"],
    running: Callable[..., AbstractAsyncContextManager[Any]],
) -> None:
    name, options = virtual_time(backend)
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(live, story, running, Path(folder), backend=name, backend_options=options)
