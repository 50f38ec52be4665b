"""Text for Discord: values escaped, and texts and embeds shortened to Discord's limits.

For every plugin and program that posts to Discord. Importing it loads nothing else of the Discord
plugin and no HTTP library. The limits are in :mod:`lanrage_events_discord.limits`.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import _embeds
from ._embeds import Embed, embed_size


def escape(value: str) -> str:
    """Escape a value so that Discord shows it as it is.

    Nothing in it is read as markdown, a mention, a link, an invite, an emoji or a time. Escape each
    value from outside, such as a player's name, then put your own markdown around it. Use :func:`code`
    and :func:`link` for what stands in code or in the text of a link, where nothing can be escaped.

    :param value: any text, also of several lines
    """
    return _embeds.markdown(value)


def code(value: str) -> str:
    """Write a value as code: a block if it has several lines, else a span; empty if it is blank.

    A backtick that would end the code is replaced by one that looks like it.

    :param value: any text, not escaped
    """
    return _embeds.code(value)


def link(text: str, url: str) -> str:
    """Write a masked link. Discord draws none in titles and in names of fields.

    Characters of the text that have a meaning there are replaced by ones that look like them.

    :param text: what to click on, not escaped; the address if it is blank
    :param url: where it leads to
    :raises ValueError: if it is not an http or https address
    """
    address = _embeds.url(url)
    return f"[{_embeds.link_text(' '.join(text.split()) or address)}]({address})"


def length(text: str) -> int:
    """Count the characters of a text as Discord does: UTF-16 units, without white space at the ends.

    An emoji counts as two or more.
    """
    return _embeds.length(text)


def fit(markdown: str, maximum: int) -> str:
    r"""Shorten markdown so that what is left means the same; it ends with an ellipsis then.

    Escapes, mentions, times, addresses and masked links are kept whole or dropped, no emoji is split,
    and code and markers such as ``**`` are closed. White space at the ends is removed.

    :param markdown: text in which values are escaped
    :param maximum: characters as :func:`length` counts them, such as ``limits.TITLE_MAX_CHARACTERS``
    :raises ValueError: if ``maximum`` is less than 1
    """
    return _embeds.shorten_markdown(markdown, _checked(maximum))


def fit_plain(text: str, maximum: int) -> str:
    """Shorten text that Discord does not read as markdown: footers, authors, names of threads.

    :param text: any text, not escaped
    :param maximum: characters as :func:`length` counts them
    :raises ValueError: if ``maximum`` is less than 1
    """
    return _embeds.shorten(text, _checked(maximum))


def fit_embed(embed: Mapping[str, object]) -> dict[str, object]:
    """Return an embed that keeps all of Discord's limits, in the form that is posted.

    Texts are shortened, the longest first, until all of them fit together. Fields after the 25th,
    incomplete ones, and addresses, colours and times that Discord rejects are dropped, and so are keys
    that a webhook cannot set. The embeds of one message share
    ``limits.MESSAGE_EMBEDS_MAX_CHARACTERS``; :func:`embed_length` says how much one has of it.

    :param embed: in Discord's JSON form, with markdown in which values are escaped
    :raises ValueError: if a value has another type than Discord's
    """
    return Embed.from_dict(embed).to_dict()


def embed_length(embed: Mapping[str, object]) -> int:
    """Count the characters of an embed that count towards the limit of its message.

    :param embed: in Discord's JSON form; one that is too long is counted as :func:`fit_embed` makes it
    :raises ValueError: if a value has another type than Discord's
    """
    return embed_size(Embed.from_dict(embed))


def _checked(maximum: int) -> int:
    if maximum < 1:
        raise ValueError(f"maximum: expected at least 1 character, not {maximum}")

    return maximum
