from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events_presence import Activity, ActivityRejected, Connection, DiscordUnreachable
from lanrage_events_presence._updater import Pacing, PresenceUpdater

PACING = Pacing()
LOGGER = "lanrage_events.presence"
QUAKE = Activity(details="Quake")
DOOM = Activity(details="Doom")
GONE = DiscordUnreachable("Discord is gone")


@dataclass(eq=False)
class Client:
    """Discord, as far as the updater sees it."""

    problem: DiscordUnreachable | None = None
    """why it cannot be reached"""
    rejection: str = ""
    hangs_up: bool = False
    """whether it ends every connection at once"""
    attempts: list[float] = field(default_factory=list)
    shown: list[tuple[float, Activity | None]] = field(default_factory=list)
    closed: int = 0
    _ended: anyio.Event = field(default_factory=anyio.Event)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        self.attempts.append(anyio.current_time())
        if self.problem is not None:
            raise self.problem

        self._ended = anyio.Event()
        try:
            yield self
        finally:
            self.closed += 1

    async def show(self, activity: Activity | None) -> None:
        if self.problem is not None:
            raise self.problem

        self.shown.append((anyio.current_time(), activity))
        await checkpoint()
        if self.rejection:
            raise ActivityRejected(self.rejection)

    async def wait_closed(self) -> DiscordUnreachable:
        if not self.hangs_up:
            await self._ended.wait()

        await checkpoint()
        return GONE

    def end(self, problem: DiscordUnreachable | None = GONE) -> None:
        self.problem = problem
        self._ended.set()


@dataclass(eq=False)
class Stage:
    """An updater and what it should show."""

    client: Client
    wanted: Activity | None = None
    looks: int = 0

    def __post_init__(self) -> None:
        self.counts = Counter[str]()
        self.updater = PresenceUpdater(self.client.connect, self._look, self.counts)

    def _look(self) -> Activity | None:
        self.looks += 1
        return self.wanted

    def want(self, activity: Activity | None) -> None:
        self.wanted = activity
        self.updater.wake()

    async def start(self, tasks: TaskGroup) -> None:
        tasks.start_soon(self.updater.run)
        await anyio.wait_all_tasks_blocked()


@pytest.fixture
async def tasks() -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as tasks:
        yield tasks
        tasks.cancel_scope.cancel()


@pytest.fixture
async def client() -> Client:
    return Client()


@pytest.fixture
async def stage(client: Client) -> Stage:
    return Stage(client)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


