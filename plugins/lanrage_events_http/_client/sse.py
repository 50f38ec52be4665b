"""A parser of server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

# More than the largest event that a daemon takes in its widest form.
MESSAGE_MAX_CHARACTERS = 16 * 1024 * 1024

_NEWLINE = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Message:
    """One event of a stream."""

    name: str
    data: str
    id: str | None
    """the last id in the stream so far, if any"""


class MessageTooLong(ValueError):
    """Raised when a message exceeds the limit."""


class SSEReader:
    """Parses the bytes of a stream, in chunks of any size.

    :param max_characters: the longest message
    """

    def __init__(self, max_characters: int = MESSAGE_MAX_CHARACTERS) -> None:
        self._max_characters = max_characters
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._parts: list[str] = []
        self._after_return = False
        self._size = 0
        self._name = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Yield the messages that end within a chunk.

        :raises MessageTooLong: if one exceeds the limit
        """
        text = self._decoder.decode(chunk)
        if not text:
            return

        if self._after_return and text.startswith("\n"):
            text = text[1:]

        self._after_return = text.endswith("\r")
        *ends, rest = _NEWLINE.split(text)
        for end in ends:
            self._add(end)
            line = "".join(self._parts)
            self._parts.clear()
            message = self._take(line)
            if message is not None:
                yield message

        self._add(rest)

    def _add(self, part: str) -> None:
        self._size += len(part)
        if self._size > self._max_characters:
            raise MessageTooLong(f"a message has more than {self._max_characters} characters")

        self._parts.append(part)

    def _take(self, line: str) -> Message | None:
        """Handle a line; return the message that it ends, if any."""
        if not line:
            return self._finish()

        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "":
                # A comment, such as a heartbeat.
                self._size -= len(line)

        return None

    def _finish(self) -> Message | None:
        name, data = self._name, self._data
        self._name, self._data, self._size = "", [], 0
        return Message(name or "message", "\n".join(data), self._id) if data else None
