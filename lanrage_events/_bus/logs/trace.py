"""The trace of hook calls, for plugin authors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ..._events import Event
from ..._exceptions import format_error
from ..._redaction import Redactor, safe_text
from ...abc import HookCall, Instrument
from ..hooks import BATCH_HOOK

TRACE_VARIABLE = "LANRAGE_EVENTS_TRACE"
"""the environment variable that turns the trace on, unless it is empty or 0"""


def is_wanted() -> bool:
    """Return whether the environment turns the trace on."""
    return os.environ.get(TRACE_VARIABLE, "").strip() not in ("", "0")


class Tracer(Instrument):
    """Writes a line for each hook call.

    :param write: takes a line without its newline; by default it goes to stderr
    """

    def __init__(self, redactor: Redactor, write: Callable[[str], object] | None = None) -> None:
        self._redactor = redactor
        self._write = write or _write_to_stderr

    def event_filtered(self, transform: str, event: Event) -> None:
        self._trace(f"{transform} dropped {event.type} {event.id}, which is not published")

    def hook_ended(self, call: HookCall, seconds: float, error: BaseException | None) -> None:
        outcome = "ok" if error is None else format_error(error)
        what = f"{call.plugin}.{call.hook}{_subject(call)}"
        self._trace(f"{what} {seconds * 1000:.3f} ms {outcome}")

    def _trace(self, what: str) -> None:
        self._write(safe_text(self._redactor.redact(f"trace: {what}")))


def _write_to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _subject(call: HookCall) -> str:
    if call.hook == BATCH_HOOK:
        return f" {len(call.events)} events"

    return "".join(f" {event.type} {_ids(event)}" for event in call.events)


def _ids(event: Event) -> str:
    return event.id if event.parent_id is None else f"{event.id} of {event.parent_id}"
