"""Webhooks of the stand-in, and the channels that they post to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]
"""Discord's message object, as JSON gives it."""

_TOKEN_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"  # noqa: S105
_TOKEN_LENGTH = 68
_TOKEN_PREFIX = "made-up-token-"  # noqa: S105


def make_snowflakes() -> Iterator[str]:
    """Return an iterator of ids like Discord's: long, ascending and never used twice."""
    return map(str, count(1_400_000_000_001_048_583, 1_048_583))


@dataclass(slots=True)
class Channel:
    """A channel and its threads."""

    id: str
    name: str
    forum: bool
    require_tag: bool
    threads: dict[str, str] = field(default_factory=dict)
    """name of each thread by its id"""
    locked: set[str] = field(default_factory=set)
    """ids of the threads that take no messages"""


class StandInWebhook:
    """A webhook of the stand-in; make one with :meth:`StandInDiscord.create_webhook`."""

    def __init__(
        self, channel: Channel, name: str, snowflakes: Iterator[str], base_url: Callable[[], str]
    ) -> None:
        self._channel = channel
        self._snowflakes = snowflakes
        self._base_url = base_url
        self._messages: dict[str, Message] = {}
        self._attachments: dict[str, list[dict[str, Any]]] = {}
        self._avatar: str | None = None
        self._messages_left: int | None = None
        self.name = name
        self.id: str = next(snowflakes)
        letters = random.Random(self.id).choices(  # noqa: S311
            _TOKEN_CHARACTERS, k=_TOKEN_LENGTH - len(_TOKEN_PREFIX)
        )
        self.token: str = _TOKEN_PREFIX + "".join(letters)

    def __repr__(self) -> str:
        return f"<StandInWebhook {self.id} in #{self._channel.name}>"

    @property
    def url(self) -> str:
        """The address to post to: on the loopback server once there is one, or on discord.com."""
        return f"{self._base_url()}/api/webhooks/{self.id}/{self.token}"

    @property
    def channel_id(self) -> str:
        """Id of the channel that it posts to."""
        return self._channel.id

    @property
    def threads(self) -> dict[str, str]:
        """Name of each thread of its channel by the thread's id."""
        return dict(self._channel.threads)

    @property
    def messages(self) -> list[Message]:
        """What people see: its messages with their edits, without those that were deleted."""
        return list(self._messages.values())

    @property
    def deleted(self) -> bool:
        """Whether it is gone."""
        return self._messages_left == 0

    def create_thread(self, name: str) -> str:
        """Make a thread in its channel and return the thread's id."""
        thread_id = next(self._snowflakes)
        self._channel.threads[thread_id] = name
        return thread_id

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread of its channel with this webhook's messages, as a moderator does in Discord.

        :raises LookupError: if there is no such thread
        """
        if self._channel.threads.pop(thread_id, None) is None:
            raise LookupError(f"{self!r} has no thread {thread_id}")

        for id in [id for id, one in self._messages.items() if one["channel_id"] == thread_id]:
            self.delete_message(id)

    def lock_thread(self, thread_id: str) -> None:
        """Lock a thread of its channel, so that webhooks post nothing there.

        :raises LookupError: if there is no such thread
        """
        if thread_id not in self._channel.threads:
            raise LookupError(f"{self!r} has no thread {thread_id}")

        self._channel.locked.add(thread_id)

    def delete(self, *, after_messages: int = 0) -> None:
        """Delete it.

        :param after_messages: how many more messages it accepts before
        """
        self._messages_left = after_messages

    def delete_message(self, message_id: str) -> None:
        """Delete one of its messages, as a moderator does in Discord.

        :raises LookupError: if it has no such message
        """
        if self._messages.pop(message_id, None) is None:
            raise LookupError(f"{self!r} has no message {message_id}")

        del self._attachments[message_id]

    def _keep(self, message: Message, attachments: list[dict[str, Any]]) -> None:
        self._messages[message["id"]] = message
        self._attachments[message["id"]] = attachments

    def _post(self, message: Message, attachments: list[dict[str, Any]]) -> None:
        self._keep(message, attachments)
        if self._messages_left:
            self._messages_left -= 1
