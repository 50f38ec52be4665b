"""The command ``init``, which writes a configuration to begin with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from ..cli import ExitCode, write_lines
from ..config._load import DEFAULT_FILE, OTHER_DEFAULT_FILE
from .errors import CommandError

_ONLY_OWNER = 0o600
"""since the URL of a webhook will be in it"""


def run(file: Path | None) -> int:
    """Write a commented configuration, print the next steps, and return the exit code.

    :param file: where to write it; None for the default file
    :raises CommandError: if it exists, or cannot be written
    """
    path = file or DEFAULT_FILE
    if file is None and OTHER_DEFAULT_FILE.exists():
        raise CommandError(f"there is {OTHER_DEFAULT_FILE}, which is used: nothing is written")

    try:
        _write(path, starter())
    except FileExistsError:
        raise CommandError(
            f"{path} exists, and is left as it is: name another file, or check it with "
            f"'lanrage-events check {path}'"
        ) from None
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}") from error

    write_lines(_next_steps(path, is_named=file is not None))
    return ExitCode.DONE


def starter() -> str:
    """Return the text of the configuration to begin with."""
    return (files("lanrage_events") / "_cli" / "starter.yaml").read_text("utf-8")


def _write(path: Path, text: str) -> None:
    """Write a new file, whole or not at all."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ONLY_OWNER)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _next_steps(path: Path, *, is_named: bool) -> Iterator[str]:
    quoted = f'"{path}"' if " " in str(path) else str(path)
    name, config = (f" {quoted}", f" --config {quoted}") if is_named else ("", "")
    yield f"wrote {path}, in which comments say what you can change. Next:"
    yield f"  lanrage-events run{name}    and open http://127.0.0.1:8666/ to connect a channel"
    yield f"  lanrage-events test{config}    posts a test message"
