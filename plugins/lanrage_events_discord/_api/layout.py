"""Embeds as pieces of text with their styles, for a page that draws them."""

from __future__ import annotations

from .._embeds import Embed
from .._preview import Style, parse_markdown
from .models import AuthorLayout, EmbedLayout, FieldLayout, FooterLayout, SpanLayout


def lay_out(embed: Embed) -> EmbedLayout:
    """Lay an embed out, without knowing how wide it will be.

    :param embed: the embed as it is posted
    """
    return EmbedLayout(
        color=None if embed.color is None else f"#{embed.color:06x}",
        author=AuthorLayout(
            name=embed.author, url=embed.author_url or None, icon_url=embed.author_icon or None
        )
        if embed.author
        else None,
        title=_spans(embed.title),
        url=embed.url or None,
        description=_spans(embed.description),
        fields=tuple(
            FieldLayout(name=_spans(field.name), value=_spans(field.value), inline=field.inline)
            for field in embed.fields
        ),
        footer=FooterLayout(text=embed.footer, icon_url=embed.footer_icon or None)
        if embed.footer
        else None,
        timestamp=embed.timestamp,
        image=embed.image or None,
        thumbnail=embed.thumbnail or None,
    )


def _spans(text: str) -> tuple[SpanLayout, ...]:
    """Split markdown into pieces, neighbours of one style together."""
    found: list[SpanLayout] = []
    for span in parse_markdown(text):
        styles = tuple(style.name.lower() for style in Style if style in span.style and style.name)
        url = span.url or None
        if found and found[-1].styles == styles and found[-1].url == url:
            found[-1] = found[-1].model_copy(update={"text": found[-1].text + span.text})
        elif span.text:
            found.append(SpanLayout(text=span.text, styles=styles, url=url))

    return tuple(found)
