"""The envelope: what a message has besides embeds, such as a thread and mentions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from .. import limits
from .._config import WebhookConfig
from .._embeds import (
    SUPPRESS_NOTIFICATIONS,
    Message,
    role_mention,
    shorten_markdown,
    user_mention,
)
from .._quiet import Quietness
from .._rendering import Entry
from .mentions import Chosen, Mentions
from .threads import Threads

logger = logging.getLogger("lanrage_events.discord")


class Envelope:
    """Adds to the messages of one webhook what its configuration and its events ask for.

    :param quietness: returns how quiet the webhook is now
    """

    def __init__(
        self,
        config: WebhookConfig,
        mentions: Mentions,
        threads: Threads,
        quietness: Callable[[], Quietness] = Quietness,
    ) -> None:
        self._quietness = quietness
        self._config = config
        self._username = "" if config.username_problem else config.username or ""
        self._avatar_url = "" if config.avatar_problem else config.avatar_url or ""
        self._excess = 0
        """how many the last message could not mention"""
        self._once: tuple[str, ...] = ()
        """what to remember of those whom the last message mentions only once"""
        self.unmentioned = 0
        """how many mentions found no room in their message"""
        self._mentions = mentions
        self._threads = threads

    def copy(self) -> Envelope:
        """Return one for messages of the same webhook that do not come from its lane."""
        return Envelope(self._config, self._mentions, self._threads, self._quietness)

    def wrap(
        self, message: Message, entries: Sequence[Entry], webhook_id: str, is_backlog: bool
    ) -> Message:
        """Return the message with its name, its thread, its flags and its mentions.

        :param entries: what the message shows
        :param is_backlog: whether these are old events, which mention no one
        """
        # What a lane sends although it is held would be lost otherwise, and is silent, too.
        is_quiet = bool(self._quietness().loudness)
        loud = [entry for entry in entries if entry.is_important] if is_quiet else entries
        chosen = Chosen([], []) if is_backlog else self._mentions.choose(loud)
        roles, users, self._excess, self._once = chosen
        mentioned = [*map(role_mention, roles), *map(user_mention, users)]
        # That someone reconnected is nothing to look up for.
        is_silent = (
            all(one.presentation.silent for one in loud)
            if entries
            else is_quiet or message.has_ending
        )
        config = self._config
        new_thread = config.thread_name and not self._thread(webhook_id)
        content, lacks_text = with_mentions(message.content, mentioned)
        return replace(
            message,
            content=content,
            shortened=max(message.shortened, lacks_text),
            # Exactly these and, with an empty "parse", no one else.
            allowed_mentions={"parse": [], "roles": roles, "users": users}
            if mentioned
            else message.allowed_mentions,
            flags=SUPPRESS_NOTIFICATIONS if is_silent else 0,
            username=message.username or self._username,
            avatar_url=message.avatar_url or self._avatar_url,
            thread_name=config.thread_name or "" if new_thread else "",
        )

    def thread_id(self, webhook_id: str) -> str | None:
        """Return the thread to post to."""
        return self._config.thread_id or self._thread(webhook_id)

    def _thread(self, webhook_id: str) -> str | None:
        name = self._config.thread_name
        return self._threads.find(webhook_id, name) if name else None

    def answered(self, message: Message) -> None:
        """Record that a message is no longer under way, whatever its outcome."""
        for ids in message.allowed_mentions.values():
            self._mentions.release(ids)

    def delivered(self, message: Message, webhook_id: str, channel_id: str | None) -> None:
        """Remember whom a message mentioned and which thread it created."""
        mentioned = (one for ids in message.allowed_mentions.values() for one in ids)
        self._mentions.start_cooldown([*mentioned, *self._once])
        if self._excess:
            if not self.unmentioned:
                logger.warning(
                    "a message has no room for %d of the roles and users that its events mention",
                    self._excess,
                )

            self.unmentioned += self._excess
            self._excess = 0

        if message.thread_name and channel_id is not None:
            self._threads.remember(webhook_id, message.thread_name, channel_id)

    def forget_thread(self, webhook_id: str) -> bool:
        """Forget the thread that this webhook created; return whether there was one."""
        name = self._config.thread_name
        return bool(name) and self._threads.forget(webhook_id, name or "")


def with_mentions(content: str, mentioned: Sequence[str]) -> tuple[str, bool]:
    """Return a content with mentions above it, and whether it lacks text for lack of room."""
    above = " ".join(mentioned)
    if not above or not content:
        return above or content, False

    # In a line of its own, since it may begin with the markup of a heading or a quote.
    room = limits.CONTENT_MAX_CHARACTERS - len(above) - 1
    shown = shorten_markdown(content, room) if room > 0 else ""
    return f"{above}\n{shown}".rstrip(), shown != content
