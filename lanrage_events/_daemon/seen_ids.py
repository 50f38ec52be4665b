"""The ids of the events that were read."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

MAX_SEEN_IDS = 100_000
"""ids that are remembered; beyond them, the oldest is forgotten"""
_LONGEST_KEPT = 64
"""characters; of longer ids a hash is kept, so that memory is bounded"""


class SeenIds:
    """Remembers ids, the last :data:`MAX_SEEN_IDS` of them, as long as the process runs.

    :param size: how many
    """

    def __init__(self, size: int = MAX_SEEN_IDS) -> None:
        self._size = size
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, id: str) -> bool:
        return _key(id) in self._ids

    def add(self, id: str) -> None:
        """Remember an id."""
        key = _key(id)
        self._ids[key] = None
        self._ids.move_to_end(key)
        if len(self._ids) > self._size:
            self._ids.popitem(last=False)


def _key(id: str) -> str:
    if len(id) <= _LONGEST_KEPT:
        return id

    return f"sha256 {sha256(id.encode('utf-8', 'surrogatepass')).hexdigest()}"
