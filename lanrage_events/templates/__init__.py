"""Templates: text made of events, one YAML file per event type."""

from __future__ import annotations
