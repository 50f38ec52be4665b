"""What rules do with the events that they are for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

from .._events import Event
from .._exceptions import ConfigError, RuleError
from .fields import field_types
from .hiding import Hiding
from .key import HidingKey
from .texts import Replace, changes, name_fields

Step: TypeAlias = Callable[[Event], Event | None]


class Effect(Protocol):
    """What one rule does."""

    is_required: bool
    """whether an event must not go on without it"""

    def for_class(self, cls: type[Event]) -> Step | None:
        """Return what it does with the events of a class, None if it does nothing."""


class Drop:
    """No plugin receives the event."""

    is_required = False

    def for_class(self, cls: type[Event]) -> Step:
        """Return what drops events."""
        return lambda event: None


class Hide:
    """Other names for people, and opaque ids."""

    is_required = True

    def __init__(self, hiding: Hiding, key: HidingKey) -> None:
        self._hiding = hiding
        self._key = key

    def for_class(self, cls: type[Event]) -> Step | None:
        """Return what hides the names in events of a class, None if these have no names."""
        names = name_fields(cls)
        if not names:
            return None

        has_id = {"peer_id", "peer_name"} <= field_types(cls).keys()
        hiding, key = self._hiding, self._key

        def hide(event: Event) -> Event:
            changed = changes(event, names, hiding.replace)
            if has_id and hiding.hides(event.peer_name):  # type: ignore[attr-defined]
                known: str | None = event.peer_id  # type: ignore[attr-defined]
                name: str = event.peer_name  # type: ignore[attr-defined]
                opaque = key.opaque_name(name) if known is None else key.opaque_id(known)
                if opaque != known:
                    changed["peer_id"] = opaque

            return replace(event, **changed) if changed else event

        return _contained(hide)


class Redact:
    """Other texts in any field.

    :param replaces: return what stands for a text; the text itself if nothing does
    """

    is_required = True

    def __init__(self, replaces: Sequence[Replace], key: HidingKey) -> None:
        self._replaces = replaces
        self._key = key

    def for_class(self, cls: type[Event]) -> Step:
        """Return what changes the texts of events of a class."""
        fields = [name for name in field_types(cls) if name != "time"]
        ids = {name for name in fields if name == "id" or name.endswith("_id")}
        replaces, key = self._replaces, self._key

        def redact(event: Event) -> Event:
            changed = changes(event, fields, replace_all)
            for name in changed.keys() & ids:
                # What differed still does.
                changed[name] = key.opaque_id(str(getattr(event, name)))
                if changed[name] == getattr(event, name):
                    del changed[name]

            return replace(event, **changed) if changed else event

        def replace_all(text: str) -> str:
            for one in replaces:
                text = one(text)

            return text

        return _contained(redact)


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
