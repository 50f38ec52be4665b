"""Redaction: keeping secrets and control characters out of all output."""

from __future__ import annotations

from .escape import escape_controls
from .redactor import Redactor
