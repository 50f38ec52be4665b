"""Keeping secrets and control characters out of whatever is shown."""

from __future__ import annotations

from .escape import escape_controls
from .redactor import Redactor
