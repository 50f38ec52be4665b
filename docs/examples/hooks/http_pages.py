from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lanrage_events import hookimpl
from lanrage_events.http import Page


@hookimpl
def http_pages() -> Iterable[Page]:
    # The folder holds page.js, whose default export fills the page.
    yield Page(title="Seats", folder=Path(__file__).parent / "pages")
