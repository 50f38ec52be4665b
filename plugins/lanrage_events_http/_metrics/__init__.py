"""Metrics in Prometheus' format."""

from __future__ import annotations

from .exposition import metrics_operation
