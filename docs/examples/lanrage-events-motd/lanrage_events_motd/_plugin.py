from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import anyio
from lanrage_events import Event, Notification, PeerJoined, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.config import ConfigModel, Duration
from pydantic import Field


@dataclass(frozen=True, kw_only=True, slots=True)
class MotdChanged(Event):
    """Someone changed the message of the day."""

    text: str
    """the new message"""
    author: str | None = None
    """the name of its author"""


class MotdConfig(ConfigModel):
    """The message of the day, and when to publish it."""

    text: str
    """the first message"""
    greet: bool = True
    """whether the message greets each player who joins"""
    remind_every: Annotated[Duration, Field(gt=0)] | None = None
    """how often the message is repeated; never by default"""


class MotdPlugin:
    """Publish the message of the day."""

    Config = MotdConfig

    def __init__(self, config: MotdConfig) -> None:
        self._config = config
        self._text = config.text

    @hookimpl
    def register_events(self) -> Iterable[type[Event]]:
        return [MotdChanged]

    @hookimpl
    def template_folders(self) -> Iterable[Path]:
        return [Path(__file__).with_name("templates")]

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        self._bus = bus
        async with anyio.create_task_group() as tasks:
            if self._config.remind_every is not None:
                tasks.start_soon(self._remind, self._config.remind_every)

            yield
            tasks.cancel_scope.cancel()

    async def _remind(self, interval: float) -> None:
        while True:
            await anyio.sleep(interval)
            await self._announce("Message of the day")

    async def _announce(self, title: str) -> None:
        await self._bus.publish(Notification(title=title, message=self._text))

    @hookimpl
    def motd_changed(self, event: MotdChanged) -> None:
        self._text = event.text

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        if self._config.greet:
            await self._announce(f"Welcome, {event.peer_name}!")
