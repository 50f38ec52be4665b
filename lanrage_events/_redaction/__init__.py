"""Keeping secrets and control characters out of whatever is shown."""

from __future__ import annotations

from .escape import escape_controls
from .index import SecretIndex
from .redactor import SECRET_MASK, Redactor
