"""The OpenAPI document."""

from __future__ import annotations

from .document import OpenAPI
