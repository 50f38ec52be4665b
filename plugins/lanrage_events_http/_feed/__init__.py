"""The live feed of events."""

from __future__ import annotations
