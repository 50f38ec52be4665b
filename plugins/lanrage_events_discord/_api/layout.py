"""Messages as pieces of text with their styles, for a page that draws them."""

from __future__ import annotations

from itertools import groupby

from .._embeds import Embed
from .._preview import Style, parse_markdown
from .models import AuthorLayout, EmbedLayout, FieldLayout, FooterLayout, SpanLayout


def lay_out(embed: Embed) -> EmbedLayout:
    """Lay an embed out, whatever its width will be."""
    return EmbedLayout(
        color=None if embed.color is None else f"#{embed.color:06x}",
        author=AuthorLayout(
            name=embed.author, url=embed.author_url or None, icon_url=embed.author_icon or None
        )
        if embed.author
        else None,
        title=lay_out_text(embed.title, is_name=True),
        url=embed.url or None,
        description=lay_out_text(embed.description),
        fields=tuple(
            FieldLayout(
                name=lay_out_text(field.name, is_name=True),
                value=lay_out_text(field.value),
                inline=field.inline,
            )
            for field in embed.fields
        ),
        footer=FooterLayout(text=embed.footer, icon_url=embed.footer_icon or None)
        if embed.footer
        else None,
        timestamp=embed.timestamp,
        image=embed.image or None,
        thumbnail=embed.thumbnail or None,
    )


def lay_out_text(text: str, *, is_name: bool = False) -> tuple[SpanLayout, ...]:
    """Split markdown into pieces, neighbours of one style together."""
    spans = parse_markdown(text, is_name=is_name)
    groups = groupby(spans, key=lambda span: (_names(span.style), span.url or None))
    pieces = [("".join(s.text for s in group), styles, url) for (styles, url), group in groups]
    return tuple(SpanLayout(text=t, styles=styles, url=url) for t, styles, url in pieces if t)


def _names(style: Style) -> tuple[str, ...]:
    return tuple(one.name.lower() for one in Style if one in style and one.name)
