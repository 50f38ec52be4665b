"""The configuration of the event log plugin."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from lanrage_events.config import ConfigModel, ConfigPath, EventTypes

Level: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]


class LogConfig(ConfigModel):
    """What the event log plugin writes, and where."""

    path: ConfigPath | None = None
    """the file to append to; stderr by default"""
    format: Literal["json", "text"] = "json"
    """``json`` for one JSON object per line, ``text`` for people"""
    level: Level = "info"
    """the lowest level to write"""
    levels: dict[str, Level] = Field(default_factory=dict)
    """the level of each event type, or of a base type for all its subtypes; ``info`` by default"""
    include: EventTypes = EventTypes()
    """the event types, base types or patterns to write; all if empty"""
    exclude: EventTypes = EventTypes()
    """the event types, base types or patterns to skip, even if included"""
