"""The outbox: what is not delivered yet, on disk."""

from __future__ import annotations
