from __future__ import annotations

import anyio

from lanrage_events import Event, EventDropped
from lanrage_events.abc import Bus


class Publisher:
    """Publishes events one by one, each when the one before has arrived.

    Where there are durable plugins, these decide; without any, all plugins are waited for, so that
    catching up does not fill their mailboxes, but none of them can hold it up by failing.

    :param bus: takes the events
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, event: Event) -> str | None:
        """Publish an event; return why it was not delivered where it must be, None if it was."""
        durable = any(getattr(plugin, "durable", False) for plugin in self._bus.plugins.values())
        try:
            await self._bus.publish_and_wait(event, "durable" if durable else "all")
        except anyio.ClosedResourceError:
            return "the bus is closed"
        except EventDropped as error:
            return str(error) if durable else None
        except ExceptionGroup as group:
            if not durable:
                return None

            return "; ".join(f"{type(error).__name__}: {error}" for error in group.exceptions)

        return None
