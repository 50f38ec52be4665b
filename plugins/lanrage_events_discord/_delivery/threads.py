"""The threads that webhooks have created in forum channels."""

from __future__ import annotations

import logging
from pathlib import Path

from lanrage_events.state import StateFile

logger = logging.getLogger("lanrage_events.discord")


class Threads:
    """Remembers which thread was created under which name, over restarts if there is a file.

    :param path: where; None to remember only as long as this object lives
    """

    def __init__(self, path: Path | None) -> None:
        self._file = StateFile(path, indent=1)
        self._ids: dict[str, str] = {}
        try:
            self._ids = dict(self._file.read({}))
        except (OSError, ValueError, TypeError) as error:
            logger.warning("%s is not readable, so threads are created again: %s", path, error)

    def find(self, webhook_id: str, name: str) -> str | None:
        """Return the id of the thread that a webhook created under a name."""
        return self._ids.get(f"{webhook_id}/{name}")

    def remember(self, webhook_id: str, name: str, thread_id: str) -> None:
        """Keep the id of a thread that was created."""
        self._ids[f"{webhook_id}/{name}"] = thread_id
        self._save()

    def forget(self, webhook_id: str, name: str) -> bool:
        """Forget a thread that does not exist any more; return whether it was known."""
        known = self._ids.pop(f"{webhook_id}/{name}", None) is not None
        if known:
            self._save()

        return known

    def _save(self) -> None:
        try:
            self._file.write(self._ids)
        except OSError as error:
            logger.warning("cannot keep the ids of threads in %s: %s", self._file.path, error)
