"""Embeds and messages that keep Discord's limits."""

from __future__ import annotations

from .color import parse_color as parse_color
from .embed import AUTHOR_MAX_CHARACTERS as AUTHOR_MAX_CHARACTERS
from .embed import DESCRIPTION_MAX_CHARACTERS as DESCRIPTION_MAX_CHARACTERS
from .embed import EMBED_MAX_FIELDS as EMBED_MAX_FIELDS
from .embed import FIELD_NAME_MAX_CHARACTERS as FIELD_NAME_MAX_CHARACTERS
from .embed import FIELD_VALUE_MAX_CHARACTERS as FIELD_VALUE_MAX_CHARACTERS
from .embed import FOOTER_MAX_CHARACTERS as FOOTER_MAX_CHARACTERS
from .embed import MESSAGE_EMBEDS_MAX_CHARACTERS as MESSAGE_EMBEDS_MAX_CHARACTERS
from .embed import MESSAGE_MAX_EMBEDS as MESSAGE_MAX_EMBEDS
from .embed import TITLE_MAX_CHARACTERS as TITLE_MAX_CHARACTERS
from .embed import Embed as Embed
from .embed import EmbedField as EmbedField
from .embed import embed_size as embed_size
from .embed import in_utc as in_utc
from .embed import length as length
from .embed import text_size as text_size
from .markdown import as_markdown as as_markdown
from .markdown import code as code
from .markdown import code_text as code_text
from .markdown import link_text as link_text
from .markdown import markdown as markdown
from .markdown import parse_url as parse_url
from .markdown import place_in_markdown as place_in_markdown
from .markdown import place_in_url as place_in_url
from .markdown import plain as plain
from .markdown import url as url
from .markdown import url_part as url_part
from .message import MENTIONS_MAX_IDS as MENTIONS_MAX_IDS
from .message import SUPPRESS_NOTIFICATIONS as SUPPRESS_NOTIFICATIONS
from .message import THREAD_NAME_MAX_CHARACTERS as THREAD_NAME_MAX_CHARACTERS
from .message import USERNAME_MAX_CHARACTERS as USERNAME_MAX_CHARACTERS
from .message import USERNAME_MUST_NOT_CONTAIN as USERNAME_MUST_NOT_CONTAIN
from .message import Message as Message
from .truncation import shorten as shorten
from .truncation import shorten_markdown as shorten_markdown
