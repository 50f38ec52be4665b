"""Redaction: keeping secrets and control characters out of all output."""

from __future__ import annotations

from .escape import escape_controls
from .index import SecretIndex, encodings
from .redactor import SECRET_MASK, Redactor
