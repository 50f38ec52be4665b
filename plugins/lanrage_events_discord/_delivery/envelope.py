"""The envelope: what a message has besides embeds, such as a thread and mentions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import anyio

from lanrage_events.delivery import Waiting, in_words

from .. import limits
from .._client import Outcome, OutcomeKind
from .._config import WebhookConfig
from .._diagnosis import is_about_thread
from .._embeds import (
    SUPPRESS_NOTIFICATIONS,
    Message,
    role_mention,
    shorten_markdown,
    user_mention,
)
from .._quiet import Quietness
from .._rendering import Entry, NamedThread
from .mentions import Chosen, Mentions
from .threads import Place, Threads, Wait

logger = logging.getLogger("lanrage_events.discord")

# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
TOO_MANY_THREADS = 160006
NO_FORUM = 220003


class Envelope:
    """Adds to the messages of one webhook what its configuration and its events ask for.

    :param quietness: returns how quiet the webhook is now
    :param own_thread: returns the thread to create for what has none, whose name is empty if the
        webhook has none to create; that of the configuration by default
    """

    def __init__(
        self,
        config: WebhookConfig,
        mentions: Mentions,
        threads: Threads,
        quietness: Callable[[], Quietness] = Quietness,
        own_thread: Callable[[], NamedThread] | None = None,
    ) -> None:
        fixed = NamedThread(config.thread_name or "", config.applied_tags)
        self._own_thread = own_thread or (lambda: fixed)
        self._is_creating = False
        self._is_elsewhere = False
        """whether the last message goes to another thread than its events ask for"""
        self.elsewhere = 0
        """how many events were posted in another thread, since too many were created"""
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
        config, own = self._config, self._own_thread
        return Envelope(config, self._mentions, self._threads, self._quietness, own)

    def wrap(
        self,
        message: Message,
        entries: Sequence[Entry],
        webhook_id: str,
        is_backlog: bool,
        thread_name: str = "",
    ) -> Message:
        """Return the message with its name, its thread, its flags and its mentions.

        :param entries: what the message shows
        :param is_backlog: whether these are old events, which mention no one
        :param thread_name: of the thread that it belongs into, empty for the webhook's own
        """
        # What a lane sends although it is held would be lost otherwise, and is silent, too.
        is_quiet = bool(self._quietness().loudness)
        loud = [entry for entry in entries if entry.is_important] if is_quiet else entries
        chosen = Chosen([], [])
        if not is_backlog:
            chosen = self._mentions.choose(loud, has_content=bool(message.content))

        roles, users, players, self._excess, self._once = chosen
        mentioned = [*map(role_mention, roles), *map(user_mention, users)]
        # That someone reconnected is nothing to look up for.
        is_silent = (
            all(one.presentation.silent for one in loud)
            if entries
            else is_quiet or message.has_ending
        )
        tags = entries[0].presentation.applied_tags if entries else ()
        thread = self._thread(thread_name, webhook_id, tags)
        place = self.place(thread.name, webhook_id)
        if place.name:
            self._threads.refresh()
            place = self.place(thread.name, webhook_id)

        self._threads.used(webhook_id, thread.name)
        self._is_elsewhere = place.is_other
        content, lacks_text = with_mentions(message.content, mentioned)
        return replace(
            message,
            content=content,
            shortened=max(message.shortened, lacks_text),
            # Exactly these and, with an empty "parse", no one else.
            allowed_mentions={"parse": [], "roles": roles, "users": [*users, *players]}
            if mentioned or players
            else message.allowed_mentions,
            flags=SUPPRESS_NOTIFICATIONS if is_silent else 0,
            username=message.username or self._username,
            avatar_url=message.avatar_url or self._avatar_url,
            thread_name=place.name,
            thread_id=place.thread_id,
            applied_tags=thread.tags if place.name else (),
        )

    # The thread

    def _thread(self, name: str, webhook_id: str, tags: tuple[str, ...] = ()) -> NamedThread:
        if name and self._threads.can_have(webhook_id, name):
            return NamedThread(name, tags)

        return self._own_thread()

    def place(self, name: str, webhook_id: str) -> Place:
        """Return where a message goes.

        :param name: of the thread that it belongs into, empty for none
        """
        own = self._config.thread_id or ""
        return self._threads.place(webhook_id, name, own) if name else Place(own)

    def in_first_thread(self, batch: list[Waiting[Entry]], webhook_id: str) -> list[Waiting[Entry]]:
        """Return what goes to the same thread as the first entry; the batch itself if that is all.

        :param batch: entries of this webhook, the oldest first
        """
        names = {waiting.entry.presentation.thread_name for waiting in batch}
        if len(names) < 2:
            return batch

        here = self._find(batch[0].entry.presentation.thread_name, webhook_id)
        there = {name for name in names if self._find(name, webhook_id) == here}
        if len(there) == len(names):
            return batch

        return [waiting for waiting in batch if waiting.entry.presentation.thread_name in there]

    def is_same_place(self, first: str, second: str, webhook_id: str) -> bool:
        """Return whether messages for threads of two names go to the same thread.

        :param first: empty for the webhook's own thread, as the second
        """
        return first == second or self._find(first, webhook_id) == self._find(second, webhook_id)

    def _find(self, name: str, webhook_id: str) -> tuple[str, str]:
        """Return the id of the thread of a name, or else the name of the thread to create."""
        return self.place(self._thread(name, webhook_id).name, webhook_id)[:2]

    def creation(self, message: Message, webhook_id: str) -> anyio.Event | None:
        """Return the end of another lane's request that creates the thread of a message, if any."""
        name = message.thread_name
        return self._threads.under_way(webhook_id, name) if name else None

    def begin(self, message: Message, webhook_id: str) -> Wait | None:
        """Record that a message is about to be sent.

        :return: how long to wait before, if it would create one thread too many
        """
        self._is_creating = False
        if not message.thread_name:
            return None

        wait = self._threads.begin(webhook_id, message.thread_name)
        self._is_creating = wait is None
        return wait

    def answered(self, message: Message, outcome: Outcome | None, webhook_id: str) -> None:
        """Record that a message is no longer under way.

        :param outcome: what became of it, None if that is not known
        """
        for ids in message.allowed_mentions.values():
            self._mentions.release(ids)

        if self._is_creating:
            self._is_creating = False
            may_exist = (
                outcome is None
                or outcome.kind is OutcomeKind.DELIVERED
                or (outcome.status is None and outcome.may_be_carried_out)
            )
            self._threads.end(webhook_id, message.thread_name, may_exist=may_exist)

    def avoid_thread(self, message: Message, outcome: Outcome, webhook_id: str) -> bool:
        """Send elsewhere, or later, what Discord creates no thread for; return whether that helps."""
        name = message.thread_name
        if name and outcome.code == TOO_MANY_THREADS:
            self._threads.pause(webhook_id)
            return True

        if name and outcome.code == NO_FORUM and not self._config.thread_name:
            # A route may name threads for several webhooks.
            self._threads.block(webhook_id)
            return True

        if not name or name == self._own_thread().name or not is_about_thread(outcome):
            return False

        self._threads.block(webhook_id, name)
        return True

    def forget_thread(self, webhook_id: str, thread_id: str) -> bool:
        """Forget a thread that the webhook created; return whether there was one."""
        return self._threads.forget(webhook_id, thread_id)

    def elsewhere_reason(self, webhook_id: str) -> str:
        """Why events are posted in another thread now, empty if they are not."""
        wait = self._threads.wait(webhook_id)
        if wait is None or not self.elsewhere:
            return ""

        duration = in_words(wait.seconds)
        return f"{wait.reason}, so further events go to the newest one, for {duration}"

    # The outcome

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

        if self._is_elsewhere:
            self.elsewhere += message.entries


def with_mentions(content: str, mentioned: Sequence[str]) -> tuple[str, bool]:
    """Return a content with mentions above it, and whether it lacks text for lack of room."""
    above = " ".join(mentioned)
    if not above or not content:
        return above or content, False

    # In a line of its own, since it may begin with the markup of a heading or a quote.
    room = limits.CONTENT_MAX_CHARACTERS - len(above) - 1
    shown = shorten_markdown(content, room) if room > 0 else ""
    return f"{above}\n{shown}".rstrip(), shown != content
