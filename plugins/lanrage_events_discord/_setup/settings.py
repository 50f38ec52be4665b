"""What the setup page changes: saved in a file of its own, beside the configuration."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio.to_thread

logger = logging.getLogger("lanrage_events.discord")

WEBHOOK_URL = "webhook_url"
INVITE_URL = "invite_url"


class Settings:
    """A webhook and an invite that are kept over restarts.

    Only the owner may read the file, since it holds the webhook's URL in clear.

    :param path: the file; None to remember only as long as this object lives
    :param inline: whether to write in the event loop instead of a worker thread, for tests in
        virtual time
    """

    def __init__(self, path: Path | None, *, inline: bool = False) -> None:
        self._path = path
        self._inline = inline
        self._data: dict[str, object] = {}
        if path is not None:
            self._data = _read(path)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self._path or 'memory'}>"

    @property
    def webhook_url(self) -> str | None:
        """The webhook's URL, a secret; None if none is saved."""
        return self._text(WEBHOOK_URL)

    @property
    def invite_url(self) -> str | None:
        """The invite's URL; None if none is saved."""
        return self._text(INVITE_URL)

    async def save(self, name: str, value: str | None) -> None:
        """Keep a value, safe on the disk once this returns.

        :param name: :data:`WEBHOOK_URL` or :data:`INVITE_URL`
        :param value: the value; None to remove it
        :raises OSError: if the file cannot be written; nothing has changed then
        """
        data = {key: one for key, one in self._data.items() if key != name}
        if value is not None:
            data[name] = value

        if self._path is not None:
            if self._inline:
                _write(self._path, data)
            else:
                await anyio.to_thread.run_sync(_write, self._path, data)

        self._data = data

    def _text(self, name: str) -> str | None:
        value = self._data.get(name)
        return value if isinstance(value, str) and value else None


def _read(path: Path) -> dict[str, object]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("expected a JSON object")  # noqa: TRY004 - told as damage

        for name in (WEBHOOK_URL, INVITE_URL):
            if not isinstance(data.get(name, ""), str):
                raise ValueError(f"{name}: expected a text")  # noqa: TRY004 - as above
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        # Not the error itself: that of a decoder holds what it could not decode.
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        aside = path.with_name(f"{path.name}.damaged")
        try:
            os.replace(path, aside)
            where = f"it is {aside} now"
        except OSError:
            where = "it cannot be moved aside either"

        logger.warning(
            "the saved settings %s cannot be read (%s); %s. Set webhook and invite again",
            path,
            reason,
            where,
        )
        return {}

    return data


def _write(path: Path, data: Mapping[str, object]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    # One that is left from a crash may be readable for others.
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())

        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)

        raise

    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Let the new name survive a loss of power too, where folders can be synced."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
