"""The stand-in as a program: ``python -m lanrage_events_discord.testing``."""

from __future__ import annotations

import os
import signal
import sys

_INTERRUPTED = 130


def _run_process() -> int:
    # What is imported may raise something else because of a KeyboardInterrupt, or swallow it.
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))

    from ._program import main

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        return main()
    except KeyboardInterrupt:  # while it does not serve yet
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(_run_process())
