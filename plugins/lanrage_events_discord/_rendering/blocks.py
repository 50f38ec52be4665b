"""The blocks of a message: digests and embeds of single entries, one below the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice

from .. import limits
from .._embeds import Embed, Message, embed_size
from .digest import MAX_EMBEDS, DigestBuilder
from .entry import Entry
from .wording import MORE_MAX_CHARACTERS, Wording


class Blocks:
    """Fills a message with entries, in order, as far as Discord's limits allow.

    :param wording: the texts of the message besides the entries
    :param times: the style of the times in digests, see :class:`DigestBuilder`
    :param reserve: characters to leave for something else
    :param max_embeds: how many embeds there may be
    :param may_leave: whether an entry whose embed does not fit may be left for the next message,
        where it would be the only line of a digest
    """

    def __init__(
        self,
        wording: Wording,
        *,
        times: str | None = None,
        reserve: int = 0,
        max_embeds: int = limits.MESSAGE_MAX_EMBEDS,
        may_leave: bool = True,
    ) -> None:
        self._may_leave = may_leave
        self._wording = wording
        self._times = times
        self._room = limits.MESSAGE_EMBEDS_MAX_CHARACTERS - reserve
        self._embeds_left = max_embeds
        self._blocks: list[Embed | DigestBuilder] = []
        self._digest: DigestBuilder | None = None
        """the digest that is being built, which is not among the blocks yet"""
        self._first: Entry | None = None
        """its first entry"""
        self._entries = 0
        self._shortened = 0

    def add_line(self, entry: Entry, room: int, last: datetime) -> bool:
        """Show an entry in the line of a digest; return False if it does not fit.

        :param room: the highest number of entries that may come, with this one
        :param last: the time of the last of these
        """
        if self._digest is None:
            if not self._embeds_left:
                return False

            capacity = self._room
            if self._embeds_left < MAX_EMBEDS:
                capacity = min(capacity, limits.DESCRIPTION_MAX_CHARACTERS)

            self._digest = DigestBuilder(
                room, last, capacity, wording=self._wording, times=self._times
            )
            self._first = entry

        return self._digest.add(entry)

    def add_embed(self, entry: Entry) -> bool:
        """Show an entry as its embed; return False if it does not fit."""
        return self.add_embeds((entry,)) == 1

    def add_embeds(self, entries: Iterable[Entry]) -> int:
        """Show entries as their embeds, as many as fit, and return how many these are."""
        if self._digest is not None and not self._end_digest():
            return 0

        room = self._room
        added = 0
        for entry in islice(entries, self._embeds_left):
            room -= embed_size(entry.embed)
            if room < 0:
                break

            self._room = room
            self._blocks.append(entry.embed)
            self._shortened += entry.shortened
            added += 1

        self._entries += added
        self._embeds_left -= added
        return added

    def _end_digest(self) -> bool:
        """Add the digest to the blocks; return False if its only entry is left instead."""
        digest, first = self._digest, self._first
        self._digest = self._first = None
        if digest is None or first is None or not digest.entries:
            return True

        # A single entry is its own embed.
        if digest.entries == 1:
            if self.add_embed(first):
                return True

            if self._may_leave and self._blocks:
                return False

        self._blocks.append(digest)
        self._room -= digest.size
        is_one = digest.size <= limits.DESCRIPTION_MAX_CHARACTERS
        self._embeds_left -= 1 if is_one else MAX_EMBEDS
        self._entries += digest.entries
        self._shortened += digest.shortened
        return True

    def message(
        self, rest: Mapping[str, int] | None = None, last: datetime | None = None
    ) -> Message:
        """Make the message, which has no embeds if no entry fitted.

        :param rest: by type, how many more events it stands for; these become one counted line, for
            which :func:`rest_reserve` and an embed must have been left free
        :param last: the time of the last of them
        """
        self._end_digest()
        ends_in_lines = bool(rest)
        embeds: list[Embed] = []
        for block in self._blocks[:-1]:
            embeds += [block] if isinstance(block, Embed) else block.embeds()

        final = self._blocks[-1] if self._blocks else None
        if isinstance(final, DigestBuilder):
            ends_in_lines = True
            embeds += final.embeds(rest, last)
        else:
            embeds += [final] if final is not None else []
            if rest:
                embeds.append(self._wording.note(self._wording.more(rest), last))

        counted = sum(rest.values()) if rest else 0
        return Message(
            entries=self._entries + counted,
            embeds=tuple(_without_repeated_urls(embeds)),
            shortened=self._shortened,
            counted=counted,
            ends_in_lines=ends_in_lines,
        )


def rest_reserve(wording: Wording, last: datetime) -> int:
    """Return the characters that the counted line of :meth:`Blocks.message` may take."""
    return MORE_MAX_CHARACTERS + embed_size(wording.note("…", last))


def _without_repeated_urls(embeds: Iterable[Embed]) -> Iterator[Embed]:
    # Discord shows only the first of several embeds with one url, so the others lose the link of
    # their title. A message for each would turn a batch into a flood.
    # https://docs.discord.com/developers/resources/message#embed-object-embed-limits
    urls: set[str] = set()
    for embed in embeds:
        if embed.url and (url := embed.url.strip().rstrip("/").casefold()):
            if url in urls:
                embed = replace(embed, url="")

            urls.add(url)

        yield embed
