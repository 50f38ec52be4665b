"""Files in a state folder: small ones of JSON, each replaced as a whole, and how to open others."""

from __future__ import annotations

import json
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio.to_thread

from .._files import open_regular
from .._threads import is_in_virtual_time

logger: logging.Logger = logging.getLogger(__name__)

_BINARY = getattr(os, "O_BINARY", 0)
_checked: set[Path] = set()


class StateFile:
    """A small file that a plugin keeps across restarts, readable only for its owner.

    It is replaced as a whole: after a crash at any moment it has the old content or the new one.

    :param path: the file; None to keep nothing
    :param indent: spaces for each level; None for a single line
    :param survives_power_loss: whether each write waits until the disk has it. Otherwise the last
        writes may be lost when the machine (not just the process) crashes
    :param inline: whether :meth:`save` writes in the event loop instead of a worker thread, as it
        always does in the virtual time of tests
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
        :raises OSError: if it exists and cannot be read, or is a symbolic link
        :raises ValueError: if it is not JSON; the message does not show the content, which may be
            secret
        """
        try:
            return default if self.path is None else json.loads(self._read(self.path).decode())
        except FileNotFoundError:
            return default
        except (ValueError, RecursionError):
            raise ValueError("it is damaged") from None

    @staticmethod
    def _read(path: Path) -> bytes:
        with open(open_regular(path, os.O_RDONLY), "rb") as file:
            return file.read()

    def write(self, data: object) -> None:
        """Replace the content, blocking the thread until it is stored.

        :param data: values for JSON
        :raises OSError: if it cannot be written; the old content is kept then
        """
        if self.path is None:
            return

        content = json.dumps(data, indent=self._indent).encode()
        replace_file(self.path, content, survives_power_loss=self._survives_power_loss)

    def move_aside(self) -> Path:
        """Rename the file, so that the next one begins empty; return its new path, which is free.

        :raises OSError: if it cannot be renamed
        """
        if self.path is None:
            raise FileNotFoundError("there is no path")

        number = 1
        aside = self.path.with_name(f"{self.path.name}.damaged")
        while aside.exists():
            number += 1
            aside = self.path.with_name(f"{self.path.name}.damaged-{number}")

        os.replace(self.path, aside)
        return aside

    async def save(self, data: object) -> None:
        """Replace the content, without blocking the event loop.

        :param data: values for JSON
        :raises OSError: if it cannot be written; the old content is kept then
        """
        if self._inline or is_in_virtual_time():
            self.write(data)
        else:
            await anyio.to_thread.run_sync(self.write, data)


def replace_file(path: Path, content: bytes, *, survives_power_loss: bool = True) -> None:
    """Replace a file in a state folder as a whole, or create it, readable only for its owner.

    What is written with the rights of root belongs to the owner of the folder: a daemon that runs as
    that user can still read what an administrator changed.

    :param path: the file; its folder is created if it is missing
    :param content: all of it
    :param survives_power_loss: whether to wait until the disk has it
    :raises OSError: if it cannot be written; the old content is kept then
    """
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    warn_of_other_writers(folder)
    new = path.with_name(f"{path.name}.new")
    # A file that is left from a crash may be readable for others.
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
        with open(descriptor, "wb") as file:
            _give_to_owner(descriptor, folder)
            file.write(content)
            file.flush()
            if survives_power_loss:
                os.fsync(descriptor)

        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)

        raise

    if survives_power_loss:
        _sync_folder(folder)


def _give_to_owner(descriptor: int, folder: Path) -> None:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        with suppress(OSError):
            owner = folder.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def warn_of_other_writers(folder: Path) -> None:
    """Log a warning if other users may write to a state folder, once for each folder.

    They could replace what is in there, such as the webhook's URL, and read or drop what waits.

    :param folder: the folder, which exists
    """
    folder = folder.resolve()
    if folder in _checked or os.name != "posix":
        return

    _checked.add(folder)
    with suppress(OSError):
        status = folder.stat()
        problem = None
        # Many systems give each user a group of the same number, and let it write.
        is_own_group = status.st_gid == os.getegid() == os.geteuid()
        writers = stat.S_IWOTH if is_own_group else stat.S_IWGRP | stat.S_IWOTH
        if status.st_mode & writers:
            problem = f"other users can write to it: chmod go-w '{folder}'"
        elif status.st_uid not in {os.geteuid(), 0}:
            remedy = f"run this as that user, or chown {os.geteuid()} '{folder}'"
            problem = f"it belongs to another user ({status.st_uid}): {remedy}"

        if problem is not None:
            logger.warning("the state folder %s is not safe, since %s", folder, problem)


def _sync_folder(folder: Path) -> None:
    """Let the new name survive a power loss, too, where folders can be synced."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
