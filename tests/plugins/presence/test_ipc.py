"""The connection against sockets that behave as Discord's does, or worse."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator

import anyio
import pytest

from lanrage_events import EventBus, GameStarted, PartyCreated
from lanrage_events_presence import (
    Activity,
    ActivityRejected,
    Button,
    DiscordUnreachable,
    PresenceConfig,
    PresencePlugin,
    PresenceView,
)
from lanrage_events_presence._ipc import DiscordIPC
from lanrage_events_presence._updater import Pacing, PresenceUpdater
from lanrage_events_presence.testing import Manner, StandInDiscordClient

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.skipif(sys.platform == "win32", reason="the stand-in needs Unix sockets"),
]

CLIENT_ID = "123456789012345678"
QUAKE = Activity(
    details="Quake",
    state="In Party 🎮",
    party_size=(2, 8),
    start=1_769_890_500,
    large_image="lanrage_logo",
    large_text="LANrage",
    small_image="quake",
    small_text="Map q3dm17",
    buttons=(Button("Join Voice Chat", "https://discord.gg/abc123"),),
)
PARTY = PartyCreated(party_id="1", party_name="Friday LAN", host="Ann")
# Long enough for any machine, and never waited for when all is well.
PATIENCE_SECONDS = 30


@pytest.fixture
def ipc() -> DiscordIPC:
    return DiscordIPC(CLIENT_ID)


@pytest.fixture
def impatient() -> DiscordIPC:
    """Waits for silent peers only as long as a test may."""
    return DiscordIPC(CLIENT_ID, answer_seconds=0.2, close_seconds=0.2)


async def reason(ipc: DiscordIPC) -> str:
    """Return why there is no connection."""
    with pytest.raises(DiscordUnreachable) as caught:
        async with ipc.connect():
            pass

    return caught.value.reason


async def test_an_activity_arrives_as_discord_wants_it(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    async with discord.listen():
        async with ipc.connect() as connection:
            await connection.show(QUAKE)
            await connection.show(None)
            await connection.show(Activity())

        await discord.wait(lambda discord: not discord.connections)

    handshake, quake, cleared, bare, taken_back, closed = discord.frames
    assert (handshake.opcode, dict(handshake.body)) == (0, {"v": 1, "client_id": CLIENT_ID})
    assert quake.body["cmd"] == "SET_ACTIVITY"
    assert quake.body["args"]["pid"] == os.getpid()
    assert quake.activity == {
        "type": 0,
        "status_display_type": 0,
        "details": "Quake",
        "state": "In Party 🎮",
        "timestamps": {"start": 1_769_890_500},
        "assets": {
            "large_image": "lanrage_logo",
            "large_text": "LANrage",
            "small_image": "quake",
            "small_text": "Map q3dm17",
        },
        "party": {"size": [2, 8]},
        "buttons": [{"label": "Join Voice Chat", "url": "https://discord.gg/abc123"}],
        "instance": True,
    }
    assert cleared.body["args"] == {"pid": os.getpid()}
    assert bare.activity == {"type": 0, "status_display_type": 0, "instance": True}
    assert taken_back.body["args"] == {"pid": os.getpid()}
    assert closed.opcode == 2


async def test_an_answer_in_pieces_is_an_answer(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    discord.on_handshake = discord.on_activity = "split"
    async with discord.listen(), ipc.connect() as connection:
        for _ in range(3):
            await connection.show(QUAKE)

    assert len(discord.activities) == 4


async def test_an_unknown_application_is_explained(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    discord.known_ids = ["1"]
    async with discord.listen():
        with pytest.raises(DiscordUnreachable) as caught:
            async with ipc.connect():
                pass

    assert caught.value.kind == "rejected"
    assert CLIENT_ID in caught.value.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        ("silence", "Discord does not answer"),
        ("garble", "Discord sent an invalid answer"),
        ("flood", "Discord sent an invalid answer"),
        ("close", "Discord closed the connection"),
    ],
)
async def test_a_handshake_that_fails_is_explained(
    discord: StandInDiscordClient,
    ipc: DiscordIPC,
    impatient: DiscordIPC,
    manner: Manner,
    expected: str,
) -> None:
    discord.on_handshake = manner
    async with discord.listen():
        found = await reason(impatient if manner == "silence" else ipc)
        assert found == f"{expected} ({discord.path})"
        discord.on_handshake = "answer"
        async with ipc.connect() as connection:
            await connection.show(QUAKE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        ("silence", "Discord does not answer"),
        ("garble", "Discord sent an invalid answer"),
        ("flood", "Discord sent an invalid answer"),
        ("close", "Discord closed the connection"),
    ],
)
async def test_an_update_that_fails_is_explained(
    discord: StandInDiscordClient,
    ipc: DiscordIPC,
    impatient: DiscordIPC,
    manner: Manner,
    expected: str,
) -> None:
    discord.on_activity = manner
    async with (
        discord.listen(),
        (impatient if manner == "silence" else ipc).connect() as connection,
    ):
        with pytest.raises(DiscordUnreachable, match=expected):
            await connection.show(QUAKE)


async def test_an_activity_that_discord_rejects_leaves_the_connection_good(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    discord.on_activity = "reject"
    async with discord.listen(), ipc.connect() as connection:
        with pytest.raises(ActivityRejected, match="activity"):
            await connection.show(QUAKE)

        discord.on_activity = "answer"
        await connection.show(QUAKE)


async def test_the_end_of_discord_is_noticed_while_nothing_is_sent(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    reasons: list[str] = []
    async with discord.listen(), ipc.connect() as connection:

        async def wait() -> None:
            reasons.append((await connection.wait_closed()).reason)

        await connection.show(QUAKE)
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await discord.hang_up()

    assert reasons == [f"Discord closed the connection ({discord.path})"]


@pytest.mark.parametrize(
    ("opcode", "body", "expected"),
    [
        (
            2,
            {"code": 1000, "message": "Restart\x07ing"},
            "Discord ended the connection: Restart ing (",
        ),
        (
            2,
            {"code": 4000, "message": "Invalid"},
            "Discord does not know the client_id",
        ),
        (2, [], "Discord sent an invalid answer"),
    ],
)
async def test_discord_can_say_why_it_ends_the_connection(
    discord: StandInDiscordClient, ipc: DiscordIPC, opcode: int, body: object, expected: str
) -> None:
    async with discord.listen(), ipc.connect() as connection:
        await discord.send(opcode, body)
        with anyio.fail_after(PATIENCE_SECONDS):
            error = await connection.wait_closed()

    assert error.reason.startswith(expected)


async def test_unexpected_frames_are_ignored_and_a_ping_is_answered(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    async with discord.listen(), ipc.connect() as connection:
        await discord.send(1, {"cmd": "DISPATCH", "evt": "NEWS", "data": {}})
        await discord.send(3, {"beat": 1})
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                @tasks.start_soon
                async def stop() -> None:
                    await discord.wait(lambda discord: discord.frames[-1].opcode == 4)
                    scope.cancel()

                await connection.wait_closed()

        assert dict(discord.frames[-1].body) == {"beat": 1}
        await connection.show(QUAKE)
        assert discord.activities[-1] is not None


async def test_a_ping_is_not_the_answer_to_a_request(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    discord.on_activity = "silence"
    async with discord.listen(), ipc.connect() as connection:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.show, QUAKE)
            await discord.wait(lambda discord: bool(discord.activities))
            await discord.send(3, {"beat": 1})
            await discord.wait(lambda discord: discord.frames[-1].opcode == 4)
            answer: dict[str, object] = {"cmd": "SET_ACTIVITY", "evt": None, "data": {}}
            await discord.send(1, {**answer, "nonce": discord.frames[1].body["nonce"]})

        discord.on_activity = "answer"


async def test_a_late_answer_is_not_the_answer_to_the_next_request(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    discord.on_activity = "silence"
    async with discord.listen(), ipc.connect() as connection:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.show, QUAKE)
            await discord.wait(lambda discord: bool(discord.activities))
            tasks.cancel_scope.cancel()

        nonce = discord.frames[-1].body["nonce"]
        await discord.send(1, {"cmd": "SET_ACTIVITY", "evt": None, "data": {}, "nonce": nonce})
        discord.on_activity = "reject"
        with pytest.raises(ActivityRejected):
            await connection.show(QUAKE)


async def test_an_error_without_a_nonce_is_an_answer(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    discord.on_activity = "silence"
    async with discord.listen(), ipc.connect() as connection:
        async with anyio.create_task_group() as tasks:

            @tasks.start_soon
            async def show() -> None:
                with pytest.raises(ActivityRejected, match="unknown command"):
                    await connection.show(QUAKE)

            await discord.wait(lambda discord: bool(discord.activities))
            data = {"code": 4002, "message": "unknown\ncommand"}
            await discord.send(1, {"evt": "ERROR", "data": data, "nonce": None})

        discord.on_activity = "answer"


async def test_a_handshake_that_discord_rejects_is_explained(
    discord: StandInDiscordClient, ipc: DiscordIPC
) -> None:
    discord.on_handshake = "reject"
    async with discord.listen():
        assert (await reason(ipc)).startswith("Discord rejected the connection: child")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("moment", ["on_handshake", "on_activity"])
async def test_a_native_cancellation_closes_the_connection(
    discord: StandInDiscordClient, moment: str
) -> None:
    setattr(discord, moment, "silence")
    ipc = DiscordIPC(CLIENT_ID, close_seconds=0.05)

    async def show() -> None:
        async with ipc.connect() as connection:
            await connection.show(QUAKE)

    async with discord.listen():
        task = asyncio.create_task(show())
        await discord.wait(lambda discord: len(discord.frames) == 1 + (moment == "on_activity"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await discord.wait(lambda discord: not discord.connections)


class Lines(logging.Handler):
    """What the plugin logs, to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._more = anyio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self._more.set()

    async def take(self, beginning: str) -> None:
        """Wait for the next line, which begins like this."""
        while not self.lines:
            self._more = anyio.Event()
            await self._more.wait()

        assert self.lines.pop(0).startswith(beginning)


