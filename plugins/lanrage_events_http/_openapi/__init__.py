"""The OpenAPI document."""

from __future__ import annotations

from .document import openapi_routes as openapi_routes
