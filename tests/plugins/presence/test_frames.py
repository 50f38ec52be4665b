"""Frames arrive in any pieces, and whoever waits for them may be cancelled at any time."""

from __future__ import annotations

import json
import struct
from itertools import pairwise

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events_presence import DiscordUnreachable
from lanrage_events_presence._ipc import IPCConnection

CLIENT_ID = "123456789012345678"


class Chunks(ByteStream):
    """A stream from which given chunks arrive."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self.sent: list[bytes] = []

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        await anyio.lowlevel.checkpoint()
        if not self.arrived:
            await anyio.sleep_forever()

        return self.arrived.pop(0)

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        self.sent.append(item)

    async def send_eof(self) -> None: ...

    async def aclose(self) -> None: ...


def frame(opcode: int, body: object) -> bytes:
    data = json.dumps(body).encode()
    return struct.pack("<II", opcode, len(data)) + data


PING, PONG = frame(3, {"beat": 1}), frame(4, {"beat": 1})
TALK = PING + frame(1, {"evt": "NEWS", "nonce": None}) + PING + frame(2, {"message": "bye"})


@settings(max_examples=25)
@given(cuts=st.sets(st.integers(1, len(TALK) - 1), max_size=8))
async def test_frames_survive_any_cuts_and_cancellations(cuts: set[int]) -> None:
    stream = Chunks()
    connection = IPCConnection(stream, "path", CLIENT_ID, 1.0, 1.0)
    ended: DiscordUnreachable | None = None
    for begin, end in pairwise([0, *sorted(cuts), len(TALK)]):
        stream.arrived.append(TALK[begin:end])
        async with anyio.create_task_group() as tasks:

            @tasks.start_soon
            async def wait() -> None:
                nonlocal ended
                ended = await connection.wait_closed()

            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    assert isinstance(ended, DiscordUnreachable)
    assert ended.reason == "Discord ended the connection: bye (path)"
    assert stream.sent == [PONG, PONG]