async def test_what_is_wanted_when_discord_is_found_is_shown_at_once(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    now = anyio.current_time()
    stage.want(QUAKE)
    await stage.start(tasks)

    assert client.shown == [(now, QUAKE)]
    assert stage.updater.shown == QUAKE


async def test_what_comes_at_about_the_same_time_is_shown_together(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    await stage.start(tasks)
    now = anyio.current_time()
    stage.want(QUAKE)
    await anyio.sleep(PACING.settle / 2)
    stage.want(DOOM)
    await anyio.sleep(100)

    [(time, activity)] = client.shown
    assert activity == DOOM
    assert time == pytest.approx(now + PACING.settle)


async def test_the_latest_state_wins_and_is_shown_after_fifteen_seconds(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    await stage.start(tasks)
    stage.want(QUAKE)
    await anyio.wait_all_tasks_blocked()
    for number in range(10):
        stage.want(Activity(details=str(number)))
        await anyio.sleep(1)

    stage.want(DOOM)
    await anyio.sleep(100)

    [(first, _), (second, latest)] = client.shown
    assert latest == DOOM
    assert second - first == pytest.approx(PACING.update_interval)


async def test_what_is_taken_back_in_time_is_never_shown(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    await stage.start(tasks)
    stage.want(QUAKE)
    await anyio.wait_all_tasks_blocked()
    stage.want(DOOM)
    await anyio.wait_all_tasks_blocked()
    stage.want(QUAKE)
    await anyio.sleep(100)

    assert [activity for _, activity in client.shown] == [QUAKE]


async def test_nothing_is_done_while_nothing_changes(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    stage.want(QUAKE)
    await stage.start(tasks)
    looks = stage.looks
    await anyio.sleep(86_400)

    assert stage.looks == looks
    stage.updater.wake()
    await anyio.sleep(86_400)
    assert stage.looks == looks + 1
    assert len(client.shown) == len(client.attempts) == 1


async def test_an_activity_is_taken_back_when_there_is_nothing_to_show(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    stage.want(QUAKE)
    await stage.start(tasks)
    stage.want(None)
    await anyio.sleep(100)

    assert [activity for _, activity in client.shown] == [QUAKE, None]


async def test_without_discord_and_without_an_activity_there_is_one_attempt(
    stage: Stage, client: Client, tasks: TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    client.problem = DiscordUnreachable("Discord is not running")
    assert not stage.updater.is_connected
    await stage.start(tasks)
    await anyio.sleep(86_400)

    assert len(client.attempts) == 1
    [line] = lines(caplog)
    assert line == (
        "Discord is not running, so there is no Rich Presence; while there is something to show, "
        "it tries again in 1 s, and then silently at least every 30 s"
    )


async def test_without_discord_attempts_become_rarer_and_one_line_is_logged(
    stage: Stage, client: Client, tasks: TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    client.problem = GONE
    stage.want(QUAKE)
    await stage.start(tasks)
    await anyio.sleep(200)
    began, *later = client.attempts

    assert [round(time - began) for time in later] == [1, 3, 7, 15, 31, 61, 91, 121, 151, 181]
    assert len(lines(caplog)) == 1


async def test_what_changes_while_discord_is_away_does_not_hasten_the_next_attempt(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    client.problem = GONE
    await stage.start(tasks)
    await anyio.sleep(0.5)
    for _ in range(5):
        stage.want(QUAKE)
        await anyio.wait_all_tasks_blocked()
        stage.want(None)
        await anyio.wait_all_tasks_blocked()

    assert len(client.attempts) == 1
    await anyio.sleep(100)
    assert len(client.attempts) == 1
    stage.want(DOOM)
    await anyio.wait_all_tasks_blocked()
    assert len(client.attempts) == 2


async def test_discord_that_starts_gets_the_latest_state(
    stage: Stage, client: Client, tasks: TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client.problem = GONE
    stage.want(QUAKE)
    await stage.start(tasks)
    await anyio.sleep(100)
    stage.want(DOOM)
    client.problem = None
    await anyio.sleep(PACING.longest_retry)

    assert [activity for _, activity in client.shown] == [DOOM]
    assert stage.updater.is_connected
    assert stage.updater.problem == ""
    assert lines(caplog)[1:] == ["connected to Discord"]


async def test_discord_that_restarts_gets_the_activity_again(
    stage: Stage, client: Client, tasks: TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stage.want(QUAKE)
    await stage.start(tasks)
    await anyio.sleep(3600)
    ended = anyio.current_time()
    client.end()
    await anyio.wait_all_tasks_blocked()
    assert not stage.updater.is_connected
    assert stage.updater.problem == "Discord is gone"
    client.problem = None
    await anyio.sleep(60)

    assert [activity for _, activity in client.shown] == [QUAKE, QUAKE]
    assert client.shown[1][0] == pytest.approx(ended + 1)
    assert stage.counts == {"connections": 2, "updates": 2}
    assert len(lines(caplog)) == 3
    assert lines(caplog)[0] == "connected to Discord"
    assert lines(caplog)[2] == "connected to Discord again"


async def test_a_restart_does_not_hasten_the_next_update(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    stage.want(QUAKE)
    await stage.start(tasks)
    client.end(None)
    await anyio.sleep(100)

    [(first, _), (second, _)] = client.shown
    assert second - first == pytest.approx(PACING.update_interval)


async def test_a_peer_that_always_hangs_up_is_left_alone_for_longer_and_longer(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    client.hangs_up = True
    stage.want(QUAKE)
    await stage.start(tasks)
    await anyio.sleep(600)

    pauses = [b - a for a, b in pairwise(client.attempts)]
    assert pauses[0] < PACING.longest_retry
    assert pauses[-1] == pytest.approx(PACING.longest_retry)


async def test_a_peer_that_accepts_nothing_is_logged_once(
    stage: Stage, client: Client, tasks: TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    """It shakes hands and then answers what cannot be read."""
    caplog.set_level(logging.INFO)

    async def show(activity: Activity | None) -> None:
        raise DiscordUnreachable("garbled")

    client.show = show  # type: ignore[method-assign] # the fake's own manner
    stage.want(QUAKE)
    await stage.start(tasks)
    await anyio.sleep(3600)

    assert len(client.attempts) > 100
    assert client.closed == len(client.attempts) - stage.updater.is_connected
    assert len(lines(caplog)) == 1


async def test_an_absent_discord_is_not_logged_after_its_end_was(
    stage: Stage, client: Client, tasks: TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    stage.want(QUAKE)
    await stage.start(tasks)
    client.end(DiscordUnreachable("Discord is not running"))
    await anyio.sleep(600)
    client.problem = DiscordUnreachable("Discord does not answer", "broken")
    await anyio.sleep(600)

    assert [line.split(",")[0] for line in lines(caplog)] == [
        "Discord is gone",
        "Discord does not answer",
    ]


async def test_an_outage_with_ever_new_reasons_does_not_fill_the_log(
    stage: Stage, client: Client, tasks: TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    stage.want(QUAKE)
    client.problem = GONE
    await stage.start(tasks)
    for number in range(100):
        client.problem = DiscordUnreachable(f"reason {number}", "broken")
        await anyio.sleep(PACING.longest_retry)

    assert 1 < len(lines(caplog)) <= 5


async def test_discord_that_rejects_the_application_is_asked_rarely(
    stage: Stage, client: Client, tasks: TaskGroup
) -> None:
    client.problem = DiscordUnreachable("no such application", "rejected")
    stage.want(QUAKE)
    await stage.start(tasks)
    await anyio.sleep(PACING.rejected_retry - 1)
    assert len(client.attempts) == 1
    await anyio.sleep(2)
    assert len(client.attempts) == 2


async def test_what_discord_rejects_is_not_tried_again(
    stage: Stage, client: Client, tasks: TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    client.rejection = "state is too short"
    stage.want(QUAKE)
    await stage.start(tasks)
    await anyio.sleep(3600)
    updater = stage.updater
    assert len(client.shown) == stage.counts["rejections"] == len(lines(caplog)) == 1
    assert (updater.rejection, stage.counts["updates"]) == ("state is too short", 0)
    stage.want(DOOM)
    await anyio.sleep(3600)
    assert len(client.shown) == 2
    assert len(lines(caplog)) == 1
    client.rejection = ""
    stage.want(QUAKE)
    await anyio.sleep(3600)

    assert updater.rejection == ""
    assert stage.counts == {"connections": 1, "updates": 1, "rejections": 2}
    assert lines(caplog) == ["Discord rejected the activity: state is too short"]


async def test_the_connection_is_closed_when_it_is_cancelled(stage: Stage, client: Client) -> None:
    stage.want(QUAKE)
    async with anyio.create_task_group() as tasks:
        await stage.start(tasks)
        tasks.cancel_scope.cancel()

    assert client.closed == 1
    assert not stage.updater.is_connected


STEPS = st.lists(
    st.tuples(
        st.sampled_from([None, QUAKE, DOOM, "end", "away", "back"]),
        st.sampled_from([0.0, 0.5, 5.0, 20.0, 400.0]),
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(steps=STEPS)
async def test_whatever_happens_the_interval_is_kept_and_the_latest_state_shown_in_the_end(
    steps: list[tuple[Activity | str | None, float]],
) -> None:
    client = Client()
    stage = Stage(client)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.updater.run)
        for step, pause in steps:
            if step == "end":
                client.end(None)
            elif step == "away":
                client.end()
            elif step == "back":
                client.problem = None
            elif not isinstance(step, str):
                stage.want(step)

            await anyio.sleep(pause)

        client.problem = None
        await anyio.sleep(2 * PACING.longest_retry + PACING.update_interval)
        assert stage.updater.shown == stage.wanted
        tasks.cancel_scope.cancel()

    times = [time for time, _ in client.shown]
    shortest = min((b - a for a, b in pairwise(times)), default=math.inf)
    assert shortest >= PACING.update_interval - 1e-6
