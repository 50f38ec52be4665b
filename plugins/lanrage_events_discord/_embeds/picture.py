"""Pictures of templates: files that are attached to a message, and shown in its embeds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from unicodedata import normalize
from urllib.parse import quote, unquote

from lanrage_events.templates import OwnFile

PICTURE_MAX_BYTES = 8_000_000
"""of a picture"""
SHOWN_AS = ("image", "thumbnail")
"""the parts of an embed that show one"""

_ATTACHED = "attachment://"
_NAMED = "file:"
_NEXT = "|"
_REFERENCE = re.compile(r"file:[0-9a-f]{12}/[^\s/|]+(?:\|[0-9a-f]{12}/[^\s/|]+)?")
_SAFE_NAME = re.compile(r"attachment://[A-Za-z0-9][A-Za-z0-9._-]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_STEM_MAX_CHARACTERS = 40
_DIGEST_CHARACTERS = 12

# How the files of a type begin; what Discord shows in an embed.
_BEGINNINGS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png", "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "jpg", "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "gif", "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "webp", "image/webp"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is sent with a message."""

    name: str
    """by which an embed shows it; equal names mean equal pictures"""
    type: str
    """such as ``image/png``"""
    content: bytes

    def __len__(self) -> int:
        """Return how many bytes it has."""
        return len(self.content)


def read_picture(file: OwnFile, content: bytes) -> Picture:
    """Return the picture that a file is.

    :raises ValueError: if it is none
    """
    for beginning, suffix, kind in _BEGINNINGS:
        if beginning.match(content):
            stem = _UNSAFE.sub("-", file.name.rpartition(".")[0]).strip("-")
            digest = sha256(content).hexdigest()[:_DIGEST_CHARACTERS]
            name = "-".join(filter(None, [stem[:_STEM_MAX_CHARACTERS].strip("-_"), digest]))
            return Picture(f"{name}.{suffix}", kind, content)

    raise ValueError(f"the file '{file.name}' is no picture: it must be a PNG, JPEG, GIF or WebP")


def check_picture(file: OwnFile) -> None:
    """Check that a file is there and a picture.

    :raises ValueError: if it is not
    """
    read_picture(file, file.read(PICTURE_MAX_BYTES))


def file_part(text: str) -> str:
    """Write a value in the name of a file, in which it never stands for a folder or hides the file."""
    written = "".join(
        one if one.isalnum() or one in " ._-" else "_" for one in normalize("NFC", text)
    )
    return f"_{written[1:]}" if written.startswith(".") else written


def folder_key(folder: object) -> str:
    """Return by what a folder is known in references, which survive a restart."""
    return sha256(str(folder).encode(errors="surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]


def refer_to(*files: OwnFile) -> str:
    """Return what stands for a picture in an embed until it is read; the first that is there is shown."""
    named = (f"{folder_key(file.folder)}/{quote(file.name, safe='')}" for file in files)
    return _NAMED + _NEXT.join(named)


def referred(address: str) -> list[tuple[str, str]]:
    """Return the folders' keys and the names that a reference consists of; empty for an address."""
    if not address.startswith(_NAMED) or not _REFERENCE.fullmatch(address):
        return []

    parts = (one.partition("/") for one in address.removeprefix(_NAMED).split(_NEXT))
    return [(key, unquote(name)) for key, _, name in parts]


def attached(picture: Picture) -> str:
    """Return the address by which an embed shows a picture of its message."""
    return _ATTACHED + picture.name


def is_own(address: str) -> bool:
    """Return whether an address in an embed stands for a picture, attached or not yet."""
    return bool(_SAFE_NAME.fullmatch(address) or _REFERENCE.fullmatch(address))
