from __future__ import annotations

import shutil
from pathlib import Path

from lanrage_events import Health, hookimpl

RECORDINGS = Path(".")
FREE_MIN_BYTES = 1_000_000_000


@hookimpl
def health() -> Health:
    free = shutil.disk_usage(RECORDINGS).free
    if free < FREE_MIN_BYTES:
        return Health("degraded", f"only {free // 1_000_000} MB left for recordings")

    return Health()
