from __future__ import annotations

import shutil
from collections.abc import Iterable

from lanrage_events import Metric, Sample, hookimpl


@hookimpl
def metrics() -> Iterable[Metric]:
    usage = shutil.disk_usage(".")
    yield Metric(
        name="disk_free_bytes",
        help="Room that is left for recordings.",
        samples=[Sample(usage.free)],
    )
