"""Embeds and messages that keep Discord's limits."""

from __future__ import annotations

from .color import parse_color
from .embed import (
    AUTHOR_MAX_CHARACTERS,
    DESCRIPTION_MAX_CHARACTERS,
    EMBED_MAX_FIELDS,
    FIELD_NAME_MAX_CHARACTERS,
    FIELD_VALUE_MAX_CHARACTERS,
    FOOTER_MAX_CHARACTERS,
    MESSAGE_EMBEDS_MAX_CHARACTERS,
    MESSAGE_MAX_EMBEDS,
    TITLE_MAX_CHARACTERS,
    Embed,
    EmbedField,
    embed_size,
    in_utc,
    length,
    text_size,
)
from .markdown import (
    as_markdown,
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
    MENTIONS_MAX_IDS,
    SUPPRESS_NOTIFICATIONS,
    THREAD_NAME_MAX_CHARACTERS,
    USERNAME_MAX_CHARACTERS,
    USERNAME_MUST_NOT_CONTAIN,
    Message,
)
from .truncation import shorten, shorten_markdown
