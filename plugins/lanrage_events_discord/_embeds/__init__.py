"""Embeds and messages that keep Discord's limits."""

from __future__ import annotations

from .address import explain_picture, explain_url, find_host, parse_url
from .color import COLORS, parse_color
from .embed import (
    NESTED_TEXTS,
    PARTS,
    URLS,
    Embed,
    EmbedField,
    embed_size,
    text_size,
)
from .length import length
from .markdown import (
    code,
    code_text,
    find_line_place,
    link_markdown,
    link_text,
    markdown,
    place_in_markdown,
    place_in_url,
    plain,
    url,
    url_part,
    write_lines,
)
from .message import (
    SUPPRESS_NOTIFICATIONS,
    Button,
    Message,
    explain_username,
    fit_mentions,
    player_key,
    role_mention,
    user_mention,
)
from .picture import (
    SHOWN_AS,
    Picture,
    check_picture,
    file_part,
    refer_to,
)
from .pictures import Pictures
from .truncation import break_markdown, shorten, shorten_markdown
