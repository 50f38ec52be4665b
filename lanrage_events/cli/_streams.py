"""The standard streams of this process, also where they are closed, full or without a reader."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(Exception):
    """Raised when stdout takes no more, such as on a full disk.

    It is no :exc:`OSError`, which would be taken for one of the files that a command reads.
    """


def output_problem(error: BaseException) -> str | None:
    """Return why stdout takes no more, empty if its reader is gone; None if an error is another one."""
    if isinstance(error, BaseExceptionGroup):
        found = [output_problem(inner) for inner in error.exceptions]
        return None if None in found else found[0]

    if isinstance(error, BrokenPipeError):
        return ""

    return str(error) if isinstance(error, OutputError) else None


def prepare_streams() -> None:
    """Make the standard streams of this process safe to write to; call it once, at the start.

    What is written to a stream that is closed is discarded, and no other file gets its number. Errors
    of stdout are :exc:`OutputError`, but for a reader that is gone. Errors of stderr are ignored: no
    one could read about them, and what the program does is more important.
    """
    for number in range(3):
        _keep_open(number)

    sys.stdout = _wrapped(sys.stdout, _Output)
    sys.stderr = _wrapped(sys.stderr, _Errors)


def discard_stdout() -> None:
    """Write nothing more to a stdout that takes no more, not even at the exit."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def _keep_open(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        # The lowest number that is free, so it is this one.
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _wrapped(stream: TextIO | None, raw_class: type[io.FileIO]) -> TextIO:
    if stream is None:  # it was closed when Python started
        return open(os.devnull, "w", encoding="utf-8", errors="replace")

    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(stream, io.TextIOWrapper) or type(raw) is not io.FileIO:
        return stream  # such as the console of Windows

    stream.flush()
    own = raw_class(raw.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        own if buffer is raw else io.BufferedWriter(own),  # as Python does
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Output(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.strerror or str(error)) from None


class _Errors(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes
