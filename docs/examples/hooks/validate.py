from __future__ import annotations

import shutil
from collections.abc import Iterator

from lanrage_events import hookimpl
from lanrage_events.abc import Bus

PLAYER = "aplay"


@hookimpl
def validate(bus: Bus) -> Iterator[str]:
    if shutil.which(PLAYER) is None:
        yield f"the program '{PLAYER}' is not installed, so no sound can be played"
