"""What the setup page changes: saved in a file of its own, beside the configuration."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from lanrage_events.events import lone_surrogate
from lanrage_events.state import StateFile

logger = logging.getLogger("lanrage_events.discord")

WEBHOOK_URL = "webhook_url"
INVITE_URL = "invite_url"


class Settings:
    """A webhook and an invite that are kept over restarts.

    Only the owner may read the file, since it holds the webhook's URL in clear.

    :param path: the file; None to remember only as long as this object lives
    :param inline: whether to write in the event loop instead of a worker thread, for tests in
        virtual time
    :param read_only: whether a damaged file stays where it is, since the daemon will deal with it
    """

    def __init__(self, path: Path | None, *, inline: bool = False, read_only: bool = False) -> None:
        self._file = StateFile(path, indent=1, inline=inline)
        self._data = _read(self._file, read_only=read_only)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self._file.path or 'memory'}>"

    @property
    def webhook_url(self) -> str | None:
        """The webhook's URL, a secret; None if none is saved."""
        return self._data.get(WEBHOOK_URL) or None

    @property
    def invite_url(self) -> str | None:
        """The invite's URL; None if none is saved."""
        return self._data.get(INVITE_URL) or None

    async def save(self, name: str, value: str | None) -> None:
        """Keep a value, safe on the disk once this returns.

        :param name: :data:`WEBHOOK_URL` or :data:`INVITE_URL`
        :param value: the value; None to remove it
        :raises OSError: if the file cannot be written; nothing has changed then
        """
        data = {key: one for key, one in self._data.items() if key != name}
        if value is not None:
            data[name] = value

        await self._file.save(data)
        self._data = data


def _read(file: StateFile, *, read_only: bool) -> dict[str, Any]:
    try:
        data = file.read({})
        if not isinstance(data, dict) or not all(
            isinstance(data.get(name, ""), str) for name in (WEBHOOK_URL, INVITE_URL)
        ):
            raise ValueError("it is damaged")

        if (found := lone_surrogate(data)) is not None:
            raise ValueError("it is damaged: {}: {}".format(*found))
    except (OSError, ValueError) as error:
        try:
            where = "it is kept" if read_only else f"it is {file.move_aside()} now"
        except OSError:
            where = "it cannot be moved aside either"

        logger.warning(
            "the saved settings %s cannot be read (%s); %s. Set webhook and invite again",
            file.path,
            getattr(error, "strerror", error),
            where,
        )
        return {}

    return data
