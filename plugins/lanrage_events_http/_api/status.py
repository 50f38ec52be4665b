"""The operations that report the health of the process and its plugins."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from starlette.responses import Response

from lanrage_events.abc import Bus

from .._problem import json_response
from .models import Alive, PluginEntry, PluginList, Readiness
from .operation import Call, Operation


def status_operations(bus: Bus) -> list[Operation]:
    """Return the operations that report on a bus and its plugins."""
    api = _StatusAPI(bus)
    get = partial(Operation, method="GET", group="status", scope="read")
    return [
        get(
            path="/api/plugins",
            name="getPlugins",
            description="Return the state, the health and the statistics of each plugin.",
            handler=api.plugins,
            responses={200: PluginList},
        ),
        get(
            path="/healthz",
            name="getLiveness",
            description="Report that the bus runs. Restart the process if there is no answer.",
            handler=api.healthz,
            responses={200: Alive},
            is_public=True,
        ),
        get(
            path="/readyz",
            name="getReadiness",
            description=(
                "Report whether every plugin runs and works, at least in part. The reasons are in "
                "`/api/plugins`."
            ),
            handler=api.readyz,
            responses={200: Readiness, 503: Readiness},
            is_public=True,
        ),
    ]


class _StatusAPI:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def plugins(self, call: Call) -> PluginList:
        return PluginList(plugins=self._entries())

    async def healthz(self, call: Call) -> Alive:
        return Alive(status="ok")

    async def readyz(self, call: Call) -> Response:
        entries = self._entries()
        is_ready = all(entry.state == "running" and entry.status != "failed" for entry in entries)
        content = {
            "status": "ready" if is_ready else "not ready",
            "plugins": {
                entry.name: entry.status if entry.state == "running" else "failed"
                for entry in entries
            },
        }
        return json_response(content, 200 if is_ready else 503)

    def _entries(self) -> list[PluginEntry]:
        # Subscriptions and streams have statistics too, but are not plugins.
        names = self._bus.plugins
        statistics = self._bus.statistics().plugins
        health = self._bus.health()
        values = [
            {"name": name, **asdict(statistics[name]), **asdict(health[name])}
            for name in names
            if name in statistics and name in health
        ]
        return [
            PluginEntry(**{field: plugin[field] for field in PluginEntry.model_fields})
            for plugin in values
        ]
