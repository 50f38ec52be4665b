"""The threads that webhooks have created in forum channels, and how many more they may create."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import anyio

from lanrage_events.abc import Person

from .._memory import Memory, from_wall, to_wall

MAX_REMEMBERED = 500
"""names that are remembered for a webhook, those that were used last"""
MAX_BLOCKED = 1000
"""names that are remembered because Discord creates no thread of them"""
# Names may come from players: a forum must not fill up because someone renames a party.
MAX_NEW = 10
"""threads that a webhook creates in :data:`NEW_SECONDS`"""
NEW_SECONDS = 3600.0
TOO_MANY_CREATED = f"{MAX_NEW} forum posts were created within an hour"
_POST = "\n"
"""what no name begins with that a template gives"""
PAUSE_SECONDS = 600.0
"""how long no thread is created after Discord said that there are too many"""
TOO_MANY_ACTIVE = "the server has too many active forum posts"


class Place(NamedTuple):
    """Where a message goes."""

    thread_id: str = ""
    """empty for a thread to create, or for the channel"""
    name: str = ""
    """of the thread to create, empty for none"""
    is_other: bool = False
    """whether it is another thread than the one that was asked for"""


class Wait(NamedTuple):
    """How long a webhook may create no thread."""

    seconds: float
    reason: str
    """why"""


def post_name(card_id: str) -> str:
    """Return by which name the post of a card is remembered, which another thread cannot have."""
    return f"{_POST}{card_id}"


class Threads:
    """Remembers which thread was created under which name, and when.

    A webhook creates a few threads an hour. Beyond that, its newest one takes the place of those that
    do not exist.

    :param memory: remembers the threads over restarts; None to remember them as long as this object
        lives
    :param creations: the same for when threads were created
    """

    def __init__(self, memory: Memory | None = None, creations: Memory | None = None) -> None:
        self._memory = memory or Memory(None, "")
        self._creations = creations or Memory(None, "")
        self._ids: dict[str, str] = self._memory.read(_strings, {})
        """by the id of the webhook and the name, the last used at the end"""
        self._created: dict[str, list[float]] = self._creations.read(self._parse, {})
        """by the id of the webhook, when it created its last threads, on the event loop's clock"""
        self._paused_until: dict[str, float] = {}
        """by the id of the webhook, until when Discord creates no thread for it"""
        self._blocked: dict[str, None] = {}
        """the ids of webhooks, or with a name, for which Discord creates no thread, the latest last"""
        self._gone: dict[str, None] = {}
        """the ids that were forgotten last, which a file that could not be written still has"""
        self._under_way: dict[str, anyio.Event] = {}
        """by the id of the webhook and the name, the ends of requests that create a thread"""
        self._newest: dict[str, str] = {}
        """by the id of the webhook, as far as it was looked up since something changed"""

    def refresh(self) -> None:
        """Read what the command ``test`` may have created meanwhile."""
        known: dict[str, str] = {}
        created: dict[str, list[float]] = {}
        found = self._memory.read(_strings, known)
        self._ids = {key: one for key, one in found.items() if one not in self._gone} | self._ids
        self._newest.clear()
        for webhook_id, times in self._creations.read(self._parse, created).items():
            if len(times) > len(self._recent(webhook_id, anyio.current_time())):
                self._created[webhook_id] = times

    def place(self, webhook_id: str, name: str, other: str = "") -> Place:
        """Return where a message goes that belongs into the thread of a name.

        :param other: the id of the thread for what has none, if the webhook created no other
        """
        thread_id = self._ids.get(f"{webhook_id}/{name}")
        if thread_id is not None:
            return Place(thread_id)

        if webhook_id in self._blocked:
            return Place(other)

        if self.wait(webhook_id) and (other := self._find_newest(webhook_id) or other):
            return Place(other, is_other=True)

        return Place(name=name)

    def can_have(self, webhook_id: str, name: str) -> bool:
        """Whether a message can go to the thread of a name: the post of a card is not created here."""
        key = f"{webhook_id}/{name}"
        return key not in self._blocked and (not name.startswith(_POST) or key in self._ids)

    def wait(self, webhook_id: str) -> Wait | None:
        """Return how long a webhook may create no thread, None if it may now."""
        now = anyio.current_time()
        recent = self._recent(webhook_id, now)
        limit = recent[-MAX_NEW] + NEW_SECONDS - now if len(recent) >= MAX_NEW else 0.0
        pause = self._paused_until.get(webhook_id, now) - now
        if max(limit, pause) <= 0:
            return None

        return Wait(limit, TOO_MANY_CREATED) if limit >= pause else Wait(pause, TOO_MANY_ACTIVE)

    def _recent(self, webhook_id: str, now: float) -> list[float]:
        return [at for at in self._created.get(webhook_id, ()) if at > now - NEW_SECONDS]

    def under_way(self, webhook_id: str, name: str) -> anyio.Event | None:
        """Return the end of a request that creates a thread; None if there is none."""
        return self._under_way.get(f"{webhook_id}/{name}")

    def begin(self, webhook_id: str, name: str) -> Wait | None:
        """Count a thread that is about to be created; return how long to wait if it may not be.

        If it may, the caller calls :meth:`end` afterwards.
        """
        if wait := self.wait(webhook_id):
            return wait

        now = anyio.current_time()
        self._created[webhook_id] = [*self._recent(webhook_id, now), now]
        # Before the request: if the process ends before the answer, it may have been created.
        self._write_creations()
        self._under_way[f"{webhook_id}/{name}"] = anyio.Event()
        return None

    def end(self, webhook_id: str, name: str, *, may_exist: bool) -> None:
        """Record that the request that creates a thread has ended.

        :param may_exist: whether Discord may have created it; if not, it is not counted
        """
        if (event := self._under_way.pop(f"{webhook_id}/{name}", None)) is not None:
            event.set()

        if not may_exist and (times := self._created.get(webhook_id)):
            times.pop()
            self._write_creations()

    def block(self, webhook_id: str, name: str = "") -> None:
        """Create no thread of a name, or none at all, since Discord does not."""
        _put(self._blocked, f"{webhook_id}/{name}" if name else webhook_id, MAX_BLOCKED)

    def pause(self, webhook_id: str) -> None:
        """Create no thread for a while, since Discord has too many."""
        self._paused_until[webhook_id] = anyio.current_time() + PAUSE_SECONDS

    def remember(self, webhook_id: str, name: str, thread_id: str) -> None:
        """Keep the id of a thread that was created."""
        self._ids[f"{webhook_id}/{name}"] = thread_id
        self._newest.clear()
        known = [key for key, _ in self._of(webhook_id)]
        for key in known[: max(0, len(known) - MAX_REMEMBERED)]:
            del self._ids[key]

        self._memory.write(self._ids)

    def used(self, webhook_id: str, name: str) -> None:
        """Record that a message goes to a thread, so that others are forgotten before it."""
        key = f"{webhook_id}/{name}"
        if key in self._ids:
            self._ids[key] = self._ids.pop(key)

    def forget(self, webhook_id: str, thread_id: str) -> bool:
        """Forget a thread that does not exist any more; return whether it was known."""
        return self._forget([key for key, one in self._of(webhook_id) if one == thread_id])

    def forget_person(self, person: Person) -> int:
        """Forget the threads whose names name a person, and return how many."""
        found = [key for key in self._ids if person.is_in(key.partition("/")[2])]
        self._forget(found)
        return len(found)

    def _forget(self, keys: list[str]) -> bool:
        for key in keys:
            _put(self._gone, self._ids.pop(key), MAX_REMEMBERED)

        self._newest.clear()
        if keys:
            self._memory.write(self._ids)

        return bool(keys)

    def _find_newest(self, webhook_id: str) -> str:
        if webhook_id not in self._newest:
            # Discord's ids are in the order of time: https://docs.discord.com/developers/reference#snowflakes
            ids = (one for key, one in self._of(webhook_id) if _POST not in key)
            self._newest[webhook_id] = max(ids, key=_by_time, default="")

        return self._newest[webhook_id]

    def _of(self, webhook_id: str) -> Iterator[tuple[str, str]]:
        prefix = f"{webhook_id}/"
        return ((key, one) for key, one in self._ids.items() if key.startswith(prefix))

    def _write_creations(self) -> None:
        now, wall_now = anyio.current_time(), self._creations.wall_time()
        recent = {
            webhook_id: [to_wall(at, now, wall_now) for at in self._recent(webhook_id, now)]
            for webhook_id in self._created
        }
        self._creations.write({key: times for key, times in recent.items() if times})

    def _parse(self, data: Any) -> dict[str, list[float]]:
        now, wall_now = anyio.current_time(), self._creations.wall_time()
        return {
            webhook_id: [from_wall(at, now, wall_now) for at in times[-MAX_NEW:]]
            for webhook_id, times in data.items()
        }


def _put(found: dict[str, None], key: str, most: int) -> None:
    """Remember a key, and forget the one that was put first."""
    found[key] = None
    if len(found) > most:
        del found[next(iter(found))]


def _by_time(thread_id: str) -> tuple[int, str]:
    return len(thread_id), thread_id


def _strings(data: Any) -> dict[str, str]:
    if not all(isinstance(value, str) for value in data.values()):
        raise ValueError("expected strings")

    return dict(data)
