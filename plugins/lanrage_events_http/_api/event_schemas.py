"""The JSON Schemas of the event types."""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

from lanrage_events import Event
from lanrage_events.abc import Bus

from .._problem import log_failure

logger = logging.getLogger(__name__)


class EventSchemas:
    """The JSON Schemas of the bus's event types, each made once since that is slow."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._schemas: WeakKeyDictionary[type[Event], dict[str, Any] | None] = WeakKeyDictionary()

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the schemas by event type, without types that have none."""
        found = {cls.type: self._schema(cls) for cls in self._bus.events.types()}
        return {name: schema for name, schema in found.items() if schema is not None}

    def _schema(self, cls: type[Event]) -> dict[str, Any] | None:
        if cls in self._schemas:
            return self._schemas[cls]

        schema = None
        try:
            schema = self._bus.events.json_schema(cls.type)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's class raises anything
            what = f"event type '{cls.type}' is left out of the HTTP API, since it has no schema"
            log_failure(logger, self._bus.redactor, what, error)

        self._schemas[cls] = schema
        return schema
