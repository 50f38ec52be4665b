"""YAML documents: their values, the positions of these, and what is wrong with them."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple, TypeAlias

from .._files import read_file
from ._nodes import MAX_DEPTH, Composer, Node
from ._problems import Position, Problem, UnreadableError

YAMLValue: TypeAlias = "None | bool | int | float | str | list[YAMLValue] | dict[str, YAMLValue]"
"""a value of a document: text, number, truth value, nothing, or a list or mapping of values"""
KeyPath: TypeAlias = tuple[str | int, ...]
"""the keys and list indices that lead from the top of a document to a value"""

_MAX_BYTES = 1_000_000
_MAX_VALUES = 100_000  # a few nested aliases can stand for more values than there is memory

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MERGE = "<<"


class Text(NamedTuple):
    """A scalar as it is written, without quotes."""

    text: str = ""
    line: int = 0
    """where it begins, from 1; for a block, the line below its ``|``"""
    comment: str = ""
    """the comment right behind it if no space follows its ``#``, as in ``color: #4CAF50``, which is
    probably meant as text"""
    column: int = 0
    """where it begins, from 1; 0 for a block, which has a place of its own in each line"""


@dataclass(slots=True)
class Document:
    """The value of a YAML text, its problems, and the position of each part.

    ``Document(data)`` makes one of data from elsewhere, without positions.
    """

    data: YAMLValue = None
    name: str = ""
    """the path of the file, for messages"""
    problems: list[Problem] = field(default_factory=list)
    """everything that is wrong; ``data`` then holds what could be parsed"""
    failed: set[KeyPath] = field(default_factory=set)
    """the values that could not be parsed; each has a problem already"""
    _values: dict[KeyPath, Node] = field(default_factory=dict, repr=False)
    _keys: dict[KeyPath, Node] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Path:
        """The folder of the file, from which relative paths in it start."""
        return Path(self.name).absolute().parent if self.name else Path.cwd()

    def position(self, path: KeyPath, *, key: bool = False) -> Position:
        """Return the position of a value, or of the nearest value around it that the text has.

        :param path: keys and indices that lead to the value
        :param key: prefer the position of its key
        """
        for length in range(len(path), -1, -1):
            known = path[:length]
            node = (self._keys.get(known) if key else None) or self._values.get(known)
            if node is not None:
                return node.position

        return Position(file=self.name)

    def report(self, path: KeyPath, message: str, *, key: bool = False) -> None:
        """Add a problem with a value.

        :param path: keys and indices that lead to the value, empty for the whole document
        :param message: what is wrong, and what to do about it
        :param key: use the position of its key
        """
        self.problems.append(Problem(self.position(path, key=key), with_path(path, message)))

    def has_failed(self, path: KeyPath) -> bool:
        """Return whether a value, or one that it is in, could not be parsed.

        :param path: keys and indices that lead to the value
        """
        return any(path[:length] in self.failed for length in range(len(path) + 1))

    def text(self, path: KeyPath) -> Text:
        """Return a scalar as it is written, such as ``007``, or an empty text if there is none.

        :param path: keys and indices that lead to the value
        """
        node = self._values.get(path)
        if node is None:
            return Text()

        is_block = node.style in ("|", ">")
        text = "" if node.value is None else node.text
        column = 0 if is_block else node.position.column
        return Text(text, node.position.line + is_block, node.comment, column)


def with_path(path: KeyPath, message: str) -> str:
    """Return a message that names the value it is about, as in ``plugins.log.path: …``.

    :param path: keys and indices that lead to the value, empty for the whole document
    :param message: what is wrong
    """
    name = ".".join(str(key) for key in path)
    return f"{name}: {message}" if name else message


def kind_of(value: YAMLValue) -> str:
    """Describe the type of a value in words, without the value, which may be a secret.

    :param value: such as ``[1, 2]``, which is ``a list``
    """
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int():
            return "a number"
        case float():
            return "a number that is not whole"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "keys with values"


def read(file: Traversable) -> Document:
    """Read a YAML file by the rules of YAML 1.2, with the position of each value.

    Nothing is raised for a file that does not exist, cannot be read or is not YAML: the document
    holds all problems that were found. No more than a million bytes are read; a pipe or a device
    must give them within 10 seconds.

    :param file: a path, or a file in a package from :func:`importlib.resources.files`
    """
    try:
        if isinstance(file, Path):
            return parse(read_file(file, _MAX_BYTES), str(file))

        return parse(file.read_bytes(), str(file))
    except FileNotFoundError:
        message = "the file does not exist"
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"

    document = Document(name=str(file))
    document.report((), message)
    return document


def parse(source: str | bytes, name: str = "") -> Document:
    """Read one YAML document by the rules of YAML 1.2, with the position of each value.

    Nothing is raised for a bad text: the document holds all problems that were found. Keys are
    texts, as they are written. Anchors, aliases and merge keys work. A text of more than a million
    characters, 100,000 values or 50 levels is rejected.

    :param source: the text, or the bytes of a file in UTF-8, or in UTF-16 with a byte order mark
    :param name: the path of the file, for messages
    """
    start = Node(Position(1, 1, name))
    document = Document(name=name, _values={(): start})
    try:
        text = _decode(source, name)
        root = Composer(text, name, document.problems).compose()
        document.data = _Builder(document).build(root or start)
    except UnreadableError as error:
        document.problems.append(error.problem)

    document.problems = sorted(set(document.problems))
    return document


def _decode(source: str | bytes, name: str) -> str:
    if len(source) > _MAX_BYTES:
        message = f"the file is larger than {_MAX_BYTES:,} bytes"
        raise UnreadableError(_position_after("", name), message)

    text = source if isinstance(source, str) else _decode_bytes(source, name)
    text = text.removeprefix("\ufeff")
    strange = _NOT_YAML.search(text)
    if strange:
        message = f"the control character U+{ord(strange.group()):04X} is not allowed"
        raise UnreadableError(_position_after(text[: strange.start()], name), message)

    return text


def _decode_bytes(source: bytes, name: str) -> str:
    if source.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) or source in _UTF16_MARKS:
        message = f"this is not UTF-8 (byte 0x{source[0]:02X}): save the file as UTF-8"
        raise UnreadableError(_position_after("", name), message)

    is_utf16 = source.startswith(_UTF16_MARKS)
    encoding, label = ("utf-16", "UTF-16") if is_utf16 else ("utf-8", "UTF-8")
    try:
        return source.decode(encoding)
    except UnicodeDecodeError as error:
        before = source[: error.start].decode(encoding, errors="replace").removeprefix("\ufeff")
        byte = source[error.start]
        message = f"this is not {label} (byte 0x{byte:02X}): save the file as UTF-8"
        raise UnreadableError(_position_after(before, name), message) from None


def _position_after(text: str, name: str) -> Position:
    lines = text.split("\n")
    return Position(len(lines), len(lines[-1]) + 1, name)


class _Builder:
    """Turns nodes into values and records their positions."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0
        self._depth = 0

    def build(self, node: Node, path: KeyPath = ()) -> YAMLValue:
        self._count(node)
        self._document._values[path] = node
        value = node.value if node.kind == "scalar" else self._build_collection(node, path)
        if not node.is_valid:
            self._document.failed.add(path)

        return value

    def _build_collection(self, node: Node, path: KeyPath) -> YAMLValue:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"with its aliases, nested deeper than {MAX_DEPTH} levels"
            raise UnreadableError(node.position, message)

        value: YAMLValue
        if node.kind == "list":
            value = [self.build(child, (*path, index)) for index, child in enumerate(node.children)]
        else:
            value = {}
            for name, (key, child) in self._items(node).items():
                self._document._keys[*path, name] = key
                value[name] = self.build(child, (*path, name))

        self._depth -= 1
        return value

    def _items(self, node: Node, depth: int = 0) -> dict[str, tuple[Node, Node]]:
        """Return the keys of a mapping with their nodes, after merging."""
        if depth > MAX_DEPTH:
            raise UnreadableError(node.position, f"merged over more than {MAX_DEPTH} levels")

        self._count(node)
        items: dict[str, tuple[Node, Node]] = {}
        merged: list[Node] = []
        for key, child in zip(node.children[::2], node.children[1::2], strict=True):
            if key.kind != "scalar":
                message = "a key must be text, not a list or a mapping"
                if node.style:
                    node.is_valid = False  # such as {{ name }}, which was meant as a text
                    message += ": if it is text, put it in quotes"

                self._report(key, message)
            elif key.text == _MERGE and not key.style:
                merged += self._mappings(child)
            elif key.text in items:
                first = items[key.text][0].position
                place = f"{first.line}:{first.column}"
                self._report(key, f"duplicate key '{key.text}', first at {place}")
            else:
                items[key.text] = (key, child)

        for mapping in merged:
            for name, pair in self._items(mapping, depth + 1).items():
                self._count(node)
                items.setdefault(name, pair)

        return items

    def _mappings(self, node: Node) -> list[Node]:
        nodes = node.children if node.kind == "list" else [node]
        for child in nodes:
            if child.kind != "mapping":
                self._report(child, "'<<' takes a mapping, or a list of mappings")

        return [child for child in nodes if child.kind == "mapping"]

    def _count(self, node: Node) -> None:
        self._values += 1
        if self._values > _MAX_VALUES:
            message = f"with its aliases, this file holds more than {_MAX_VALUES:,} values"
            raise UnreadableError(node.position, message)

    def _report(self, node: Node, message: str) -> None:
        self._document.problems.append(Problem(node.position, message))
