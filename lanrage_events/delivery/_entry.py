"""What is delivered: an item that is put, and the entry of it that is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .._events import Event
from .._exceptions import EventError
from ..outbox import OutboxEntry, OutboxItem

DEFAULT_LANE = "default"


@dataclass(frozen=True, slots=True)
class Item:
    """Something to deliver."""

    data: Any
    """your JSON, or an event, of which the JSON is kept"""
    lane: str = DEFAULT_LANE
    """the lane's name, one of a bounded number, such as that of a target in the configuration"""
    label: str = ""
    """what lists show; an event's type by default"""
    expires: datetime | None = None
    """when it is no longer worth delivering, aware; None for never"""
    immediate: bool = False
    """whether to send it without gathering"""

    def to_outbox(self) -> OutboxItem:
        """Return it as the outbox keeps it.

        :raises TypeError: if the data is no JSON
        :raises ValueError: if the data is no JSON, such as a number that is not finite
        """
        if isinstance(self.data, Event):
            label = self.label or self.data.type
            return OutboxItem(self.lane, self.data.to_json(), label, self.expires)

        try:
            body = json.dumps(self.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            remedy = "put an event, or values of JSON"
            raise type(error)(f"JSON cannot express an entry: {error}: {remedy}") from None

        # A lone surrogate cannot be stored.
        body.encode("utf-8")
        return OutboxItem(self.lane, body, self.label, self.expires)


# Not frozen, which would take three times as long: there is one for each event.
@dataclass(slots=True)
class Entry:
    """Something that waits in a lane to be sent."""

    id: int
    """its number in the outbox, higher than that of every entry put before"""
    lane: str
    data: Any
    """what was put, as JSON has it; of an event, its JSON"""
    label: str
    put_time: datetime
    """when it was put, in UTC"""
    expires: datetime | None
    """when it is no longer worth delivering; None for never"""

    @classmethod
    def read(cls, found: OutboxEntry) -> Entry:
        """Return an entry of the outbox.

        :raises ValueError: if it is no JSON
        """
        data = json.loads(found.body)
        return cls(found.id, found.lane, data, found.label, found.put_time, found.expires)


class NoEventError(Exception):
    """Raised when an entry is no event of a known type any more."""

    def __init__(self, entry: Entry, error: EventError) -> None:
        self.entry = entry
        super().__init__(f"it is no event any more: {error}")
