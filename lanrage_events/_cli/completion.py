"""The command ``--install-completion``, by which a shell completes commands and options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from cyclopts import App

from ..cli import ExitCode, write_lines
from .errors import CommandError, UsageError

NAME = "--install-completion"
Shell: TypeAlias = Literal["bash", "zsh", "fish", "powershell"]


def run(app: App, shell: Shell | None, output: Path | None) -> int:
    """Write the completion script of a shell, print what to do next, and return the exit code.

    :param app: with all commands and their options
    :param shell: None for the one that this was started from
    :param output: where to write it, and no start-up file is changed; None for where the shell
        looks for it
    :raises UsageError: if the shell is not known
    :raises CommandError: if a file cannot be written
    """
    from cyclopts.completion.detect import ShellDetectionError, detect_shell

    try:
        shell = shell or detect_shell()
    except ShellDetectionError:
        raise UsageError("the shell is not known: name it, as in --shell bash") from None

    try:
        path = app.install_completion(shell=shell, output=output, add_to_startup=output is None)
    except OSError as error:
        problem = error.strerror or error
        raise CommandError(f"cannot write {error.filename or output}: {problem}") from error
    except RuntimeError as error:  # as in many containers
        raise CommandError(
            "the user who runs this has no home folder: name a file with --output"
        ) from error

    write_lines([f"wrote the completion script of {shell} to {path}"])
    if output is None and shell != "fish":
        write_lines([f"the start-up file of {shell} loads it"])

    write_lines(["open a new terminal, and press Tab after 'lanrage-events '"])
    return ExitCode.DONE
