"""From lines to events."""

from __future__ import annotations
