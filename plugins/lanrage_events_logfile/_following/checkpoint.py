"""A checkpoint: a position in a file and how to recognise the file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

from .file import OpenedFile
from .lines import TAIL_BYTES

HEAD_BYTES = 256
_DIGEST_BYTES = 8
_TIME_BYTES = 32
_TIME_OF_DAY = re.compile(rb"\d:\d\d")


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
            head = digest(file.read_at(0, head_bytes))

        status = file.stat()
        return cls(
            offset=offset,
            device=status.st_dev,
            inode=status.st_ino,
            # The time of a compressed file is not when its lines were written.
            modified_ns=before.modified_ns if before and file.packed else status.st_mtime_ns,
            head_bytes=head_bytes,
            head=head,
            tail=digest(tail),
        )

    def matches_inode(self, status: os.stat_result) -> bool:
        """Return whether this is the file with that status, provided its content is the same."""
        return (self.device, self.inode) == (status.st_dev, status.st_ino)

    def matches_content(self, file: OpenedFile) -> bool:
        """Return whether a file has the same content up to the offset."""
        if not file.packed and file.size() < self.offset:
            return False

        if digest(file.read_at(0, self.head_bytes)) != self.head:
            return False

        return digest(tail_of(file, self.offset)) == self.tail


@dataclass(frozen=True, slots=True)
class Sample:
    """A place in a file, between two lines, by which an older copy of the file is recognised."""

    offset: int
    tail: str


def bytes_known(file: OpenedFile, mark: Checkpoint, samples: Iterable[Sample]) -> int:
    """Return how many bytes a file has in common with one that was read, at least as far as known.

    A file that does not begin with a time of day has none: a server that starts again may write the same.

    :param mark: how far the other file was read
    :param samples: the places of its last events
    :return: 0 if it is not a copy of that file, or of an older state of it
    """
    beginning = file.read_at(0, HEAD_BYTES)
    if not _TIME_OF_DAY.search(beginning.replace(b"\0", b"")[:_TIME_BYTES]):
        return 0

    known = 0
    if mark.head_bytes == HEAD_BYTES and digest(beginning) == mark.head:
        known = HEAD_BYTES

    size = file.size()
    for sample in sorted((*samples, Sample(mark.offset, mark.tail)), key=lambda one: one.offset):
        if sample.offset > size:
            return size if known else 0

        # Lines further on may be the same in another file.
        is_other = known < HEAD_BYTES <= sample.offset
        if is_other or digest(tail_of(file, sample.offset)) != sample.tail:
            break

        known = max(known, sample.offset)

    return known


def tail_of(file: OpenedFile, offset: int) -> bytes:
    """Return the bytes before an offset that identify the file."""
    count = min(offset, TAIL_BYTES)
    return file.read_at(offset - count, count)


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
