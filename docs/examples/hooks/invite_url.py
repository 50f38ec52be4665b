from __future__ import annotations

from lanrage_events import hookimpl


@hookimpl
def invite_url() -> str | None:
    # Where this community talks; a big screen shows it with a QR code.
    return "mumble://voice.example.org/lobby"
