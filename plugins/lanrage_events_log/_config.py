from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from lanrage_events.config import ConfigModel, ConfigPath, EventTypes

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]


class LogConfig(ConfigModel):
    """What the log sink writes, and where."""

    path: ConfigPath | None = None
    """the file that lines are appended to; stderr if it is missing"""
    format: Literal["json", "text"] = "json"
    """``json`` for one JSON object a line, ``text`` for lines that people read"""
    level: Level = "info"
    """the lowest level that is written"""
    levels: dict[str, Level] = Field(default_factory=dict)
    """the level of each event type, or of a base type for all below it; ``info`` by default"""
    include: EventTypes = EventTypes()
    """the event types, base types or patterns that are written; all if it is empty"""
    exclude: EventTypes = EventTypes()
    """the event types, base types or patterns that are not written, even if included"""
