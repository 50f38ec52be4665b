"""The command line: ``lanrage-events``, or ``python -m lanrage_events``."""

from __future__ import annotations

import os
import signal
import sys

# Everything else is imported later: until run_process has begun, SIGHUP ends the process.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

_INTERRUPTED = 130
_THREADS_SECONDS = 1.0  # for the threads that plugins left behind
_CLEANUP_SECONDS = 10.0  # for functions that are registered with atexit


def main(
    arguments: Sequence[str] | None = None, *, on_loaded: Callable[[], object] = lambda: None
) -> int:
    """Run a command and return the exit code of the process.

    :param arguments: the words after the name of the program, by default those of this process
    :param on_loaded: called when the command is imported, and before it begins
    """
    from ._hints import OWN_DISTRIBUTION
    from .cli._streams import discard_stdout, output_problem

    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words, on_loaded)
        sys.stdout.flush()
    except Exception as error:
        problem = output_problem(error)
        if problem is None:
            raise

        discard_stdout()
        if problem:  # rather than a reader that has exited, such as "head"
            sys.stderr.write(f"{OWN_DISTRIBUTION}: cannot write the output: {problem}\n")

        return 1

    return code


def _run(words: Sequence[str], on_loaded: Callable[[], object]) -> int:
    from ._hints import OWN_DISTRIBUTION, install_hint

    if words == ["--version"]:  # answers without any extra
        from importlib.metadata import version

        sys.stdout.write(f"{OWN_DISTRIBUTION} {version(OWN_DISTRIBUTION)}\n")
        return 0

    try:
        from ._cli import main as run_command

        return run_command(words, on_loaded)
    except ModuleNotFoundError as error:
        hint = install_hint(error)
        if not hint:
            raise

        sys.stderr.write(f"{OWN_DISTRIBUTION}: {hint}\n")
        return 1


def run_process() -> NoReturn:
    """Run the command of this process and end it, even if threads of plugins still run."""
    if "run" in sys.argv[1:] and hasattr(signal, "SIGHUP"):
        # The daemon has not read its configuration yet, so there is nothing to reload; it handles
        # the signal before it does.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    # What is imported may raise something else because of a KeyboardInterrupt, or swallow it.
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, _end_at_once)

    def restore() -> None:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    from contextlib import ExitStack

    from ._exit import process_stack
    from .cli._streams import prepare_streams

    prepare_streams()
    process_stack.set(ExitStack())
    code = 1
    try:
        code = main(on_loaded=restore)
    except KeyboardInterrupt:  # while the command imported what it needs
        code = _INTERRUPTED
    finally:
        _end_soon(code)

    sys.exit(code)


def _end_at_once(number: int, frame: object) -> NoReturn:
    """Handle Ctrl-C while there is nothing that could be stopped properly."""
    os._exit(_INTERRUPTED)


def _end_soon(code: int) -> None:
    """End the process although threads or functions of plugins keep it from ending."""
    import logging

    from ._exit import ExitGuard, lasting_threads
    from ._hints import OWN_DISTRIBUTION

    threads = lasting_threads()

    def warn() -> None:
        names = ", ".join(threads)
        if threads and logging.getLogger().handlers:  # the daemon's log
            logging.getLogger(__package__).warning("ends although threads still run: %s", names)
        elif threads:
            sys.stderr.write(f"{OWN_DISTRIBUTION}: ends although threads still run: {names}\n")

    guard = ExitGuard()
    guard.start()
    guard.end_after(_THREADS_SECONDS if threads else _CLEANUP_SECONDS, code, warn)


if __name__ == "__main__":
    run_process()
