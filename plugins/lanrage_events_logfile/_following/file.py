from __future__ import annotations

import errno
import gzip
import os
import stat
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from .._encoding import BOM_BYTES_MAX, settled

PACKED_SUFFIX = ".gz"


class OpenedFile:
    """A file that is read, packed with gzip if its name says so.

    :param path: the file
    :param encoding: the one that is configured
    :raises OSError: if it cannot be read
    """

    def __init__(self, path: Path, encoding: str) -> None:
        if not stat.S_ISREG(path.stat().st_mode):
            # Opening a named pipe would wait for whoever writes to it.
            raise OSError(errno.EINVAL, "not a regular file", str(path))

        self.path = path
        self.packed = path.suffix == PACKED_SUFFIX
        self._configured = self.encoding = encoding
        self.bom_bytes = 0
        self._is_settled = False
        self._raw = path.open("rb", buffering=0)
        try:
            self._file = (
                cast(BinaryIO, gzip.GzipFile(fileobj=self._raw)) if self.packed else self._raw
            )
            self.settle()
        except BaseException:
            self._raw.close()
            raise

    def close(self) -> None:
        """Close it; closing twice does no harm."""
        self._file.close()
        self._raw.close()

    def stat(self) -> os.stat_result:
        """Return what the file system says of the file that was opened, however it is called now."""
        return os.fstat(self._raw.fileno())

    def size(self) -> int:
        """Return how many bytes the file has, packed ones if it is packed."""
        return self.stat().st_size

    def settle(self) -> bool:
        """Look at its beginning again if there was too little of it; return whether that matters."""
        if self._is_settled:
            return False

        before = self.encoding
        beginning = self.read_at(0, BOM_BYTES_MAX)
        self._is_settled = len(beginning) == BOM_BYTES_MAX
        self.encoding, self.bom_bytes = settled(self._configured, beginning)
        return self.encoding != before

    def read_at(self, offset: int, count: int) -> bytes:
        """Return bytes from an offset on, fewer only at the end of the file.

        :raises OSError: if it cannot be read
        """
        try:
            self._file.seek(offset)
            data = b""
            while len(data) < count and (more := self._file.read(count - len(data))):
                data += more
        except (EOFError, zlib.error):  # it is being packed just now, or never was as a whole
            return b""

        return data
