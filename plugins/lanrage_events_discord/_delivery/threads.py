"""The threads that webhooks have created in forum channels."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

logger = logging.getLogger("lanrage_events.discord")


class Threads:
    """Remembers which thread was created under which name, over restarts if there is a file.

    :param path: where; None to remember only as long as this object lives
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._ids: dict[str, str] = {}
        if path is not None:
            try:
                self._ids = dict(json.loads(path.read_text(encoding="utf-8")))
            except FileNotFoundError:
                pass
            except (OSError, ValueError, TypeError) as error:
                logger.warning("%s is not readable, so threads are created anew: %s", path, error)

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
        if self._path is None:
            return

        new = self._path.with_name(f"{self._path.name}.new")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(self._ids, file, ensure_ascii=False, indent=1)

            os.replace(new, self._path)
        except OSError as error:
            logger.warning("cannot keep the ids of threads in %s: %s", self._path, error)
