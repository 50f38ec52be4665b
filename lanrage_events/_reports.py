from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Health:
    """How a plugin is."""

    status: Literal["ok", "degraded", "failed"] = "ok"
    """``degraded`` works in part or with delay, ``failed`` not at all"""
    detail: str = ""
    """the reason in one sentence, without secrets"""
    undelivered: int = 0
    """events that it has taken and that have not arrived where they should, for now or for good"""
