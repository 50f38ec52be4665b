"""Delivery: lanes from the outbox to one webhook each."""

from __future__ import annotations
