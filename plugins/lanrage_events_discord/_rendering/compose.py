"""Composes messages of entries: digests, or one embed for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal

from lanrage_events.templates import utf16_units

from .. import limits
from .._embeds import Embed, Message, embed_size
from .blocks import Blocks, rest_reserve
from .digest import SHORT_DATE_AND_TIME, SHORT_TIME, in_utc_timestamp
from .entry import NO_EXTRAS, Entry, Extras
from .renderer import Renderer
from .wording import WebhookTest, Wording

Style = Literal["digest", "embeds"]
"""how several events at a time are shown, as in the setting ``batch.style``"""

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
    ending: str = "",
) -> Iterator[Message]:
    """Compose a batch into as few messages as possible, each entry exactly once and in order.

    A single entry is its own embed, and so is each whose line in a digest would lack text: that
    embed stands between the lines of what came before and after it. An alert is its own message.
    Entries share one only if it has the same name and picture for them. The messages show slices of
    the batch that follow each other, so that the first ``message.entries`` can be acknowledged when
    ``message`` is delivered. They are made one by one, so a caller may send the first and later
    compose the rest again, with what has come since.

    :param entries: the batch, oldest first
    :param wording: the texts of the messages besides the entries
    :param style: ``digest`` shows the batch in lines, grouped; ``embeds`` shows each entry's embed
    :param max_messages: how many messages there may be, at least 1; what does not fit becomes one
        counted line; None for as many as it takes
    :param catch_up: whether the events are backlog after an outage or a restart: then they are shown
        as a digest with their own times, whatever the style
    :param expired: by type, how many events were too old to be delivered; these numbers stand in
        an embed of their own, which may be a message with no entries
    :param ending: lines in markdown that are about no entry; the first message ends with them if it
        has room for them and is no alert. Without entries they are a message
    """
    for run in _runs(entries):
        is_alert = bool(run) and run[0].is_alert
        for message in _compose(run, wording, style, max_messages, catch_up, expired):
            if ending and not is_alert:
                yield _with_ending(message, ending, wording)
                ending = ""
            else:
                yield message

        expired = None

    if ending and not entries:
        yield Message(entries=0, embeds=(_ending(ending, wording),), has_ending=True)


def compose_test_message(renderer: Renderer) -> Message:
    """Return the message that shows whether a webhook works."""
    entry = renderer.render(WebhookTest())
    return _signed(replace(_message_of(entry), entries=0), entry.extras)


def _message_of(entry: Entry) -> Message:
    """Return the message that shows one entry, as its embed."""
    extras = entry.extras
    return Message(
        entries=1,
        embeds=(entry.embed,),
        shortened=int(entry.shortened),
        content=extras.content,
        buttons=extras.buttons,
    )


def _signed(message: Message, extras: Extras) -> Message:
    """Post a message under the name and with the picture of its entries."""
    if extras is NO_EXTRAS:
        return message

    return replace(
        message,
        username=extras.username,
        avatar_url=extras.avatar_url,
        thread_name=extras.thread_name,
        applied_tags=extras.applied_tags,
    )


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


def _end(entries: Sequence[Entry], position: int) -> int:
    """Return where the entries end that may be in one message with the first of them."""
    extras = entries[position].extras
    for index, entry in enumerate(islice(entries, position + 1, None), position + 1):
        if entry.extras is not extras and not extras.has_sender_of(entry.extras):
            return index

    return len(entries)


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
    each = style == "embeds" and not catch_up
    position = end = 0
    made = 0
    sharing = entries
    while position < len(entries):
        if position == end:
            end = _end(entries, position)
            sharing = entries if end == len(entries) else entries[:end]

        reserve = embed_size(note) if note is not None else 0
        is_last = made + 1 == max_messages
        message = _next(sharing, position, wording, each, times, reserve, may_leave=not is_last)
        if is_last and position + message.entries < len(entries):
            message = _last(entries, position, sharing, wording, each, times, reserve)

        message = _signed(message, entries[position].extras)
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
    each: bool,
    times: str | None,
    reserve: int,
    *,
    may_leave: bool,
) -> Message:
    """Show as many entries as one message holds, at least one."""
    first = entries[position]
    if position + 1 < len(entries):
        blocks = Blocks(wording, times=times, reserve=reserve, may_leave=may_leave)
        _fill(blocks, entries, position, each=each)
        message = blocks.message()
        if message.entries > 1:
            return message

    return _message_of(first)


def _last(
    entries: Sequence[Entry],
    position: int,
    sharing: Sequence[Entry],
    wording: Wording,
    each: bool,
    times: str | None,
    reserve: int,
) -> Message:
    """Show what one message holds and count the rest.

    :param sharing: the entries, without those that may not be in the same message
    """
    last = entries[-1].time
    blocks = Blocks(
        wording,
        times=times,
        reserve=reserve + rest_reserve(wording, last),
        max_embeds=limits.MESSAGE_MAX_EMBEDS - 1,
        may_leave=False,
    )
    shown = _fill(blocks, sharing, position, each=each)
    return blocks.message(Counter(entry.type for entry in entries[position + shown :]), last)


def _fill(blocks: Blocks, entries: Sequence[Entry], position: int, *, each: bool) -> int:
    """Add the entries that fit, and return how many these are.

    :param each: whether each of them is its embed
    """
    if each:
        return blocks.add_embeds(entries[position : position + limits.MESSAGE_MAX_EMBEDS])

    last = entries[-1].time
    for index in range(position, len(entries)):
        entry = entries[index]
        if entry.digest.use_embed:
            fits = blocks.add_embed(entry)
        else:
            fits = blocks.add_line(entry, len(entries) - index, last)

        if not fits:
            return index - position

    return len(entries) - position


def _has_room(message: Message, embed: Embed) -> bool:
    size = sum(map(embed_size, message.embeds)) + embed_size(embed)
    return (
        len(message.embeds) < limits.MESSAGE_MAX_EMBEDS
        and size <= limits.MESSAGE_EMBEDS_MAX_CHARACTERS
    )


def _with_ending(message: Message, ending: str, wording: Wording) -> Message:
    """Let a message end with lines, unless it has no room for them."""
    *before, last = message.embeds
    lines = f"{last.description}\n{ending}"
    if message.ends_in_lines and utf16_units(lines) <= limits.DESCRIPTION_MAX_CHARACTERS:
        embeds = (*before, replace(last, description=lines))
    else:
        embeds = (*message.embeds, _ending(ending, wording))

    size = sum(map(embed_size, embeds))
    if len(embeds) > limits.MESSAGE_MAX_EMBEDS or size > limits.MESSAGE_EMBEDS_MAX_CHARACTERS:
        return message

    return replace(message, embeds=embeds, has_ending=True)


def _ending(ending: str, wording: Wording) -> Embed:
    return replace(wording.note(ending), footer="", footer_icon="")


def _note(expired: Mapping[str, int], wording: Wording) -> Embed | None:
    counts = {name: count for name, count in expired.items() if count > 0}
    return wording.note(wording.expired(counts)) if counts else None


def _times_style(entries: Sequence[Entry]) -> str:
    times = [in_utc_timestamp(entry.time) for entry in entries]
    if times and max(times) - min(times) > _SAME_DAY_SECONDS:
        return SHORT_DATE_AND_TIME

    return SHORT_TIME
