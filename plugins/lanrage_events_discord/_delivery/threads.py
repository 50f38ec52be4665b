"""The threads that webhooks have created in forum channels."""

from __future__ import annotations

from typing import Any

from .._memory import Memory


class Threads:
    """Remembers which thread was created under which name.

    :param memory: remembers it over restarts; None to remember it as long as this object lives
    """

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or Memory(None, "")
        self._ids: dict[str, str] = self._memory.read(_strings, {})

    def find(self, webhook_id: str, name: str) -> str | None:
        """Return the id of the thread that a webhook created under a name."""
        key = f"{webhook_id}/{name}"
        if key not in self._ids:
            # The command "test" may have created it meanwhile.
            known: dict[str, str] = {}
            self._ids = self._memory.read(_strings, known) | self._ids

        return self._ids.get(key)

    def remember(self, webhook_id: str, name: str, thread_id: str) -> None:
        """Keep the id of a thread that was created."""
        self._ids[f"{webhook_id}/{name}"] = thread_id
        self._memory.write(self._ids)

    def forget(self, webhook_id: str, name: str) -> bool:
        """Forget a thread that does not exist any more; return whether it was known."""
        known = self._ids.pop(f"{webhook_id}/{name}", None) is not None
        if known:
            self._memory.write(self._ids)

        return known


def _strings(data: Any) -> dict[str, str]:
    if not all(isinstance(value, str) for value in data.values()):
        raise ValueError("expected strings")

    return dict(data)
