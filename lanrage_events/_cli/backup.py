"""The commands ``backup`` and ``restore``, which copy a state folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .._hints import OWN_DISTRIBUTION
from ..cli import ExitCode, counted, write_lines
from ..outbox._copy import SIDE_SUFFIXES, copy_database, is_database
from ..state import open_regular
from .errors import CommandError
from .options import state_folder_of

LABEL = "backup.json"
"""the file that says what a backup is of"""
_FORMAT = 1


def back_up(target: Path, config: Path | None, state_folder: Path | None) -> int:
    """Copy the state folder of a daemon, whether it runs or not, and return the exit code.

    The copy is complete, or there is none. Databases come last: what a plugin has taken from its
    source, and noted there, is in the copy of its outbox.

    :param target: a new folder
    :param config: the configuration; None for the default one
    :param state_folder: the state folder, instead of the one that the configuration names
    :raises ConfigError: if the state folder is not known
    :raises CommandError: if it cannot be copied
    """
    source = state_folder_of(config, state_folder)
    if not source.is_dir():
        raise CommandError(f"there is no state folder {source}: no daemon ever ran with it")

    if source.resolve() in (target.resolve(), *target.resolve().parents):
        raise CommandError(f"{target} is inside the state folder {source}: name another folder")

    names = sorted(_names(source))
    label = {
        "format": _FORMAT,
        "version": version(OWN_DISTRIBUTION),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "state_folder": str(source),
        "files": [str(name) for name in names],
    }
    _write_folder(source, target, names, label)
    write_lines([f"copied {counted(len(names), 'file')} of {source} to {target}"])
    return ExitCode.DONE


def restore(backup: Path, config: Path | None, state_folder: Path | None) -> int:
    """Make the state folder of a daemon from a backup, and return the exit code.

    :param backup: the folder that :func:`back_up` wrote
    :param config: as there
    :param state_folder: as there
    :raises ConfigError: if the state folder is not known
    :raises CommandError: if it exists already, or cannot be written
    """
    label = _read_label(backup)
    target = state_folder_of(config, state_folder)
    names = [Path(name) for name in label["files"]]
    if target.is_dir() and any(target.iterdir()):
        raise CommandError(
            f"the state folder {target} is not empty, and is left as it is: stop the daemon, and "
            "rename the folder"
        )

    _write_folder(backup, target, names, None)
    origin = f"as they were on {label['host']} at {label['time']}"
    write_lines([f"restored {counted(len(names), 'file')} to {target}, {origin}"])
    return ExitCode.DONE


def _names(folder: Path) -> Iterator[Path]:
    """Yield the files to copy, relative to the folder, without those of a running process."""
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue

        if not path.name.endswith((*SIDE_SUFFIXES, ".new")):
            yield path.relative_to(folder)


def _read_label(backup: Path) -> dict[str, Any]:
    try:
        label = json.loads((backup / LABEL).read_text("utf-8"))
        if label["format"] != _FORMAT:
            raise CommandError(
                f"{backup} was written by version {label['version']}: restore it with that version"
            )

        if not all(_is_inside(name) for name in label["files"]):
            raise ValueError

        return {key: label[key] for key in ("files", "host", "time")}
    except OSError as error:
        raise CommandError(
            f"{backup} is not a folder that 'lanrage-events backup' wrote: "
            f"{error.strerror or error}: {LABEL}"
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CommandError(f"{backup / LABEL} is damaged: use another backup") from None


def _is_inside(name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _write_folder(
    source: Path, target: Path, names: list[Path], label: dict[str, object] | None
) -> None:
    """Copy files into a new folder, which appears when it is complete.

    :raises CommandError: if that is not possible
    """
    part: Path | None = None
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise CommandError(f"{target} exists, and is left as it is: name a new folder")

        # A folder that exists may be where another disk is mounted.
        beside = target if target.is_dir() else target.parent
        beside.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=beside))
        _fill(part, source, names)
        if label is not None:
            (part / LABEL).write_text(json.dumps(label, indent=1), "utf-8")

        if beside == target:
            for path in part.iterdir():
                path.rename(target / path.name)
        else:
            part.rename(target)
    except OSError as error:
        shown = error.filename or target
        raise CommandError(f"cannot copy {shown}: {error.strerror or error}") from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _fill(folder: Path, source: Path, names: list[Path]) -> None:
    databases = [name for name in names if is_database(source / name)]
    for name in (*(name for name in names if name not in databases), *databases):
        new = folder / name
        new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = copy_database if name in databases else _copy_file
        copy(source / name, new)
        _flush(new)


def _copy_file(source: Path, target: Path) -> None:
    with (
        open(open_regular(source, os.O_RDONLY), "rb") as old,
        open(open_regular(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as new,
    ):
        shutil.copyfileobj(old, new)


def _flush(path: Path) -> None:
    """Wait until the disk has a file."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
