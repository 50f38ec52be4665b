"""Embeds and messages that keep Discord's limits."""

from __future__ import annotations

from . import limits
from .color import COLORS, parse_color
from .embed import (
    NESTED_TEXTS,
    Embed,
    EmbedField,
    embed_size,
    text_size,
)
from .length import length
from .markdown import (
    code,
    code_text,
    link_text,
    markdown,
    parse_url,
    place_in_markdown,
    place_in_url,
    plain,
    url,
    url_part,
)
from .message import (
    SUPPRESS_NOTIFICATIONS,
    Message,
)
from .truncation import shorten, shorten_markdown
