"""The delivery that a plugin holds, also if no hook of the plugin returns anything of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ...delivery import Delivery


def delivery_of(plugin: object) -> Delivery | None:
    """Return the first delivery that stands in an attribute of a plugin, None if there is none."""
    for value in tuple(getattr(plugin, "__dict__", {}).values()):
        # By its name, since most programs have no delivery, and need not import it.
        classes = [(cls.__module__, cls.__name__) for cls in type(value).__mro__]
        if ("lanrage_events.delivery", "Delivery") in classes:
            return cast("Delivery", value)

    return None
