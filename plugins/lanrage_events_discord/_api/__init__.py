"""The plugin's operations in the HTTP API."""

from __future__ import annotations
