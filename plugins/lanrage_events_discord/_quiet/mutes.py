"""Mutes: for a while, all webhooks or one of them post nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import anyio

from lanrage_events.abc import Person

from .._memory import Memory, number
from .calendar import Loudness

LONGEST_DAYS = 31
MAX_CHARACTERS = 200
"""of the texts of a mute"""
MAX_MUTES = 1000

_ALL = ""
"""stands for all webhooks, in a file as well: no webhook has an empty name"""


@dataclass(frozen=True, slots=True)
class Mute:
    """Why and until when webhooks are muted."""

    since: datetime
    """in UTC"""
    until: datetime
    """in UTC"""
    by: str = ""
    """who muted them, in one line"""
    why: str = ""
    """the reason, in one line"""
    then: Loudness = Loudness.HOLD
    """what happens to messages meanwhile"""

    @classmethod
    def starting(cls, now: datetime, seconds: float, *, by: str, why: str, then: str) -> Self:
        """Return a mute that begins now.

        :param then: ``silent``, ``hold`` or ``drop``
        """
        until = now + timedelta(seconds=seconds)
        return cls(now, until, one_line(by), one_line(why), Loudness[then.upper()])

    def without(self, person: Person) -> Mute:
        """Return it without the texts that name a person."""
        by, why = ("" if person.is_in(text) else text for text in (self.by, self.why))
        return replace(self, by=by, why=why)

    @property
    def reason(self) -> str:
        """Who muted and why, to follow until when."""
        return (self.by and f" by {self.by}") + (self.why and f" ({self.why})")

    def at(self, now: datetime) -> Mute:
        """Return it as it is at a time: if the clock was set back, it lasts no longer than before."""
        if now >= self.since:
            return self

        return replace(self, since=now, until=now + (self.until - self.since))


class Mutes:
    """The mutes that last, which are kept over restarts.

    :param memory: keeps them; they last as long as this object if it keeps nothing
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._by_webhook: dict[str, Mute] = {}
        self._changing = anyio.Lock()
        self.version = 0
        """how many times they changed"""
        self.reload()

    def reload(self) -> None:
        """Read them again: another process may have changed them."""
        if self._memory.is_kept or not self.version:
            self._by_webhook = self._memory.read(_parse, {})
            self.version += 1

    def now(self) -> datetime:
        """Return the time by which they last, in UTC."""
        return datetime.fromtimestamp(self._memory.wall_time(), UTC)

    def all(self) -> dict[str | None, Mute]:
        """Return those that last, by webhook; None stands for all webhooks."""
        now = self.now()
        # Kept, or the end of a mute would go on as the clock does.
        self._by_webhook = {name: mute.at(now) for name, mute in self._by_webhook.items()}
        return {name or None: mute for name, mute in self._by_webhook.items() if mute.until > now}

    def of(self, webhook: str) -> list[Mute]:
        """Return those that last for a webhook."""
        if not self._by_webhook:
            return []

        found = self.all()
        return [found[name] for name in (None, webhook) if name in found]

    async def add(self, webhook: str | None, mute: Mute) -> None:
        """Mute a webhook, or all, on the disk once this returns; an earlier mute of it ends.

        :param webhook: its name; None for all
        :raises OSError: if it cannot be kept; nothing has changed then
        """
        async with self._changing:
            self.reload()
            await self._save({**self.all(), webhook: mute})

    async def remove(self, webhook: str | None) -> dict[str | None, Mute]:
        """End mutes, on the disk once this returns, and return them by webhook.

        :param webhook: the name of the one whose mute ends; None for every mute
        :raises OSError: if it cannot be kept; nothing has changed then
        """
        async with self._changing:
            self.reload()
            current = self.all()
            ended = {name: mute for name, mute in current.items() if webhook in (None, name)}
            if ended:
                await self._save({name: one for name, one in current.items() if name not in ended})

        return ended

    async def forget(self, person: Person) -> int:
        """Remove the texts of mutes that name a person, and return of how many mutes.

        :raises OSError: if it cannot be kept; nothing has changed then
        """
        async with self._changing:
            self.reload()
            # Those that are over are in the file until it is written again.
            known = self._by_webhook.values()
            count = sum(mute != mute.without(person) for mute in known)
            if count:
                await self._save({name: one.without(person) for name, one in self.all().items()})

        return count

    async def rename(self, webhook: str, to: str) -> None:
        """Let a mute last for a webhook under its new name, as far as it can be kept."""
        async with self._changing:
            self.reload()
            current = self.all()
            if webhook in current:
                current[to] = current.pop(webhook)
                await self._save(current)

    async def _save(self, mutes: Mapping[str | None, Mute]) -> None:
        # What ends last, should there be so many.
        latest = sorted(mutes.items(), key=lambda item: item[1].until)[-MAX_MUTES:]
        await self._memory.save({name or _ALL: _to_data(mute) for name, mute in latest})
        self._by_webhook = {name or _ALL: mute for name, mute in latest}
        self.version += 1


def check_length(seconds: float) -> float:
    """Return for how long something is muted.

    :raises ValueError: if it is too short or too long
    """
    if seconds <= 0:
        raise ValueError("a mute takes some time: to end one, unmute")

    if seconds > LONGEST_DAYS * 86_400:
        remedy = "remove a webhook that is to post nothing, or give its routes no webhook"
        raise ValueError(f"that is too long for a mute: {remedy}")

    return seconds


def _to_data(mute: Mute) -> dict[str, Any]:
    times = {"since": mute.since.timestamp(), "until": mute.until.timestamp()}
    return {**asdict(mute), **times, "then": mute.then.word}


def _parse(data: Any) -> dict[str, Mute]:
    return {name: _from_data(parts) for name, parts in data.items()}


def _from_data(data: Any) -> Mute:
    since, until = (datetime.fromtimestamp(number(data[key]), UTC) for key in ("since", "until"))
    by, why = (one_line(str(data[key])) for key in ("by", "why"))
    latest = since + timedelta(days=LONGEST_DAYS)
    return Mute(since, min(until, latest), by, why, Loudness[data["then"].upper()])


def one_line(text: str) -> str:
    """Return a text without line breaks and control characters, and not too long."""
    shown = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return shown if len(shown) <= MAX_CHARACTERS else f"{shown[: MAX_CHARACTERS - 1]}…"
