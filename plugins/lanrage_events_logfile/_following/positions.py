"""The saved positions: how far each log file was read."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lanrage_events.abc import Person
from lanrage_events.config import ConfigError
from lanrage_events.state import StateFile, replace_file

from .._parsing import Roster
from .checkpoint import Checkpoint, Sample

logger = logging.getLogger(__name__)

_VERSION = 1
DONE_MAX = 16
SAMPLES_MAX = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that matches the path and is not new: what it had when it was first seen."""

    size: int
    head: str


@dataclass(slots=True)
class Position:
    """How far the events of one configured file are delivered."""

    mark: Checkpoint | None
    """None if there was no file yet"""
    file_id: str
    """the prefix of the ids of the file's events"""
    roster: Roster
    """the players after the last delivered line"""
    done: list[Checkpoint]
    """the ends of the files read before, up to :data:`DONE_MAX`"""
    samples: list[Sample] = field(default_factory=list)
    """places of events in the file, up to :data:`SAMPLES_MAX`"""
    seen: dict[int, Seen] | None = None
    """by inode, the other files that match the path; None if the version before has written this"""

    def leave(self) -> None:
        """Remember the end of the file, since it may grow again."""
        if self.mark is not None:
            self.done.append(self.mark)

        for mark in self.done[:-DONE_MAX]:
            if self.seen is not None:
                self.seen[mark.inode] = Seen(mark.offset, mark.head)

        self.done = self.done[-DONE_MAX:]

    def sample(self, sample: Sample) -> None:
        """Add the place of the last event; of too many, one that is close to others is removed."""
        samples = [*self.samples, sample]
        if len(samples) > SAMPLES_MAX:
            gaps = [samples[i + 1].offset - samples[i - 1].offset for i in range(1, SAMPLES_MAX)]
            del samples[1 + gaps.index(min(gaps))]

        self.samples = samples


_POSITION = TypeAdapter(Position)


class PositionStore:
    """Keep the positions of all files in one small file.

    A position survives a crash of the daemon, but is not forced to the disk, since what is delivered
    from the outbox is not either.

    :param path: the file, None to keep them in memory only
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file = StateFile(path)
        self._parts: dict[str, bytes] = {}

    def load(self) -> None:
        """Read the file, if there is one; log and ignore invalid content.

        :raises ConfigError: if the file exists and cannot be read
        """
        try:
            data = self._file.read({"version": _VERSION, "files": {}})
            if data["version"] != _VERSION:
                raise ValueError(f"version {data['version']} is not known")

            self._parts = {name: json.dumps(part).encode() for name, part in data["files"].items()}
        except OSError as error:
            # Without it, what came last would be delivered again, or not at all.
            problem = f"'{self.path}' cannot be read: {error.strerror or error}"
            raise ConfigError([f"{problem}; give the user who runs this the right to"]) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            with suppress(OSError):
                self._file.move_aside()

            logger.warning("'%s' cannot be read, so every file counts as new: %s", self.path, error)

    def get(self, name: str) -> Position | None:
        """Return the saved position of a configured file, if any."""
        part = self._parts.get(name, b"null")
        if part == b"null":
            return None

        try:
            return _POSITION.validate_json(part)
        except ValidationError as error:
            problem = error.errors()[0]
            logger.warning(
                "the position of '%s' in '%s' cannot be read, so it counts as new: %s: %s",
                name,
                self.path,
                ".".join(map(str, problem["loc"])),
                problem["msg"],
            )
            return None

    def forget(self, person: Person) -> int:
        """Remove a person from the players of all files, and return how many players that were.

        :raises OSError: if it cannot be written
        """
        removed = 0
        for name in self._parts:
            position = self.get(name)
            if position is not None and (count := position.roster.forget(person)):
                self.save(name, position)
                removed += count

        return removed

    def save(self, name: str, position: Position) -> None:
        """Save the position of a configured file.

        :raises OSError: if it cannot be written
        """
        self._parts[name] = _POSITION.dump_json(position)
        if self.path is not None:
            # Joined, since the positions of the other files are the same as before.
            files = b", ".join(
                json.dumps(name).encode() + b": " + part for name, part in self._parts.items()
            )
            content = b'{"version": %d, "files": {%b}}' % (_VERSION, files)
            replace_file(self.path, content, survives_power_loss=False)
