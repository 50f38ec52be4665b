"""What rules do with the events that they are for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from .._events import Event
from .._exceptions import ConfigError, RuleError
from .fields import field_types
from .hiding import Hiding
from .key import HidingKey
from .texts import Replace, changes, name_fields

Step: TypeAlias = Callable[[Event], Event | None]
Effect: TypeAlias = Callable[[type[Event]], Step | None]
"""returns what a rule does with the events of a class, None if it does nothing"""


def drop(cls: type[Event]) -> Step:
    """Return what drops the events of a class."""
    return lambda event: None


def hide(hiding: Hiding, key: HidingKey) -> Effect:
    """Return what shows other names for people, and opaque ids."""

    def for_class(cls: type[Event]) -> Step | None:
        names = name_fields(cls)
        if not names:
            return None

        has_id = {"peer_id", "peer_name"} <= field_types(cls).keys()

        def step(event: Event) -> Event:
            changed = changes(event, names, hiding.replace)
            if has_id and hiding.hides(event.peer_name):  # type: ignore[attr-defined]
                known: str | None = event.peer_id  # type: ignore[attr-defined]
                name: str = event.peer_name  # type: ignore[attr-defined]
                opaque = key.opaque_name(name) if known is None else key.opaque_id(known)
                if opaque != known:
                    changed["peer_id"] = opaque

            return event.replace(**changed) if changed else event

        return _contained(step)

    return for_class


def redact(replaces: Sequence[Replace], key: HidingKey) -> Effect:
    """Return what changes the texts in all fields.

    :param replaces: each returns what stands for a text; the text itself if nothing does
    """

    def replace_all(text: str) -> str:
        for one in replaces:
            text = one(text)

        return text

    def for_class(cls: type[Event]) -> Step:
        fields = [name for name in field_types(cls) if name != "time"]
        ids = {name for name in fields if name == "id" or name.endswith("_id")}

        def step(event: Event) -> Event:
            changed = changes(event, fields, replace_all)
            for name in changed.keys() & ids:
                # What differed still does.
                changed[name] = key.opaque_id(str(getattr(event, name)))
                if changed[name] == getattr(event, name):
                    del changed[name]

            return event.replace(**changed) if changed else event

        return _contained(step)

    return for_class


def _contained(step: Callable[[Event], Event]) -> Step:
    """Keep what an event class raises about its values out of errors, and so out of the log."""

    def contained(event: Event) -> Event:
        try:
            return step(event)
        except ConfigError as error:  # of the key
            raise RuleError(str(error)) from None
        except Exception as error:  # noqa: BLE001 - from an event class
            raise RuleError(f"{event.type} cannot be changed: {type(error).__name__}") from None

    return contained
