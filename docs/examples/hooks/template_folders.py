from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lanrage_events import hookimpl


@hookimpl
def template_folders() -> Iterable[Path]:
    return [Path(__file__).with_name("templates")]
