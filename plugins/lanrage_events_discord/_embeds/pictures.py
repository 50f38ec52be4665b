"""Gives messages the pictures that their embeds name, which are read once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.resources.abc import Traversable
from math import inf
from typing import Any, NamedTuple

import anyio

from lanrage_events.templates import OwnFile, read_in_thread

from .. import limits
from .embed import Embed
from .message import Message
from .picture import (
    PICTURE_MAX_BYTES,
    SHOWN_AS,
    Picture,
    attached,
    folder_key,
    read_picture,
    referred,
)

logger = logging.getLogger("lanrage_events.discord")

READ_SECONDS = 5.0
"""how long a message waits for its pictures, such as those on a network drive"""
KEPT_MAX_BYTES = 32 * 1024 * 1024
"""of all pictures that are kept for the next messages"""
_WITHOUT = "a message goes without its picture"
_TOO_SLOW = f"{_WITHOUT}: reading it takes too long"
_LOGGED_MAX = 1000
_REST_MAX_BYTES = 256 * 1024
"""of a request besides its pictures"""


class _Found(NamedTuple):
    picture: Picture | None
    problems: list[str]
    """why the files that are named before it are not shown"""


class Pictures:
    """Reads the pictures that embeds name, and keeps them until :meth:`use`.

    So a message that is sent again has the same bytes, even if the file is another one by then.

    :param folders: those in which the templates are
    """

    def __init__(self, folders: Iterable[Traversable] = ()) -> None:
        self._folders: dict[str, Traversable] = {}
        self._kept: dict[str, Picture] = {}
        """by reference, the latest at the end"""
        self._late_at: dict[str, float] = {}
        """when folders that something is read from now are late, by their keys"""
        self._logged: set[str] = set()
        self._rejected: set[str] = set()
        """the names of those that Discord rejected"""
        self.readings = 0
        """how often they were to be read again"""
        self.use(folders)

    def use(self, folders: Iterable[Traversable]) -> None:
        """Read each picture again when it is needed next, and only from these folders."""
        self._folders = {folder_key(folder): folder for folder in folders}
        self.readings += 1
        self._kept.clear()
        self._logged.clear()
        self._rejected.clear()

    def reject(self, message: Message) -> None:
        """Leave the largest picture of a message out from now on, since Discord rejected it for its files."""
        largest = max(message.files, key=len)
        self._rejected.add(largest.name)
        self._log(f"Discord rejects the picture {largest.name}: messages go without it")

    async def attach(
        self, message: Message, report: Callable[[str], object] | None = None
    ) -> Message:
        """Return a message with the pictures that its embeds name, without those that cannot be read.

        :param report: called with what is wrong; by default it is logged, once
        """
        is_slow = False
        with anyio.move_on_after(READ_SECONDS) as scope:
            for reference in self._unread(message):
                if self._is_stuck(reference):
                    is_slow = True
                else:
                    self._keep(reference, await self._read(reference, scope.deadline), report)

        if is_slow or scope.cancelled_caught:
            (report or self._log)(_TOO_SLOW)

        return self._with_pictures(message)

    def attach_now(self, message: Message) -> tuple[Message, list[str]]:
        """Do the same as :meth:`attach` at once, and return what is wrong."""
        problems: list[str] = []
        for reference in self._unread(message):
            self._keep(reference, self._find(reference), problems.append)

        return self._with_pictures(message), problems

    def _unread(self, message: Message) -> list[str]:
        return [one for one in dict.fromkeys(message.references) if one not in self._kept]

    def _is_stuck(self, reference: str) -> bool:
        """Whether a folder still owes an answer, as a network drive may do: it is not asked again."""
        now = anyio.current_time()
        return any(self._late_at.get(key, inf) <= now for key, _ in referred(reference))

    async def _read(self, reference: str, late_at: float) -> _Found:
        folders = [key for key, _ in referred(reference)]
        for key in folders:
            self._late_at.setdefault(key, late_at)

        def read() -> _Found:
            try:
                return self._find(reference)
            finally:
                for key in folders:
                    self._late_at.pop(key, None)

        return await read_in_thread(read)

    def _find(self, reference: str) -> _Found:
        """Read the first of the files that a reference names."""
        problems: list[str] = []
        for key, name in referred(reference):
            folder = self._folders.get(key)
            if folder is None:
                problems.append(
                    f"the folder of the file '{name}' is none of the templates any more"
                )
                continue

            try:
                file = OwnFile(folder, name)
                return _Found(read_picture(file, file.read(PICTURE_MAX_BYTES)), problems)
            except ValueError as error:
                problems.append(f"{folder.joinpath(name)}: {error}")

        return _Found(None, problems)

    def _keep(self, reference: str, found: _Found, report: Callable[[str], object] | None) -> None:
        why = "; ".join(found.problems)
        if found.picture is None:
            report = report or (lambda problem: self._log(f"{_WITHOUT}: {problem}"))
            report(why)
            return

        if found.problems and report is None:
            self._log(f"{why}: the fallback is shown", logging.INFO)

        self._kept[reference] = found.picture
        while sum(map(len, self._kept.values())) > KEPT_MAX_BYTES:
            del self._kept[next(iter(self._kept))]

    def _log(self, text: str, level: int = logging.WARNING) -> None:
        """Log a text once."""
        if text not in self._logged and len(self._logged) < _LOGGED_MAX:
            self._logged.add(text)
            logger.log(level, "%s", text)

    def _with_pictures(self, message: Message) -> Message:
        chosen = {one.name: one for one in message.pictures}
        room = limits.REQUEST_MAX_BYTES - _REST_MAX_BYTES
        embeds: list[Embed] = []
        for embed in message.embeds:
            changed: dict[str, Any] = {}
            for part in SHOWN_AS:
                reference = getattr(embed, part)
                if not referred(reference):
                    continue

                picture = self._kept.get(reference)
                if picture is not None and picture.name in self._rejected:
                    picture = None

                changed[part] = attached(picture) if picture is not None else ""
                if picture is None or picture.name in chosen:
                    continue

                if len(chosen) < limits.MESSAGE_MAX_FILES and len(picture) <= room:
                    chosen[picture.name] = picture
                    room -= len(picture)
                else:
                    changed[part] = ""
                    self._log(f"a message has no room for the picture {picture.name}")

            embeds.append(replace(embed, **changed) if changed else embed)

        if not chosen and embeds == list(message.embeds):
            return message

        return replace(message, embeds=tuple(embeds), pictures=tuple(chosen.values()))
