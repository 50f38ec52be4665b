"""Keeping secrets and control characters out of whatever is shown."""

from __future__ import annotations

from .characters import BLANK_LETTERS, REMOVED, has_ink, limit_marks
from .error_text import UNREADABLE as UNREADABLE
from .error_text import error_text as error_text
from .error_text import format_value as format_value
from .index import SecretIndex
from .redactor import RedactedException, Redactor
from .safe_text import safe_text
from .webhook_urls import SECRET_MASK, mask_webhook_urls
