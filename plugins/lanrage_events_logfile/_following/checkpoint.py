from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

from .file import OpenedFile
from .lines import TAIL_BYTES

HEAD_BYTES = 256
_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a file was read, and by what it can be recognised.

    The bytes at its beginning and those before the offset tell it from a file that took its place,
    under the same name, in the same inode, or as a copy.
    """

    offset: int
    """the end of the last line that was delivered"""
    device: int
    inode: int
    modified_ns: int
    """when it was written to last"""
    head_bytes: int
    head: str
    tail: str

    @classmethod
    def of(cls, file: OpenedFile, offset: int, tail: bytes, before: Self | None = None) -> Self:
        """Return the checkpoint at an offset of a file.

        :param tail: the bytes before the offset, as many as :data:`TAIL_BYTES` if there are so many
        :param before: an earlier one of the same file
        """
        if before is not None and before.head_bytes == min(offset, HEAD_BYTES):
            head_bytes, head = before.head_bytes, before.head
        else:
            head_bytes = min(offset, HEAD_BYTES)
            head = _digest(file.read_at(0, head_bytes))

        status = file.stat()
        return cls(
            offset=offset,
            device=status.st_dev,
            inode=status.st_ino,
            # When a file was packed does not say when it was written.
            modified_ns=before.modified_ns if before and file.packed else status.st_mtime_ns,
            head_bytes=head_bytes,
            head=head,
            tail=_digest(tail),
        )

    def matches_inode(self, status: os.stat_result) -> bool:
        """Return whether it was set in the file with this status, as long as that keeps its content."""
        return (self.device, self.inode) == (status.st_dev, status.st_ino)

    def matches_content(self, file: OpenedFile) -> bool:
        """Return whether a file has the content that was read."""
        if not file.packed and file.size() < self.offset:
            return False

        if _digest(file.read_at(0, self.head_bytes)) != self.head:
            return False

        return _digest(tail_of(file, self.offset)) == self.tail


def tail_of(file: OpenedFile, offset: int) -> bytes:
    """Return the bytes before an offset by which a checkpoint recognises its file."""
    count = min(offset, TAIL_BYTES)
    return file.read_at(offset - count, count)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
