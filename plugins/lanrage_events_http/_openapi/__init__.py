"""The OpenAPI document."""

from __future__ import annotations

from .document import openapi_operation as openapi_operation
