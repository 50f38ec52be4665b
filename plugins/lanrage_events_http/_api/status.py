from __future__ import annotations

from functools import partial

from starlette.responses import Response

from lanrage_events.abc import Bus

from .._problem import json_response
from .models import Alive, PluginEntry, PluginList, Readiness
from .operation import Call, Operation


def status_operations(bus: Bus) -> list[Operation]:
    """Return the operations that report how the bus and its plugins are.

    :param bus: whose plugins they are
    """
    api = _StatusAPI(bus)
    get = partial(Operation, method="GET", group="status")
    return [
        get(
            path="/api/plugins",
            name="getPlugins",
            description="Return how each plugin is and what it has done.",
            handler=api.plugins,
            responses={200: PluginList},
        ),
        get(
            path="/healthz",
            name="getLiveness",
            description="Tell that the bus lives. Whoever gets no answer may restart the process.",
            handler=api.healthz,
            responses={200: Alive},
            is_public=True,
        ),
        get(
            path="/readyz",
            name="getReadiness",
            description=(
                "Tell whether every plugin runs and does its work, be it in part. The reasons are "
                "in `/api/plugins`."
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
        # Subscriptions and streams have statistics too, but are no plugins.
        names = self._bus.plugins
        statistics = self._bus.statistics().plugins
        health = self._bus.health()
        return [
            PluginEntry(
                name=name,
                state=statistics[name].state,
                status=health[name].status,
                detail=health[name].detail,
                undelivered=health[name].undelivered,
                pending=statistics[name].pending,
                size=statistics[name].size,
                when_full=statistics[name].when_full,
                handled=statistics[name].handled,
                failed=statistics[name].failed,
                dropped=statistics[name].dropped,
                restarts=statistics[name].restarts,
            )
            for name in names
            if name in statistics and name in health
        ]
