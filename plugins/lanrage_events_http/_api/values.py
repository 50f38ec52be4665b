"""The JSON values of a body, read in slices so that other tasks run meanwhile."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from time import perf_counter
from typing import Any

from anyio.lowlevel import checkpoint
from starlette.requests import Request

from .._problem import Problem
from .models import MAX_EVENTS

MAX_VALUE_BYTES = 1_024 * 1_024
"""of one event, or of a body that is not events"""
MAX_PARTS = 10_000
"""values within one value, about, since they are counted by commas and brackets"""
_SLICE_SECONDS = 0.01
_SMALL_BYTES = 64 * 1_024
_WINDOW_BYTES = 128 * 1_024
_LONGEST_WORD = len("-Infinity")
_BOM = codecs.BOM_UTF8
_SPACE = re.compile(r"[ \t\n\r]*")
_NOT_BLANK = re.compile(rb"[^ \t\n\r]")


class Slices:
    """Long work in the event loop, interrupted now and then so that other tasks run."""

    def __init__(self) -> None:
        self._began = perf_counter()

    @property
    def is_over(self) -> bool:
        """Whether the work has taken long enough for now."""
        return perf_counter() - self._began >= _SLICE_SECONDS

    async def pause(self) -> None:
        """Let other tasks run if the work has taken long enough."""
        if self.is_over:
            await checkpoint()
            self._began = perf_counter()


async def read_body(request: Request, limit: float = math.inf) -> bytearray:
    """Return the body of a request; other tasks run between its pieces.

    :param limit: bytes; the rest of a longer body is not read
    :raises Problem: if it is longer
    """
    body = bytearray()
    slices = Slices()
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > limit:
                raise Problem(413, f"the body may have {limit:,} bytes at most")

            if slices.is_over:
                await slices.pause()

    return body


def decode(body: bytes | bytearray) -> str:
    """Return the text of a body.

    :raises Problem: if it is not UTF-8
    """
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(error.start + (len(_BOM) if body.startswith(_BOM) else 0)) from None


def parse_json(text: str, line: int | None = None) -> Any:
    """Return the value of a JSON text.

    :param line: its number, from 1, if the body has one text in each line
    :raises Problem: if it is not JSON, or too much of it
    """
    place = "the body" if line is None else f"line {line}"
    if len(text) > MAX_VALUE_BYTES or _has_many_parts(text):
        raise _too_large(place)

    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"column {error.colno}" if line else f"line {error.lineno} column {error.colno}"
        raise _not_json(place, error.msg, where) from None
    except (ValueError, RecursionError) as error:
        raise _unusual(place, error) from None


def read_at_once(body: bytes | bytearray, *, is_lines: bool) -> list[Any] | None:
    """Return the values of a body that is small enough, else None.

    :param is_lines: whether each line has a value
    :raises Problem: if it is not JSON
    """
    if len(body) > _SMALL_BYTES:
        return None

    text = decode(body)
    if _has_many_parts(text):
        return None

    if is_lines:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        _check_count(len(lines))
        return [parse_json(line, number) for number, line in lines]

    value = parse_json(text)
    values: list[Any] = value if isinstance(value, list) else [value]
    _check_count(len(values))
    return values


async def read_lines(body: bytes | bytearray) -> AsyncGenerator[Any]:
    """Yield the value of each line that is not blank.

    :raises Problem: if one is not JSON, or there are too many
    """
    slices = Slices()
    position = len(_BOM) if body.startswith(_BOM) else 0
    line = 1
    count = 0
    while position < len(body):
        await slices.pause()
        window_end = min(position + _WINDOW_BYTES, len(body))
        found = _NOT_BLANK.search(body, position, window_end)
        if found is None:
            line += body.count(b"\n", position, window_end)
            position = window_end
            continue

        begin = body.rfind(b"\n", position, found.start()) + 1 or position
        line += body.count(b"\n", position, begin)
        position = begin

        end = body.find(b"\n", position, position + MAX_VALUE_BYTES + 1)
        if end < 0:
            end = len(body)

        if end - position > MAX_VALUE_BYTES:
            raise _too_large(f"line {line}")

        count += 1
        _check_count(count)
        try:
            text = body[position:end].decode()
        except UnicodeDecodeError as error:
            raise _not_utf8(position + error.start) from None

        yield parse_json(text, line)
        position = end


async def read_array(body: bytes | bytearray) -> AsyncGenerator[Any]:
    """Yield the items of an array, or the only value of a body that has no array.

    :raises Problem: if the body is not JSON, or has too many items
    """
    slices = Slices()
    array = _Array(body)
    for _ in array.skip():
        await slices.pause()

    if array.peek() != "[":
        if len(body) > MAX_VALUE_BYTES:
            raise _too_large("the body")

        yield parse_json(decode(body))
        return

    count = 0
    for value in array.items():
        if value is not _NEED_MORE:
            count += 1
            _check_count(count)
            yield value

        await slices.pause()


_NEED_MORE = object()


class _Array:
    """The text of an array, of which a window is held at a time."""

    def __init__(self, body: bytes | bytearray) -> None:
        self._body = memoryview(body)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._next = len(_BOM) if body.startswith(_BOM) else 0
        """the position in the body of what follows the window"""
        self._text = ""
        self._position = 0
        """in the text"""
        self._lines = 0
        """in the text before the window"""
        self._column = 0
        """characters of the window's first line before the window"""
        self._count = 0

    def items(self) -> Iterator[Any]:
        """Yield the items, and :data:`_NEED_MORE` whenever a while may have passed."""
        self._position += 1
        yield from self.skip()
        if self.peek() == "]":
            self._position += 1
        else:
            yield from self._items()

        yield from self.skip()
        if self._position < len(self._text):
            raise self._error("Extra data", self._position)

    def _items(self) -> Iterator[Any]:
        while True:
            yield from self._item()
            yield from self.skip()
            delimiter = self.peek()
            if delimiter not in (",", "]"):
                raise self._error("Expecting ',' delimiter", self._position)

            self._position += 1
            if delimiter == "]":
                return

            yield from self.skip()

    def _item(self) -> Iterator[Any]:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._position)
            except json.JSONDecodeError as error:
                is_cut = error.pos >= self._cut_at() or error.msg.startswith("Unterminated")
                if not is_cut or not self._has_more():
                    raise self._error(error.msg, error.pos) from None
            except (ValueError, RecursionError) as error:
                raise _unusual("the body", error) from None
            else:
                # The rest of a number may follow the window.
                if end < self._cut_at() or not self._has_more():
                    self._check_size(end)
                    self._position = end
                    self._count += 1
                    yield value
                    return

            self._check_size(len(self._text))
            self._fill()
            yield _NEED_MORE

    def _check_size(self, end: int) -> None:
        begin = self._position
        if end - begin > MAX_VALUE_BYTES or _has_many_parts(self._text, begin, end):
            raise _too_large(f"event {self._count + 1}")

    def skip(self) -> Iterator[Any]:
        """Skip blank characters."""
        while True:
            found = _SPACE.match(self._text, self._position)
            self._position = found.end() if found else self._position
            if self._position < len(self._text) or not self._has_more():
                return

            self._fill()
            yield _NEED_MORE

    def peek(self) -> str:
        """Return the next character, empty at the end."""
        return self._text[self._position : self._position + 1]

    def _cut_at(self) -> int:
        """Return from where on a number or a word may go on after the window."""
        return len(self._text) - _LONGEST_WORD

    def _has_more(self) -> bool:
        return self._next < len(self._body)

    def _fill(self) -> None:
        """Move the window on: drop what was read, and add more."""
        passed = self._text[: self._position]
        lines = passed.count("\n")
        self._lines += lines
        self._column = len(passed) - passed.rfind("\n") - 1 if lines else self._column + len(passed)
        piece = self._body[self._next : self._next + _WINDOW_BYTES]
        pending = len(self._decoder.getstate()[0])
        try:
            more = self._decoder.decode(
                bytes(piece), final=self._next + len(piece) >= len(self._body)
            )
        except UnicodeDecodeError as error:
            raise _not_utf8(self._next - pending + error.start) from None

        self._next += len(piece)
        self._text = self._text[self._position :] + more
        self._position = 0

    def _error(self, reason: str, position: int) -> Problem:
        lines = self._text.count("\n", 0, position)
        column = position - self._text.rfind("\n", 0, position)
        if not lines:
            column = self._column + position + 1

        return _not_json("the body", reason, f"line {self._lines + lines + 1} column {column}")


def _check_count(count: int) -> None:
    if count > MAX_EVENTS:
        raise Problem(
            413,
            f"there are more events than the {MAX_EVENTS:,} that one request may bring: send them "
            "in several requests",
        )


def _has_many_parts(text: str, begin: int = 0, end: int | None = None) -> bool:
    return sum(text.count(mark, begin, end) for mark in ",[{") > MAX_PARTS


def _too_large(place: str) -> Problem:
    return Problem(
        413,
        f"{place} is too large: it may have {MAX_VALUE_BYTES:,} bytes and {MAX_PARTS:,} values at "
        "most",
    )


def _not_utf8(position: int) -> Problem:
    return Problem(400, f"the body is not UTF-8: the byte at position {position} is wrong")


def _not_json(place: str, reason: str, where: str) -> Problem:
    return Problem(400, f"{place} is not JSON: {reason[:1].lower()}{reason[1:]} at {where}")


def _unusual(place: str, error: ValueError | RecursionError) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(400, f"{place} is nested too deeply")

    return Problem(400, f"{place} is not JSON: {error}")


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_reject_constant)
