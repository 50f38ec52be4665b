"""The command line: ``lanrage-events``, or ``python -m lanrage_events``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from ._exit import ExitGuard, lasting_threads
from ._hints import OWN_DISTRIBUTION, install_hint

_THREADS_SECONDS = 1.0  # for the threads that plugins left behind
_CLEANUP_SECONDS = 10.0  # for functions that are registered with atexit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code of the process.

    :param arguments: the words after the name of the program, by default those of this process
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:  # answers without any extra
        sys.stdout.write(f"{OWN_DISTRIBUTION} {version(OWN_DISTRIBUTION)}\n")
        return 0

    try:
        from ._cli import main as run_command

        return run_command(words)
    except ModuleNotFoundError as error:
        hint = install_hint(error)
        if not hint:
            raise

        sys.stderr.write(f"{OWN_DISTRIBUTION}: {hint}\n")
        return 1


def run_process() -> NoReturn:
    """Run the command of this process and end it, even if threads of plugins still run."""
    if sys.argv[1:2] == ["run"] and hasattr(signal, "SIGHUP"):
        # The daemon has not read its configuration yet, so there is nothing to reload.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    code = 1
    try:
        code = main()
    finally:
        _end_soon(code)

    sys.exit(code)


def _end_soon(code: int) -> None:
    """End the process although threads or functions of plugins keep it from ending."""
    threads = lasting_threads()

    def warn() -> None:
        if threads:
            names = ", ".join(threads)
            sys.stderr.write(f"{OWN_DISTRIBUTION}: ends although threads still run: {names}\n")

    guard = ExitGuard()
    guard.start()
    guard.end_after(_THREADS_SECONDS if threads else _CLEANUP_SECONDS, code, warn)


if __name__ == "__main__":
    run_process()
