"""Forgetting: a person is removed from plugins and outboxes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from .._exceptions import OutboxError, PluginError, StateInUse
from .._file_lock import FileLock, LockedError, is_own
from .._rules import NamedPerson
from ..abc import Bus, Person
from ..outbox import DeadLetter, Outbox, OutboxAdmin, OutboxEntry, Storage
from ..state import open_regular

_PAGE = 100
_SUFFIX = ".outbox"
_DRAIN_SECONDS = 30.0
_LOCK_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed in one place."""

    place: str
    """such as ``plugin 'parties'`` or ``outbox 'discord'``"""
    removed: Mapping[str, int] = field(default_factory=dict)
    """counts by what they are of, such as ``dead letters``"""
    problem: str = ""
    """why not everything could be removed"""


@dataclass(frozen=True, slots=True)
class ForgetReport:
    """What was removed of a person, and what was not."""

    found: Sequence[Forgotten]
    """the places where something was removed, or could not be"""
    unasked: Sequence[str]
    """the plugins that have no hook for this, which may keep something in places of their own"""


async def forget(bus: Bus, name: str) -> ForgetReport:
    """Remove a person from everything that the plugins of a bus keep.

    What was published before is handled first. The hook ``forget`` of each plugin is called, and in every outbox the entries and the dead letters
    that name the person are dropped. What was delivered already stays where it is.

    :param bus: it runs in this process, or was never started; then no other process may use its
        state folder
    :param name: the name or the id of the person, as in the rule ``hide``
    :raises ValueError: if the name would be anyone's
    :raises StateInUse: if another process uses the state folder
    :raises OSError: if its lock cannot be opened
    """
    person = NamedPerson(name, bus.state_folder)
    with _alone_in(bus.state_folder):
        late = await _handle_published(bus)
        found, unasked = await _ask_plugins(bus, person)
        found += [*await _search_outboxes(bus, person), *late]

    return ForgetReport([one for one in found if one.removed or one.problem], unasked)


async def _handle_published(bus: Bus) -> list[Forgotten]:
    """Wait until plugins have what was published before, so that none of it comes afterwards."""
    with anyio.move_on_after(_DRAIN_SECONDS) as scope:
        await bus.drain()

    problem = f"not all were handled within {_DRAIN_SECONDS:.0f} seconds: run this again"
    return [Forgotten("published events", problem=problem)] if scope.cancelled_caught else []


async def _ask_plugins(bus: Bus, person: Person) -> tuple[list[Forgotten], list[str]]:
    """Return what the plugins removed, and which of them cannot be asked."""
    found: list[Forgotten] = []
    unasked: list[str] = []
    # What these hooks declare is searched without the plugins.
    searched = bus.query("outbox").keys() | bus.query("written_files").keys()
    for plugin in tuple(bus.plugins):
        place = f"plugin '{plugin}'"
        try:
            removed = await bus.plugins.forget(plugin, person)
        except PluginError as error:
            found.append(Forgotten(place, problem=error.reason))
            continue

        if removed is not None:
            found.append(Forgotten(place, _without_zeros(removed)))
        elif plugin not in searched:
            unasked.append(plugin)

    return found, unasked


async def _search_outboxes(bus: Bus, person: Person) -> list[Forgotten]:
    """Drop what waits or was rejected, in the outboxes that are open and in those of no plugin."""
    open_ones = {name: one for name, one in bus.query("outbox").items() if one is not None}
    found = [await _forget_in(one, person, name) for name, one in open_ones.items()]
    paths = {getattr(one, "path", None) for one in open_ones.values()}
    files = [] if bus.state_folder is None else sorted(bus.state_folder.glob(f"*{_SUFFIX}"))
    for file in files:
        if file not in paths:
            name = file.name.removesuffix(_SUFFIX)
            try:
                async with Outbox.administer(file) as outbox:
                    found.append(await _forget_in(outbox, person, name))
            except OutboxError as error:
                found.append(Forgotten(f"outbox '{name}'", problem=str(error)))

    return found


async def _forget_in(storage: Storage | OutboxAdmin, person: Person, name: str) -> Forgotten:
    removed: dict[str, int] = {}
    problem = ""
    try:
        for what, read in (
            ("waiting entries dropped", storage.pending),
            ("dead letters dropped", storage.dead_letters),
        ):
            after = 0
            while page := await read(after=after, limit=_PAGE):
                after = page[-1].id
                ids = [entry.id for entry in page if person.is_in(_texts(entry))]
                removed[what] = removed.get(what, 0) + (await storage.drop(ids) if ids else 0)

        if isinstance(storage, Outbox | OutboxAdmin):
            await storage.compact()
    except (OutboxError, anyio.ClosedResourceError) as error:
        problem = str(error) or "it was closed"

    return Forgotten(f"outbox '{name}'", _without_zeros(removed), problem)


def _texts(entry: OutboxEntry) -> list[object]:
    try:
        body: object = json.loads(entry.body)
    except ValueError:
        body = entry.body

    answers = [entry.reason, entry.detail] if isinstance(entry, DeadLetter) else []
    return [body, entry.last_error, *answers]


def _without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    return {what: count for what, count in counts.items() if count}


@contextmanager
def _alone_in(folder: Path | None) -> Iterator[None]:
    """Keep other processes from using a state folder, unless this one does already."""
    locks = [] if folder is None else sorted(folder.glob("*.lock"))
    if folder is None or any(map(is_own, locks)):
        yield
        return

    with ExitStack() as held:
        for path in locks:
            try:
                held.callback(FileLock(path).release)
            except LockedError:
                raise StateInUse(folder, _owner(path)) from None

        yield


def _owner(path: Path) -> int | None:
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as file:
            pid = json.loads(file.read(_LOCK_MAX_BYTES))["pid"]

        return pid if isinstance(pid, int) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
