from __future__ import annotations

import shutil
from collections.abc import Iterator

from lanrage_events import EventBus, hookimpl

PLAYER = "aplay"


@hookimpl
def check(bus: EventBus) -> Iterator[str]:
    if shutil.which(PLAYER) is None:
        yield f"the program '{PLAYER}' is not installed, so no sound can be played"
