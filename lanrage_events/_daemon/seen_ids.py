"""The ids of the events that were read."""

from __future__ import annotations

from collections import OrderedDict

MAX_SEEN_IDS = 100_000
"""ids that are remembered; beyond them, the oldest is forgotten"""


class SeenIds:
    """Remembers ids, the last :data:`MAX_SEEN_IDS` of them, as long as the process runs.

    :param size: how many
    """

    def __init__(self, size: int = MAX_SEEN_IDS) -> None:
        self._size = size
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, id: str) -> bool:
        return id in self._ids

    def add(self, id: str) -> None:
        """Remember an id."""
        self._ids[id] = None
        self._ids.move_to_end(id)
        if len(self._ids) > self._size:
            self._ids.popitem(last=False)