@pytest.fixture
async def log() -> AsyncIterator[Lines]:
    logger = logging.getLogger("lanrage_events.presence")
    lines = Lines()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(lines)
    yield lines
    logger.removeHandler(lines)
    logger.setLevel(level)


@pytest.mark.slow
async def test_discord_that_starts_restarts_and_ends_gets_the_latest_state(
    discord: StandInDiscordClient, ipc: DiscordIPC, log: Lines
) -> None:
    view = PresenceView()
    pacing = Pacing(update_interval=0.05, settle=0.05, first_retry=0.05, longest_retry=0.05)
    updater = PresenceUpdater(ipc.connect, lambda: view.activity, Counter(), pacing)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            view.follow(PARTY)
            tasks.start_soon(updater.run)
            await log.take("Discord is not running on this computer: there is no")
            for game in ("Quake", "Doom", "Descent"):
                view.follow(GameStarted(party_id="1", game_name=game, players=("Ann",)))
                updater.wake()
                discord.frames.clear()
                async with discord.listen():
                    await discord.wait(lambda discord: bool(discord.activities))
                    assert [a and a["details"] for a in discord.activities] == [game]
                    await log.take("connected to Discord")

                await log.take("Discord closed the connection (")
                assert not log.lines

            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("manner", [pytest.param("silence", marks=pytest.mark.slow), "garble"])
@pytest.mark.parametrize("moment", ["on_handshake", "on_activity"])
async def test_a_hostile_peer_does_not_delay_the_stop(
    discord: StandInDiscordClient, manner: Manner, moment: str
) -> None:
    # Waiting for the answer would exceed the time of the test.
    patient = DiscordIPC(CLIENT_ID, answer_seconds=3600.0)
    setattr(discord, moment, manner)
    async with discord.listen(), EventBus() as bus:
        await bus.plugins.register_and_wait(
            PresencePlugin(PresenceConfig(), connect=patient.connect)
        )
        await bus.publish_and_wait(PARTY)
        await discord.wait(lambda discord: len(discord.frames) > (moment == "on_activity"))
