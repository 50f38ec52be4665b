"""Which of the sockets on this computer leads to a Discord client that answers."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from lanrage_events import EventBus, PartyCreated
from lanrage_events_presence import (
    Activity,
    DiscordUnreachable,
    PresenceConfig,
    PresencePlugin,
)
from lanrage_events_presence._ipc import DiscordIPC
from lanrage_events_presence.testing import StandInDiscordClient

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.skipif(sys.platform == "win32", reason="the stand-in needs Unix sockets"),
]

CLIENT_ID = "123456789012345678"
ABSENT = "Discord is not running on this computer: "
QUAKE = Activity(details="Quake")
SANDBOXES = [
    "app/com.discordapp.Discord",
    "app/com.discordapp.DiscordCanary",
    "app/com.discordapp.DiscordPTB",
    "app/dev.vencord.Vesktop",
    ".flatpak/dev.vencord.Vesktop/xdg-run",
    "snap.discord",
    "snap.discord-canary",
]


def client(folder: Path, number: int = 0, **manners: Any) -> StandInDiscordClient:
    folder.mkdir(parents=True, exist_ok=True)
    return StandInDiscordClient(folder, number=number, **manners)


def abandon(folder: Path, number: int) -> str:
    """Leave a socket behind, as a client that was killed does."""
    path = str(client(folder, number).path)
    with closing(socket.socket(socket.AF_UNIX)) as old:
        old.bind(path)

    return path


async def first(*clients: StandInDiscordClient, socket: int | str | None = None) -> int | str:
    """Return which of the running clients shows an activity, or why none does."""
    async with AsyncExitStack() as stack:
        for each in clients:
            await stack.enter_async_context(each.listen())

        try:
            ipc = DiscordIPC(CLIENT_ID, socket, answer_seconds=0.2)
            async with ipc.connect() as connection:
                await connection.show(QUAKE)
        except DiscordUnreachable as error:
            return error.reason

    [number] = [number for number, each in enumerate(clients) if each.activities]
    return number


async def test_an_abandoned_socket_does_not_hide_a_client_that_runs(runtime_folder: Path) -> None:
    abandon(runtime_folder, 1)
    assert await first(client(runtime_folder, 0)) == 0
    abandon(runtime_folder, 0)
    assert await first(client(runtime_folder, 9)) == 0
    assert await first(client(runtime_folder / "snap.discord", 3)) == 0


async def test_the_next_client_is_tried_after_one_that_fails(runtime_folder: Path) -> None:
    manners: list[dict[str, Any]] = [
        {"on_handshake": "close"},
        {"on_handshake": "garble"},
        {"on_handshake": "flood"},
        {"on_handshake": "reject"},
        {"known_ids": ["1"]},
        {"on_handshake": "silence"},
    ]
    clients = [client(runtime_folder, n, **manner) for n, manner in enumerate(manners)]
    folder = runtime_folder
    reason = await first(*clients)
    last = client(folder, 7)

    assert await first(*clients, last) == len(clients)
    assert isinstance(reason, str)
    assert reason.startswith(f"Discord does not know the client_id {CLIENT_ID}")
    for each in clients:
        assert f"{each.path})" in reason
        assert len(each.frames) == 2

    assert f"Discord closed the connection ({clients[0].path})" in reason
    assert f"Discord does not answer ({clients[5].path})" in reason


@pytest.mark.parametrize("sandbox", SANDBOXES)
async def test_clients_in_sandboxes_are_found(runtime_folder: Path, sandbox: str) -> None:
    assert await first(client(runtime_folder / sandbox, 2)) == 0


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_sockets_are_tried_in_order(runtime_folder: Path) -> None:
    places = [(runtime_folder, 0), (runtime_folder, 4)]
    places += [(runtime_folder / sandbox, 0) for sandbox in SANDBOXES[:4]]
    while len(places) > 1:
        clients = [client(*place) for place in places]
        assert await first(*reversed(clients)) == len(clients) - 1
        del places[0]


@pytest.mark.parametrize("variable", ["TMPDIR", "TMP", "TEMP"])
async def test_temporary_folders_are_searched_as_discord_does(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_folder / "none"))
    monkeypatch.setenv(variable, str(runtime_folder))
    assert await first(client(runtime_folder)) == 0


async def test_the_sockets_outside_of_a_snap_are_found_within_it(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_folder / "snap.code"))
    assert await first(client(runtime_folder)) == 0
    assert await first(client(runtime_folder / "snap.discord")) == 0


async def test_a_link_to_another_socket_is_not_tried_twice(runtime_folder: Path) -> None:
    silent = client(runtime_folder / "app" / "com.discordapp.Discord", on_handshake="silence")
    (runtime_folder / "discord-ipc-0").symlink_to(silent.path)
    reason = await first(silent)

    assert reason == f"Discord does not answer ({runtime_folder / 'discord-ipc-0'})"
    assert len(silent.frames) == 1


async def test_a_socket_can_be_chosen(runtime_folder: Path) -> None:
    clients = [client(runtime_folder, number) for number in range(3)]
    elsewhere = client(runtime_folder / "elsewhere")

    assert await first(*clients, elsewhere, socket=1) == 1
    clients[1].frames.clear()
    assert await first(*clients, elsewhere, socket=str(elsewhere.path)) == 3


async def test_the_message_names_what_was_tried(runtime_folder: Path) -> None:
    assert await first() == (
        f"{ABSENT}there is no discord-ipc-0 to 9 in {runtime_folder}, /tmp, /var/run, or a folder "
        f"of Flatpak or Snap in {runtime_folder}"
    )
    assert str(await first(socket=7)).startswith(f"{ABSENT}there is no discord-ipc-7 in ")
    missing = str(runtime_folder / "mine")
    assert await first(socket=missing) == f"{ABSENT}there is no {missing}"

    (runtime_folder / "discord-ipc-2").touch()
    paths = [abandon(runtime_folder, 1), str(runtime_folder / "discord-ipc-2")]
    assert await first() == f"{ABSENT}nothing listens at {paths[0]}, {paths[1]}"
    assert await first(socket=paths[0]) == f"{ABSENT}nothing listens at {paths[0]}"
    silent = client(runtime_folder, 3, on_handshake="silence")
    assert await first(silent) == (
        f"Discord does not answer ({silent.path}); nothing listens at {paths[0]}, {paths[1]}"
    )


async def test_wsl_is_pointed_to_the_relay_that_it_needs(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.release", lambda: "5.15.146.1-microsoft-standard-WSL2")
    assert "(WSL needs a relay to Windows: see docs/presence.md)" in str(await first())


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give away")
async def test_a_socket_of_another_user_is_used_only_if_it_was_chosen(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = client(runtime_folder)
    # Root trusts everyone, so this is another user.
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    async with foreign.listen():
        os.chown(foreign.path, 4712, -1)
        with pytest.raises(DiscordUnreachable, match="belongs to another user; if you trust it"):
            async with DiscordIPC(CLIENT_ID).connect():
                pass

        assert not foreign.frames
        async with DiscordIPC(CLIENT_ID, str(foreign.path)).connect() as connection:
            await connection.show(QUAKE)


async def test_a_client_that_shows_nothing_is_the_last_to_be_tried_again(
    runtime_folder: Path,
) -> None:
    bad, good = client(runtime_folder, 0, on_activity="garble"), client(runtime_folder, 1)
    ipc = DiscordIPC(CLIENT_ID)
    async with bad.listen(), good.listen():
        with pytest.raises(DiscordUnreachable):
            async with ipc.connect() as connection:
                await connection.show(QUAKE)

        async with ipc.connect() as connection:
            await connection.show(QUAKE)
            assert connection.path == str(good.path)

        bad.on_activity = "answer"
        for expected in (good, bad, bad):
            with suppress(DiscordUnreachable):
                async with ipc.connect() as connection:
                    await connection.show(QUAKE)
                    assert connection.path == str(expected.path)
                    await expected.hang_up()
                    raise await connection.wait_closed()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the queue is not full")
async def test_a_client_with_a_full_queue_does_not_answer(runtime_folder: Path) -> None:
    path = str(runtime_folder / "discord-ipc-0")
    with (
        closing(socket.socket(socket.AF_UNIX)) as listener,
        closing(socket.socket(socket.AF_UNIX)) as waiting,
    ):
        listener.bind(path)
        listener.listen(0)
        waiting.connect(path)
        assert await first() == f"Discord does not answer ({path})"
        assert await first(client(runtime_folder, 1)) == 0


async def test_a_path_that_no_socket_can_have_is_explained(runtime_folder: Path) -> None:
    path = "/" + 200 * "a"
    assert await first(socket=path) == (
        f"the connection to Discord failed with OSError: AF_UNIX path too long ({path})"
    )


async def test_the_plugin_tries_the_socket_that_is_configured(runtime_folder: Path) -> None:
    other, chosen = client(runtime_folder, 0), client(runtime_folder, 1)
    async with other.listen(), chosen.listen():
        for configured in (1, chosen.path):
            config = PresenceConfig(client_id=CLIENT_ID, socket=configured)
            async with EventBus() as bus:
                bus.register(PresencePlugin(config))
                await bus.publish(PartyCreated(party_id="1", party_name="LAN", host="Ann"))
                await chosen.wait(lambda chosen: bool(chosen.activities))
                chosen.frames.clear()

    assert not other.frames


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_named_pipe_is_used_as_a_socket_is(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()

    async def connect(factory: Any, path: str) -> Any:
        return await loop.create_unix_connection(factory, str(runtime_folder / path[9:]))

    monkeypatch.setattr(loop, "create_pipe_connection", connect, raising=False)
    pipe = r"\\.\pipe\discord-ipc-0"
    good = client(runtime_folder)
    assert await first(good, socket=pipe) == 0
    assert [frame.opcode for frame in good.frames] == [0, 1, 1, 2]
    closing_one = client(runtime_folder, on_handshake="close")
    assert await first(closing_one, socket=pipe) == f"Discord closed the connection ({pipe})"
    silent = client(runtime_folder, on_activity="silence")
    assert await first(silent, socket=pipe) == f"Discord does not answer ({pipe})"


async def test_a_named_pipe_needs_asyncio_on_windows(runtime_folder: Path) -> None:
    reason = await first(socket=r"\\.\pipe\discord-ipc-0")
    assert "on Windows, Rich Presence needs 'backend: asyncio'" in str(reason)
