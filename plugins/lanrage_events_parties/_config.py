"""The configuration of the parties plugin."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lanrage_events.config import ConfigModel, Duration

_DAY = 24 * 60 * 60.0


class PartiesConfig(ConfigModel):
    """When a party is over."""

    end_after: Annotated[Duration, Field(ge=0, le=_DAY)] = 600.0
    """how long a party must be empty to be over; ``0s`` ends it when the last one leaves"""
    stale_after: Annotated[Duration, Field(ge=60, le=30 * _DAY)] = 16 * 60 * 60.0
    """after how long without any event a party is over although nobody left, as when a server
    crashed in silence"""
