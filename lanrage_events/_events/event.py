"""The base classes of events, and their JSON form."""

# No "from __future__ import annotations" here: the public __module__ of these classes would then
# keep TypeAdapter and get_type_hints from resolving their annotations.
import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakKeyDictionary

from .clock import utc_now
from .construction import construct_quickly
from .ids import new_id
from .origin import parent_id as parent_of_hook

if TYPE_CHECKING:
    from pydantic import TypeAdapter

COMMON_FIELDS = frozenset({"type", "id", "time", "parent_id"})
"""what the JSON form of every event may have, beside the fields of its type"""


def snake_case(name: str) -> str:
    """Turn a class name such as ``LANPartyOpened`` into ``lan_party_opened``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Base class of every event: a frozen record of something that happened.

    Derive from it with ``@dataclass(frozen=True, kw_only=True, slots=True)`` and name the class
    with a noun and a past participle. Values are validated only when they arrive as JSON, not
    inside the process.
    """

    type: ClassVar[str] = "event"
    """the event type: the class name in snake case"""
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "allow_inf_nan": False,
        "hide_input_in_errors": True,
    }

    id: str = field(default_factory=new_id)
    """unique across processes, of 1 to 64 characters without control characters; keep it to publish
    the same event a second time"""
    time: datetime = field(default_factory=utc_now)
    """when it happened, aware, in UTC"""
    parent_id: str | None = field(default_factory=parent_of_hook)
    """the id of the event from which a transform made it, or in whose hook it was created"""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Not super(): slots=True creates a second class, and the __class__ cell keeps the first.
        super(Event, cls).__init_subclass__(**kwargs)
        cls.type = snake_case(cls.__name__)
        construct_quickly(cls, Event)

    def replace(self, **changes: Any) -> Self:
        """Return the event with other values of some fields; everything else stays, also its id.

        It does what :func:`dataclasses.replace` does, in a fifth of the time.

        :raises TypeError: if the event has no field of a name
        """
        return replace(self, **changes)

    def to_json(self) -> str:
        """Return the JSON form of the event in one line, ``type`` first, ``parent_id`` only if it has one.

        A float that is not finite becomes null and a lone surrogate a question mark, since JSON
        has neither.
        """
        adapter = type_adapter(type(self))
        try:
            text = adapter.dump_json(self).decode()
        except ValueError:
            data = json.dumps(adapter.dump_python(self, mode="json"), ensure_ascii=False)
            clean = json.loads(data.encode("utf-8", "replace"), parse_constant=lambda _: None)
            text = json.dumps(clean, ensure_ascii=False, separators=(",", ":"))

        if self.parent_id is None:  # so that nothing that reads events has to know it
            text = text.replace(',"parent_id":null', "", 1)

        return f'{{"type":"{self.type}",{text[1:]}'

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of the event as a dictionary of plain values, ``type`` first."""
        data: dict[str, Any] = json.loads(self.to_json())
        return data


def lineage(event_class: type[Event]) -> list[type[Event]]:
    """Return an event class and its base classes that are event classes, most specific first."""
    return [cls for cls in event_class.__mro__ if issubclass(cls, Event)]


def type_names(event_class: type[Event]) -> list[str]:
    """Return the event type of a class and those of its base classes, most specific first."""
    return list(dict.fromkeys(cls.type for cls in lineage(event_class)))


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyEvent(Event):
    """Base class of every event about a party."""

    party_id: str | None = None
    """which party, as the publisher names it"""


_adapters: "WeakKeyDictionary[type[Event], TypeAdapter[Any]]" = WeakKeyDictionary()


def type_adapter(cls: type[Event]) -> "TypeAdapter[Any]":
    """Return the cached adapter that validates and serializes events of a class."""
    adapter = _adapters.get(cls)
    if adapter is None:
        from pydantic import TypeAdapter  # takes 75 ms, and most programs do not need it

        adapter = _adapters[cls] = TypeAdapter(cls)

    return adapter
