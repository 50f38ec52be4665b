"""The OpenAPI document of the API."""

from __future__ import annotations

from .document import OpenAPI
