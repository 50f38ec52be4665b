"""The part of ``check --online`` that asks the services which the plugins will use."""

from __future__ import annotations

from typing import Literal

import anyio

from .._bus import EventBus
from .._reports import Health
from ..cli import ExitCode, write_lines

_CODES = {"ok": ExitCode.DONE, "degraded": ExitCode.FAILED, "failed": ExitCode.BAD_CONFIG}


def run(bus: EventBus, backend: Literal["asyncio", "trio"]) -> int:
    """Print what each plugin says of its services, and return the exit code.

    :param bus: with the plugins of the configuration, none started
    :param backend: the library that runs the tasks
    """
    return anyio.run(_ask_all, bus, backend=backend)


async def _ask_all(bus: EventBus) -> int:
    code: int = ExitCode.DONE
    asked = 0
    for name in bus.plugins:
        services = await bus.plugins.check_online(name)
        asked += len(services)
        for service, health in services.items():
            code = max(code, _CODES[health.status])
            write_lines([bus.redactor.redact(_line(name, service, health))])

    if not asked:
        write_lines(["online: no plugin uses a service that can be asked"])

    return code


def _line(plugin: str, service: str, health: Health) -> str:
    said = "ok" if health.status == "ok" else f"error: {health.detail}"
    if health.status == "ok" and health.detail:
        said = f"ok: {health.detail}"

    return f"online: plugins.{plugin}: {service}: {said}"
