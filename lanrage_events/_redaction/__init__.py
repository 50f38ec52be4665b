"""Keeping secrets and control characters out of whatever is shown."""

from __future__ import annotations

from .index import SecretIndex
from .redactor import RedactedException, Redactor
from .safe_text import safe_text
from .webhook_urls import SECRET_MASK, mask_webhook_urls
