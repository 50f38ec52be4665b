"""Publishing an event until it has arrived."""

from __future__ import annotations

import anyio

from lanrage_events import Event, EventDropped, EventNotTransformed
from lanrage_events.abc import Bus
from lanrage_events.cli import error_text


async def publish(bus: Bus, event: Event) -> str | None:
    """Publish an event and wait for the plugins that it has to reach.

    If there are durable plugins, it has to reach those. Otherwise all plugins are waited for, so that
    catching up does not fill their mailboxes, but their errors do not matter.

    :return: why the event was not delivered, None if it was
    :raises EventNotTransformed: if a required transform raised, as it probably would again
    """
    durable = any(getattr(plugin, "durable", False) for plugin in bus.plugins.values())
    try:
        await bus.publish_and_wait(event, "durable" if durable else "all")
    except anyio.ClosedResourceError:
        return "the bus is closed"
    except EventNotTransformed as error:
        if error.failed:
            raise

        return str(error)
    except EventDropped as error:
        return str(error) if durable else None
    except ExceptionGroup as group:
        if durable:
            return "; ".join(
                f"{type(error).__name__}: {error_text(error)}" for error in group.exceptions
            )

    return None
