"""The command ``reload``, which asks a running daemon to read its configuration again."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from .._daemon import RunningDaemon, find_daemon, instance_path
from ..cli import ExitCode, write_errors, write_lines
from ..config._load import default_file
from .errors import CommandError
from .options import state_folder_of

REPLY_SECONDS = 60.0
"""how long a reload is waited for; a plugin may take half of it to be imported"""
_POLL_SECONDS = 0.05


def run(file: Path | None, state_folder: Path | None, *, seconds: float = REPLY_SECONDS) -> int:
    """Let the daemon of a configuration reload it, print what it did, and return the exit code.

    :param file: the configuration; None for the default one
    :param state_folder: the daemon's state folder, instead of the one that the file names
    :param seconds: how long to wait for it
    :raises ConfigError: if the state folder is not known
    :raises CommandError: if there is no daemon, or it does not answer
    """
    unknown = "the daemon is found by its state folder"
    folder = state_folder_of(file, state_folder, unknown=unknown)
    path = instance_path(folder, file or default_file())
    daemon = _find(path)
    if daemon is None:
        raise CommandError(
            f"no daemon runs with {file or default_file()}, as far as {path.parent} shows: start it "
            "with 'lanrage-events run', or name its file; if state_folder has changed since it started, "
            "give the earlier folder with --state-folder"
        )

    _request(daemon)
    answer = _wait(path, daemon, time.monotonic() + seconds)
    if answer is None:
        raise CommandError(
            f"the daemon, process {daemon.pid}, has not finished the reload within {seconds:g} "
            "seconds: its log says what it waits for"
        )

    if answer.is_complete:
        write_lines(answer.messages)
        return ExitCode.DONE

    write_errors(answer.messages)
    return ExitCode.BAD_CONFIG if answer.is_invalid else ExitCode.FAILED


def _find(path: Path) -> RunningDaemon | None:
    try:
        return find_daemon(path)
    except OSError as error:
        raise CommandError(
            f"cannot read {path}: {error.strerror or error}; run this as the user that runs the "
            "daemon"
        ) from None


def _request(daemon: RunningDaemon) -> None:
    """Send the signal that lets a daemon reload.

    :raises CommandError: if that is not possible
    """
    host = socket.gethostname()
    if daemon.host != host:
        raise CommandError(
            f"the daemon runs on {daemon.host} or in a container of that name, and this is {host}: "
            "run the command there"
        )

    if not hasattr(signal, "SIGHUP"):
        raise CommandError(
            "Windows has no signal for this: set 'watch: true', or start the daemon again"
        )

    try:
        os.kill(daemon.pid, signal.SIGHUP)
    except PermissionError:
        raise CommandError(
            f"the daemon, process {daemon.pid}, belongs to another user: run this as that user"
        ) from None
    except ProcessLookupError:
        raise CommandError(
            f"the daemon, process {daemon.pid}, ended before it could reload, or runs in another "
            "container"
        ) from None


def _wait(path: Path, asked: RunningDaemon, until: float) -> RunningDaemon | None:
    """Return the daemon after a reload that began after it was asked, None if that takes too long."""
    while time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        daemon = _find(path)
        if daemon is None or daemon.pid != asked.pid:
            raise CommandError(
                f"the daemon, process {asked.pid}, ended before it had reloaded: see its log"
            )

        if daemon.done > asked.begun:
            return daemon

    return None
