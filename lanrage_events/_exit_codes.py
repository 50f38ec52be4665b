from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns. One that a second signal killed looks like 130 or 143 in a shell."""

    DONE = 0
    FAILED = 1
    """a plugin could not start, a line of input was bad, an event could not be delivered"""
    MISUSE = 2
    """the command line is wrong"""
    BAD_CONFIG = 78
    """the configuration is wrong; EX_CONFIG of sysexits.h, which Windows' ``os`` lacks"""
    INTERRUPTED = 130
    """SIGINT before anything ran that could be stopped in order"""
