from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventBus, PeerJoined
from lanrage_events.abc import Bus
from lanrage_events.http import RouteRequest
from lanrage_events.outbox import Outbox
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._setup import Settings
from lanrage_events_discord.testing import StandInDiscord


class InlinePlugin(DiscordPlugin):
    """The plugin with files that need no thread, so that time can be virtual."""

    max_pending = 1000
    """entries in a lane"""
    clock_step = 0.0
    """seconds by which the time of day was set"""

    @staticmethod
    def _wall_clock() -> float:
        return anyio.current_time() + InlinePlugin.clock_step

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        file = self._state_file(bus, "outbox")
        return Outbox(file, max_entries_per_lane=self.max_pending, inline=True)

    def _make_settings(self, bus: Bus) -> Settings:
        return Settings(self._state_file(bus, "settings.json"), inline=True)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


class Setup:
    """A bus with the plugin, and the plugin's operations of the HTTP API."""

    def __init__(self, bus: EventBus, plugin: DiscordPlugin, discord: StandInDiscord) -> None:
        self.bus = bus
        self.plugin = plugin
        self.discord = discord
        self.answers: list[str] = []
        """everything that was answered, as JSON"""

    async def call(self, method: str, path: str, **query: Any) -> Any:
        """Do an operation without a body."""
        return await self._call(method, path, None, query)

    async def post(self, path: str, body: object, **query: Any) -> Any:
        """Do an operation with a body, and return the JSON that is answered."""
        return await self._call("POST", path, body, query)

    async def request(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        """Do any operation, and return the JSON that is answered."""
        return await self._call(method, path, body, query)

    async def _call(self, method: str, path: str, body: object, query: object) -> Any:
        ((route, match),) = [
            (route, match)
            for route in self.plugin.http_routes()
            if route.method == method and (match := _pattern(route.path).fullmatch(path))
        ]
        assert route.handler.__doc__
        request = RouteRequest(
            body=route.request and route.request.model_validate(body),
            query=route.query and route.query.model_validate(query),
            path=match.groupdict(),
        )
        answer = await route.handler(request)
        assert route.response is not None
        assert isinstance(answer, route.response)
        self.answers.append(answer.model_dump_json())
        return json.loads(self.answers[-1])

    async def publish(self, *names: str) -> None:
        """Publish that somebody joined, and wait until that is in the outbox."""
        for name in names:
            await self.bus.publish_and_wait(PeerJoined(peer_name=name, party_name="LAN"))

    async def settle(self) -> None:
        """Wait until everything is sent that can be."""
        await self.bus.drain()
        await anyio.sleep(10)


Running = Callable[..., AbstractAsyncContextManager[Setup]]


@pytest.fixture
def running() -> Running:
    """Return what runs the plugin against a stand-in for Discord."""

    @asynccontextmanager
    async def run(
        discord: StandInDiscord | None = None, state_folder: Path | None = None, **config: Any
    ) -> AsyncIterator[Setup]:
        discord = discord or StandInDiscord(latency=0.04)
        places = config.pop("places", {})
        templates = config.pop("templates", ())
        max_pending = config.pop("max_pending", InlinePlugin.max_pending)
        others = config.pop("plugins", {})
        async with httpx.AsyncClient(transport=discord.transport()) as http:
            plugin = InlinePlugin(DiscordConfig.model_validate(config), http=http)
            plugin.max_pending = max_pending
            bus = EventBus(drain_timeout=5, state_folder=state_folder, templates=templates)
            bus.register(plugin, "discord", locations=places)
            for name, other in others.items():
                bus.register(other, name)

            async with bus:
                yield Setup(bus, plugin, discord)

    return run


@pytest.fixture(scope="session")
def broken_limits() -> Callable[[list[Any]], list[str]]:
    """Check the embeds of a message as Discord documents them, apart from the code under test."""
    return _broken_limits


def _count(text: str) -> int:
    """Count as strictly as Discord may: UTF-16 units are never fewer than code points."""
    return len(text.strip().encode("utf-16-le", "surrogatepass")) // 2


def _broken_limits(embeds: list[Any]) -> list[str]:
    found = [] if 1 <= len(embeds) <= 10 else [f"{len(embeds)} embeds"]
    total = 0
    for embed in embeds:
        counted = [
            (embed.get("title", ""), 256),
            (embed.get("description", ""), 4096),
            (embed.get("footer", {}).get("text", ""), 2048),
            (embed.get("author", {}).get("name", ""), 256),
        ]
        for field in embed.get("fields", []):
            counted += [(field["name"], 256), (field["value"], 1024)]
            if not field["name"].strip() or not field["value"].strip():
                found.append("a field is not complete")

        found += [f"{_count(text)} > {most}" for text, most in counted if _count(text) > most]
        total += sum(_count(text) for text, _ in counted)
        if len(embed.get("fields", [])) > 25:
            found.append("too many fields")

        links = [embed.get("url")]
        for part in ("footer", "author", "thumbnail", "image"):
            links += [embed.get(part, {}).get("url"), embed.get(part, {}).get("icon_url")]

        found += [
            f"bad link {link[:50]!r}"
            for link in links
            if link is not None and (not re.match(r"https?://[^/\s]", link) or len(link) > 2048)
        ]
        if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
            found.append("bad color")

        if "timestamp" in embed and datetime.fromisoformat(embed["timestamp"]).utcoffset() is None:
            found.append("naive time")

        if not embed.keys() & {"title", "description", "author", "fields", "image", "thumbnail"}:
            found.append("nothing to show")

    return found if total <= 6000 else [*found, f"{total} characters"]
