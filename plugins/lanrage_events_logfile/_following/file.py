"""A log file that is open, plain or gzip-compressed."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from .._encoding import BOM_BYTES_MAX, detect_encoding

PACKED_SUFFIX = ".gz"


class OpenedFile:
    """A file open for reading, decompressed if its name ends in ``.gz``.

    :param path: the file
    :param encoding: the configured encoding
    :raises OSError: if the file cannot be read
    """

    def __init__(self, path: Path, encoding: str) -> None:
        if not stat.S_ISREG(path.stat().st_mode):
            # Opening a named pipe would wait for a writer.
            raise OSError(errno.EINVAL, "not a regular file", str(path))

        self.path = path
        self.packed = path.suffix == PACKED_SUFFIX
        self._configured = self.encoding = encoding
        self._is_detected = False
        self._raw = path.open("rb", buffering=0)
        try:
            self._file = (
                cast(BinaryIO, gzip.GzipFile(fileobj=self._raw)) if self.packed else self._raw
            )
            self.detect_encoding()
        except BaseException:
            self._raw.close()
            raise

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._file.close()
        self._raw.close()

    def fileno(self) -> int:
        """Return the descriptor of the open file."""
        return self._raw.fileno()

    def stat(self) -> os.stat_result:
        """Return the status of the open file, even if it was renamed."""
        return os.fstat(self.fileno())

    def size(self) -> int:
        """Return the size of the file on disk, in bytes."""
        return self.stat().st_size

    def detect_encoding(self) -> bool:
        """Detect the encoding if the file was too short before; return whether it changed."""
        if self._is_detected:
            return False

        before = self.encoding
        beginning = self.read_at(0, BOM_BYTES_MAX)
        self._is_detected = len(beginning) == BOM_BYTES_MAX
        self.encoding = detect_encoding(self._configured, beginning)
        return self.encoding != before

    def read_at(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes at an offset, fewer only at the end of the file.

        :raises OSError: if the file cannot be read
        """
        try:
            self._file.seek(offset)
            data = b""
            while len(data) < count and (more := self._file.read(count - len(data))):
                data += more
        except (EOFError, zlib.error):  # still being compressed, or truncated
            return b""

        return data
