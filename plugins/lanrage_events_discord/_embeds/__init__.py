"""Embeds and messages that keep Discord's limits."""

from __future__ import annotations
