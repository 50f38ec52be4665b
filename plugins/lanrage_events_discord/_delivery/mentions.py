"""Whom messages mention, and how often."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, NamedTuple

import anyio

from .. import limits
from .._embeds import fit_mentions
from .._memory import Memory, from_wall, to_wall
from .._rendering import Entry

PLAYER_COOLDOWN_SECONDS = 300.0
"""in which the content of messages mentions nobody again, unless the route has another cooldown"""
WRITE_INTERVAL_SECONDS = 1.0
MAX_REMEMBERED = 1000
"""roles and users that are remembered over restarts, with and without a party, those that were
mentioned last"""


class Chosen(NamedTuple):
    """Whom a message mentions."""

    roles: list[str]
    users: list[str]
    players: tuple[str, ...] = ()
    """users whom the content mentions"""
    excess: int = 0
    """how many more it would mention if it had room for them"""
    once: tuple[str, ...] = ()
    """what is remembered of those who are mentioned only once"""


class Mentions:
    """Remembers whom the lanes mentioned, so that no one is mentioned too often.

    Times are those of the event loop's clock.

    :param memory: remembers it over restarts; None to remember it as long as this object lives
    """

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or Memory(None, "")
        self._last: dict[str, float] = {}
        """by id, the latest at the end; and by id and party, where that is only once in a party"""
        self._under_way: set[str] = set()
        """ids that a message under way mentions"""
        self._is_written = True
        self._written_at = -math.inf
        self._restore()

    def choose(self, entries: Iterable[Entry], *, has_content: bool = False) -> Chosen:
        """Return the roles and the users that entries ask for and whose cooldown is over.

        :param has_content: whether the message shows what stands above the embeds of the entries
        """
        now = anyio.current_time()
        roles: dict[str, None] = {}
        users: dict[str, None] = {}
        players: dict[str, None] = {}
        once: dict[str, str] = {}
        for entry in entries:
            wanted = entry.presentation
            if wanted.mentions_until and self._memory.wall_time() >= wanted.mentions_until:
                continue

            for ids, found in ((wanted.roles, roles), (wanted.users, users)):
                for one in ids:
                    is_free = one not in self._under_way or not (wanted.cooldown or wanted.once)
                    key = f"{one} {wanted.once}" if wanted.once else ""
                    if key in self._last or not is_free:
                        continue

                    if now - self._last.get(one, -math.inf) >= wanted.cooldown:
                        found[one] = None
                        if key:
                            once[key] = one

            if has_content:
                cooldown = wanted.cooldown or PLAYER_COOLDOWN_SECONDS
                for one in entry.extras.players:
                    is_over = now - self._last.get(one, -math.inf) >= cooldown
                    if is_over and one not in self._under_way:
                        players[one] = None

        chosen = Chosen(*fit_mentions(roles, users))
        room = limits.MENTIONS_MAX_IDS - len(chosen.users)
        others = (one for one in players if one not in chosen.users)
        chosen = chosen._replace(players=tuple(islice(others, room)))
        mentioned = {*chosen.roles, *chosen.users}
        self._under_way.update(mentioned, chosen.players)
        excess = len(roles) + len(users) - len(mentioned)
        keys = tuple(key for key, one in once.items() if one in mentioned)
        return chosen._replace(excess=excess, once=keys)

    def release(self, ids: Iterable[str]) -> None:
        """Let other messages mention what an answered message mentioned."""
        self._under_way.difference_update(ids)

    def forget_parties(self, keys: Collection[str]) -> None:
        """Let parties that are over mention everyone again, should they begin again.

        :param keys: at the ends of what :attr:`Presentation.once` is in their entries
        """
        if found := [one for one in self._last if " " in one and one.rpartition(" ")[2] in keys]:
            for one in found:
                del self._last[one]

            self._is_written = False
            self.save()

    def start_cooldown(self, ids: Iterable[str]) -> None:
        """Start the cooldown of those that were mentioned.

        :param ids: theirs, and what :meth:`choose` returned as ``once``
        """
        now = anyio.current_time()
        is_new = False
        for one in ids:
            is_new |= now - self._last.pop(one, -math.inf) >= WRITE_INTERVAL_SECONDS
            self._last[one] = now
            self._is_written = False

        self._forget_oldest()
        # Without a cooldown each message may mention someone.
        if is_new or now - self._written_at >= WRITE_INTERVAL_SECONDS:
            self.save()

    def _forget_oldest(self) -> None:
        # Parties come from outside, and so do players whom a plugin knows: neither displace the others.
        if (excess := len(self._last) - MAX_REMEMBERED) > 0:
            parties = [one for one in self._last if " " in one]
            ids = [one for one in self._last if " " not in one]
            for one in max(parties, ids, key=len)[:excess]:
                del self._last[one]

    # Over restarts

    def save(self) -> None:
        """Write what has changed since the last time."""
        if self._is_written or not self._memory.is_kept:
            return

        now, wall_now = anyio.current_time(), self._memory.wall_time()
        last = self._last.items()
        self._memory.write({one: to_wall(at, now, wall_now) for one, at in last})
        # A disk that does not take it is not asked again for each message either.
        self._is_written, self._written_at = True, now

    def _restore(self) -> None:
        known: dict[str, float] = self._memory.read(self._parse, {})
        self._last.update(sorted(known.items(), key=lambda item: item[1]))

    def _parse(self, data: Any) -> dict[str, float]:
        now, wall_now = anyio.current_time(), self._memory.wall_time()
        return {one: from_wall(at, now, wall_now) for one, at in data.items()}
