"""The bundled templates: one folder per consumer, one file per event type."""

from __future__ import annotations
