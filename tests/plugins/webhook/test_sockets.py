"""Real connections: one that hangs, one that is refused, and the client that the plugin makes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import anyio
import pytest

from lanrage_events import EventBus, PeerJoined
from lanrage_events_webhook import WebhookConfig, WebhookPlugin

pytestmark = pytest.mark.real_clock


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a server that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


async def test_an_event_reaches_those_who_answer(services: Any, silent: str) -> None:
    with services.serving(services.ntfy) as address, services.serving(services.other) as other:
        targets = {
            "hung": {"url": silent, "timeout": 60.0},
            "refused": {"url": "http://127.0.0.1:1/"},
            "ntfy": {"preset": "ntfy", "url": address, "to": "lan"},
            "other": {"url": f"{other}/hook"},
        }
        plugin = WebhookPlugin(WebhookConfig.model_validate({"targets": targets}))
        async with EventBus(drain_timeout=0.1) as bus:
            await bus.plugins.register_and_wait(plugin, "webhook")
            with anyio.fail_after(20):
                for number in range(3):
                    event = PeerJoined(peer_name=f"P{number}", party_name="x")
                    await bus.publish_and_wait(event)

                while plugin.health().undelivered > 6:  # noqa: ASYNC110 - of the two others
                    await anyio.sleep(0.01)

            health = plugin.health()

        assert health.status == "degraded"
        assert "refused" in health.detail
        assert len(services.ntfy.accepted) == len(services.other.accepted) == 3
        assert [request.url.path for request in services.other.requests] == ["/hook"] * 3
