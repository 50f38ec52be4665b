"""Small files of JSON in a state folder, each replaced as a whole."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio.to_thread


class StateFile:
    """A small file that a plugin keeps across restarts, readable only for its owner.

    It is replaced as a whole: after a crash at any moment it has the old content or the new one.

    :param path: the file; None to keep nothing
    :param indent: spaces for each level; None for a single line
    :param survives_power_loss: whether each write waits until the disk has it. Otherwise the last
        writes may be lost when the machine (not just the process) crashes
    :param inline: whether :meth:`save` writes in the event loop instead of a worker thread, for
        tests in virtual time
    """

    def __init__(
        self,
        path: Path | None,
        *,
        indent: int | None = None,
        survives_power_loss: bool = True,
        inline: bool = False,
    ) -> None:
        self.path = path
        self._indent = indent
        self._survives_power_loss = survives_power_loss
        self._inline = inline

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path or 'without a path'}>"

    def read(self, default: object) -> Any:
        """Return the content.

        :param default: what to return if there is no file
        :raises OSError: if it exists and cannot be read
        :raises ValueError: if it is not JSON; the message does not show the content, which may be
            secret
        """
        try:
            return default if self.path is None else json.loads(self.path.read_bytes().decode())
        except FileNotFoundError:
            return default
        except (ValueError, RecursionError):
            raise ValueError("it is damaged") from None

    def write(self, data: object) -> None:
        """Replace the content, blocking the thread until it is stored.

        :param data: values for JSON
        :raises OSError: if it cannot be written; the old content is kept then
        """
        if self.path is None:
            return

        text = json.dumps(data, indent=self._indent)
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.new")
        # A file that is left from a crash may be readable for others.
        new.unlink(missing_ok=True)
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                if self._survives_power_loss:
                    os.fsync(file.fileno())

            os.replace(new, self.path)
        except BaseException:
            with suppress(OSError):
                new.unlink(missing_ok=True)

            raise

        if self._survives_power_loss:
            _sync_folder(folder)

    def move_aside(self) -> Path:
        """Rename the file, so that the next one begins empty; return its new path.

        :raises OSError: if it cannot be renamed
        """
        if self.path is None:
            raise FileNotFoundError("there is no path")

        aside = self.path.with_name(f"{self.path.name}.damaged")
        os.replace(self.path, aside)
        return aside

    async def save(self, data: object) -> None:
        """Replace the content, without blocking the event loop.

        :param data: values for JSON
        :raises OSError: if it cannot be written; the old content is kept then
        """
        if self._inline:
            self.write(data)
        else:
            await anyio.to_thread.run_sync(self.write, data)


def _sync_folder(folder: Path) -> None:
    """Let the new name survive a power loss, too, where folders can be synced."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
