"""Metrics in Prometheus' format."""

from __future__ import annotations
