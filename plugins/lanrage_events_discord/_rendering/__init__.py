"""From events to embeds, digests and messages; pure functions."""

from __future__ import annotations
