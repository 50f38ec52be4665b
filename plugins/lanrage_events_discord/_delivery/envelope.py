"""What a message has besides its embeds: a name, a thread, silence, mentions."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from .._config import WebhookConfig
from .._embeds import MENTIONS_MAX_IDS, SUPPRESS_NOTIFICATIONS, Message
from .._rendering import Entry

logger = logging.getLogger("lanrage_events.discord")


class Mentions:
    """Remembers whom all lanes mentioned, so that nobody is mentioned too often.

    Times are those of the event loop's clock.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._under_way: set[str] = set()
        """those whom a message mentions that is being sent"""

    def choose(self, entries: Iterable[Entry]) -> tuple[list[str], list[str]]:
        """Return the roles and the users that entries ask for and whose cooldown is over."""
        now = anyio.current_time()
        roles: dict[str, None] = {}
        users: dict[str, None] = {}
        for entry in entries:
            wanted = entry.presentation
            for ids, chosen in ((wanted.roles, roles), (wanted.users, users)):
                for one in ids:
                    is_free = one not in self._under_way or not wanted.cooldown
                    if is_free and now - self._last.get(one, float("-inf")) >= wanted.cooldown:
                        chosen[one] = None

        # Ten at once are a crowd; each is up to 24 characters of 2000.
        chosen_roles = list(roles)[: MENTIONS_MAX_IDS // 2]
        chosen_users = list(users)[: MENTIONS_MAX_IDS // 4]
        self._under_way.update(chosen_roles, chosen_users)
        return chosen_roles, chosen_users

    def release(self, ids: Iterable[str]) -> None:
        """Let other messages mention those whom an answered one mentions, once they may."""
        self._under_way.difference_update(ids)

    def note(self, ids: Iterable[str]) -> None:
        """Begin the cooldown of those who were mentioned."""
        self._last.update(dict.fromkeys(ids, anyio.current_time()))


class Threads:
    """Remembers which thread was created under which name, over restarts if there is a file.

    :param path: where; None to remember only as long as this object lives
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._ids: dict[str, str] = {}
        if path is not None:
            try:
                self._ids = dict(json.loads(path.read_text(encoding="utf-8")))
            except FileNotFoundError:
                pass
            except (OSError, ValueError, TypeError) as error:
                logger.warning("%s is not readable, so threads are created anew: %s", path, error)

    def find(self, webhook_id: str, name: str) -> str | None:
        """Return the id of the thread that a webhook created under a name."""
        return self._ids.get(f"{webhook_id}/{name}")

    def remember(self, webhook_id: str, name: str, thread_id: str) -> None:
        """Keep the id of a thread that was created."""
        self._ids[f"{webhook_id}/{name}"] = thread_id
        self._save()

    def forget(self, webhook_id: str, name: str) -> bool:
        """Forget a thread that does not exist any more; return whether it was known."""
        known = self._ids.pop(f"{webhook_id}/{name}", None) is not None
        if known:
            self._save()

        return known

    def _save(self) -> None:
        if self._path is None:
            return

        new = self._path.with_name(f"{self._path.name}.new")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(self._ids, file, ensure_ascii=False, indent=1)

            os.replace(new, self._path)
        except OSError as error:
            logger.warning("cannot keep the ids of threads in %s: %s", self._path, error)


class Presenter:
    """Gives the messages of one webhook what its configuration and its events ask for."""

    def __init__(self, config: WebhookConfig, mentions: Mentions, threads: Threads) -> None:
        self._config = config
        self._mentions = mentions
        self._threads = threads

    def present(
        self, message: Message, entries: Sequence[Entry], webhook_id: str, is_backlog: bool
    ) -> Message:
        """Return the message with its name, its thread, its flags and its mentions.

        :param entries: what the message tells
        :param is_backlog: whether that is old news, which mention nobody
        """
        roles, users = ([], []) if is_backlog else self._mentions.choose(entries)
        mentioned = [f"<@&{role}>" for role in roles] + [f"<@{user}>" for user in users]
        is_silent = bool(entries) and all(entry.presentation.silent for entry in entries)
        config = self._config
        new_thread = config.thread_name and not self._thread(webhook_id)
        return replace(
            message,
            content=" ".join(mentioned),
            # Exactly these and, with an empty "parse", nobody else.
            allowed_mentions={"parse": [], "roles": roles, "users": users}
            if mentioned
            else message.allowed_mentions,
            flags=SUPPRESS_NOTIFICATIONS if is_silent else 0,
            username=config.username or "",
            avatar_url=config.avatar_url or "",
            thread_name=config.thread_name or "" if new_thread else "",
        )

    def thread_id(self, webhook_id: str) -> str | None:
        """Return the thread to post to."""
        return self._config.thread_id or self._thread(webhook_id)

    def _thread(self, webhook_id: str) -> str | None:
        name = self._config.thread_name
        return self._threads.find(webhook_id, name) if name else None

    def answered(self, message: Message) -> None:
        """Take note that a message is not under way any more, whatever became of it."""
        for ids in message.allowed_mentions.values():
            self._mentions.release(ids)

    def delivered(self, message: Message, webhook_id: str, channel_id: str | None) -> None:
        """Remember whom a message mentioned and which thread it created."""
        for ids in message.allowed_mentions.values():
            self._mentions.note(ids)

        if message.thread_name and channel_id is not None:
            self._threads.remember(webhook_id, message.thread_name, channel_id)

    def thread_is_gone(self, webhook_id: str) -> bool:
        """Forget the thread of this webhook's own making; return whether there was one."""
        name = self._config.thread_name
        return bool(name) and self._threads.forget(webhook_id, name or "")
