"""A checkpoint: a position in a file and how to recognise the file."""

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
    """How far a file was read, and how to recognise the file.

    The bytes at its beginning and before the offset distinguish it from a file that replaced it
    under the same name or in the same inode, and identify it in a copy.
    """

    offset: int
    """the end of the last delivered line"""
    device: int
    inode: int
    modified_ns: int
    head_bytes: int
    head: str
    tail: str

    @classmethod
    def of(cls, file: OpenedFile, offset: int, tail: bytes, before: Self | None = None) -> Self:
        """Return the checkpoint at an offset of a file.

        :param tail: up to :data:`TAIL_BYTES` bytes before the offset
        :param before: an earlier checkpoint of the same file
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
            # The time of a compressed file is not when its lines were written.
            modified_ns=before.modified_ns if before and file.packed else status.st_mtime_ns,
            head_bytes=head_bytes,
            head=head,
            tail=_digest(tail),
        )

    def matches_inode(self, status: os.stat_result) -> bool:
        """Return whether this is the file with that status, provided its content is the same."""
        return (self.device, self.inode) == (status.st_dev, status.st_ino)

    def matches_content(self, file: OpenedFile) -> bool:
        """Return whether a file has the same content up to the offset."""
        if not file.packed and file.size() < self.offset:
            return False

        if _digest(file.read_at(0, self.head_bytes)) != self.head:
            return False

        return _digest(tail_of(file, self.offset)) == self.tail


def tail_of(file: OpenedFile, offset: int) -> bytes:
    """Return the bytes before an offset that identify the file."""
    count = min(offset, TAIL_BYTES)
    return file.read_at(offset - count, count)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
