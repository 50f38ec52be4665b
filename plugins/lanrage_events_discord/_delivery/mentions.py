"""Whom messages mention, and how often."""

from __future__ import annotations

from collections.abc import Iterable

import anyio

from .._embeds import limits
from .._rendering import Entry


class Mentions:
    """Remembers whom the lanes mentioned, so that no one is mentioned too often.

    Times are those of the event loop's clock.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._under_way: set[str] = set()
        """ids that a message under way mentions"""

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

        # Discord allows more, but each mention takes up to 24 of the content's 2000 characters.
        chosen_roles = list(roles)[: limits.MENTIONS_MAX_IDS // 2]
        chosen_users = list(users)[: limits.MENTIONS_MAX_IDS // 4]
        self._under_way.update(chosen_roles, chosen_users)
        return chosen_roles, chosen_users

    def release(self, ids: Iterable[str]) -> None:
        """Let other messages mention what an answered message mentioned."""
        self._under_way.difference_update(ids)

    def start_cooldown(self, ids: Iterable[str]) -> None:
        """Start the cooldown of those that were mentioned."""
        self._last.update(dict.fromkeys(ids, anyio.current_time()))
