"""Composes messages of entries: digests, or one embed for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from .._embeds import (
    Embed,
    Message,
    embed_size,
    limits,
)
from .digest import (
    SHORT_DATE_AND_TIME,
    SHORT_TIME,
    DigestBuilder,
    in_utc_timestamp,
)
from .entry import Entry
from .wording import MORE_MAX_CHARACTERS, Wording

Style = Literal["digest", "embeds"]

# Within half a day, the time of day says when something happened.
_SAME_DAY_SECONDS = 12 * 3600


def compose(
    entries: Sequence[Entry],
    *,
    wording: Wording,
    style: Style = "digest",
    max_messages: int | None = None,
    catch_up: bool = False,
    expired: Mapping[str, int] | None = None,
) -> Iterator[Message]:
    """Compose a batch into as few messages as possible, each entry exactly once and in order.

    A single entry is its own embed, and an alert its own message. The messages show slices of the batch that follow each other,
    so that the first ``message.entries`` can be acknowledged when ``message`` is delivered. They
    are made one by one, so a caller may send the first and later compose the rest again, with what
    has come since.

    :param entries: the batch, oldest first
    :param wording: the texts of the messages besides the entries
    :param style: ``digest`` shows the batch in lines, grouped; ``embeds`` shows each entry's embed
    :param max_messages: how many messages there may be, at least 1; what does not fit becomes one
        counted line; None for as many as it takes
    :param catch_up: whether the events are backlog after an outage or a restart: then they are shown
        as a digest with their own times, whatever the style
    :param expired: by type, how many events were too old to be delivered; these numbers stand in
        an embed of their own, which may be a message with no entries
    """
    for run in _runs(entries):
        yield from _compose(run, wording, style, max_messages, catch_up, expired)
        expired = None


def _runs(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Divide a batch so that each alert is alone."""
    begin = 0
    for position, entry in enumerate(entries):
        if entry.is_alert:
            if position > begin:
                yield entries[begin:position]

            yield entries[position : position + 1]
            begin = position + 1

    if begin < len(entries) or not entries:
        yield entries[begin:] if begin else entries


def _compose(
    entries: Sequence[Entry],
    wording: Wording,
    style: Style,
    max_messages: int | None,
    catch_up: bool,
    expired: Mapping[str, int] | None,
) -> Iterator[Message]:
    note = _note(expired, wording) if expired else None
    times = _times_style(entries) if catch_up else None
    position = 0
    made = 0
    while position < len(entries):
        reserve = embed_size(note) if note is not None else 0
        message = _next(entries, position, wording, style, times, reserve)
        if made + 1 == max_messages and position + message.entries < len(entries):
            message = _last(entries, position, wording, style, times, reserve)

        if note is not None:
            if _has_room(message, note):
                message = replace(message, embeds=(*message.embeds, note))
            else:
                yield Message(entries=0, embeds=(note,))

            note = None

        yield message
        position += message.entries
        made += 1

    if note is not None:
        yield Message(entries=0, embeds=(note,))


def _next(
    entries: Sequence[Entry],
    position: int,
    wording: Wording,
    style: Style,
    times: str | None,
    reserve: int,
) -> Message:
    """Show as many entries as one message holds, at least one."""
    if style == "embeds" and times is None:
        embeds = _embeds(entries, position, reserve)
        if embeds:
            return Message(entries=len(embeds), embeds=embeds)
    else:
        builder, count = _digest(entries, position, wording, times, reserve)
        if count > 1:
            return builder.message(entries[position + count - 1].time)

    return Message(entries=1, embeds=(entries[position].embed,))


def _last(
    entries: Sequence[Entry],
    position: int,
    wording: Wording,
    style: Style,
    times: str | None,
    reserve: int,
) -> Message:
    """Show what one message holds and count the rest."""
    reserve += MORE_MAX_CHARACTERS + 1
    last = entries[-1].time
    if style == "embeds" and times is None:
        reserve += embed_size(wording.note("…", last))
        embeds = _embeds(entries, position, reserve)[: limits.MESSAGE_MAX_EMBEDS - 1]
        rest = Counter(entry.type for entry in entries[position + len(embeds) :])
        counted = wording.note(wording.more(rest), last)
        return Message(entries=len(embeds) + rest.total(), embeds=(*embeds, counted))

    builder, count = _digest(entries, position, wording, times, reserve)
    return builder.message(last, Counter(entry.type for entry in entries[position + count :]))


def _digest(
    entries: Sequence[Entry], position: int, wording: Wording, times: str | None, reserve: int
) -> tuple[DigestBuilder, int]:
    builder = DigestBuilder(len(entries) - position, wording=wording, times=times, reserve=reserve)
    count = 0
    while position + count < len(entries) and builder.add(entries[position + count]):
        count += 1

    return builder, count


def _embeds(entries: Sequence[Entry], position: int, reserve: int) -> tuple[Embed, ...]:
    embeds: list[Embed] = []
    urls: set[str] = set()
    room = limits.MESSAGE_EMBEDS_MAX_CHARACTERS - reserve
    for index in range(position, min(position + limits.MESSAGE_MAX_EMBEDS, len(entries))):
        embed = entries[index].embed
        room -= embed_size(embed)
        if room < 0:
            break

        # Discord shows only the first of several embeds with one url, so the others lose the link of
        # their title. A message for each would turn a batch into a flood.
        # https://docs.discord.com/developers/resources/message#embed-object-embed-limits
        if url := embed.url.strip().rstrip("/").casefold():
            if url in urls:
                embed = replace(embed, url="")

            urls.add(url)

        embeds.append(embed)

    return tuple(embeds)


def _has_room(message: Message, embed: Embed) -> bool:
    size = sum(map(embed_size, message.embeds)) + embed_size(embed)
    return (
        len(message.embeds) < limits.MESSAGE_MAX_EMBEDS
        and size <= limits.MESSAGE_EMBEDS_MAX_CHARACTERS
    )


def _note(expired: Mapping[str, int], wording: Wording) -> Embed | None:
    counts = {name: count for name, count in expired.items() if count > 0}
    return wording.note(wording.expired(counts)) if counts else None


def _times_style(entries: Sequence[Entry]) -> str:
    times = [in_utc_timestamp(entry.time) for entry in entries]
    if times and max(times) - min(times) > _SAME_DAY_SECONDS:
        return SHORT_DATE_AND_TIME

    return SHORT_TIME
