from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TypeAlias

from ._nodes import MAX_DEPTH, Node, Position, Problem, UnreadableError, compose

YAMLValue: TypeAlias = "None | bool | int | float | str | list[YAMLValue] | dict[str, YAMLValue]"
KeyPath: TypeAlias = tuple[str | int, ...]
"""the keys and list indices that lead from the top of a document to a value"""

_MAX_BYTES = 1_000_000
_MAX_VALUES = 100_000  # a few nested aliases can stand for more values than there is memory

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MERGE = "<<"


@dataclass(slots=True)
class Document:
    """The value of a YAML text, and where in the text each part of it stands."""

    data: YAMLValue = None
    problems: list[Problem] = field(default_factory=list)
    """everything that is wrong; ``data`` is then what could be understood"""
    positions: dict[KeyPath, Position] = field(default_factory=dict)
    """where each value starts"""
    key_positions: dict[KeyPath, Position] = field(default_factory=dict)
    """where the key of each value starts"""

    def position(self, path: KeyPath, *, key: bool = False) -> Position:
        """Return where a value stands, or the nearest value around it that the text has.

        :param path: keys and indices that lead to the value
        :param key: prefer the place of its key
        """
        for length in range(len(path), -1, -1):
            known = path[:length]
            if key and known in self.key_positions:
                return self.key_positions[known]

            if known in self.positions:
                return self.positions[known]

        return Position()


def about(path: KeyPath, message: str) -> str:
    """Return a message that says which value it is about, as in ``plugins.log.path: …``.

    :param path: keys and indices that lead to the value, empty for the whole document
    :param message: what is to be said
    """
    name = ".".join(str(key) for key in path)
    return f"{name}: {message}" if name else message


def parse(source: str | bytes) -> Document:
    """Read one YAML document by the rules of YAML 1.2, with the place of each value.

    Nothing is raised for a bad text: its problems are in the document, all that could be found.
    Keys are texts, as they are written. Anchors, aliases and merge keys work.

    :param source: the text, or the bytes of a file in UTF-8, or in UTF-16 with a byte order mark
    """
    document = Document()
    try:
        text = _decode(source)
        root = compose(text, document.problems)
        if root is not None:
            _Builder(document).build(root)
    except UnreadableError as error:
        document.problems.append(error.problem)

    document.problems = sorted(set(document.problems))
    return document


def _decode(source: str | bytes) -> str:
    if len(source) > _MAX_BYTES:
        raise UnreadableError(Position(), f"the file is larger than {_MAX_BYTES:,} bytes")

    text = source if isinstance(source, str) else _decode_bytes(source)
    text = text.removeprefix("\ufeff")
    strange = _NOT_YAML.search(text)
    if strange:
        raise UnreadableError(
            _position_after(text[: strange.start()]),
            f"the control character U+{ord(strange.group()):04X} is not allowed",
        )

    return text


def _decode_bytes(source: bytes) -> str:
    is_utf16 = source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding, name = ("utf-16", "UTF-16") if is_utf16 else ("utf-8", "UTF-8")
    try:
        return source.decode(encoding)
    except UnicodeDecodeError as error:
        before = source[: error.start].decode(encoding, errors="replace")
        raise UnreadableError(
            _position_after(before.removeprefix("\ufeff")),
            f"this is not {name} (byte 0x{source[error.start]:02X}): save the file as UTF-8",
        ) from None


def _position_after(text: str) -> Position:
    lines = text.split("\n")
    return Position(len(lines), len(lines[-1]) + 1)


class _Builder:
    """Turns nodes into values, and notes their positions."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0
        self._depth = 0

    def build(self, root: Node) -> None:
        self._document.data = self._build(root, ())

    def _build(self, node: Node, path: KeyPath) -> YAMLValue:
        self._count(node)
        self._document.positions[path] = node.position
        if node.kind == "scalar":
            return node.value

        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableError(
                node.position, f"with its aliases, nested deeper than {MAX_DEPTH} levels"
            )

        value: YAMLValue
        if node.kind == "list":
            value = [
                self._build(child, (*path, index)) for index, child in enumerate(node.children)
            ]
        else:
            value = {}
            for name, (key, child) in self._items(node).items():
                self._document.key_positions[*path, name] = key.position
                value[name] = self._build(child, (*path, name))

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
                hint = ": if it is text, put it in quotes" if node.is_flow else ""
                self._report(key, f"a key must be text, not a list or a mapping{hint}")
            elif key.text == _MERGE and key.is_plain:
                merged += self._mappings(child)
            elif key.text in items:
                first = items[key.text][0].position
                self._report(key, f"duplicate key '{key.text}', first at {first}")
            else:
                items[key.text] = (key, child)

        for mapping in merged:
            for name, pair in self._items(mapping, depth + 1).items():
                self._count(node)
                items.setdefault(name, pair)

        return items

    def _mappings(self, node: Node) -> list[Node]:
        """Return what a merge key merges."""
        nodes = node.children if node.kind == "list" else [node]
        for child in nodes:
            if child.kind != "mapping":
                self._report(child, "'<<' takes a mapping, or a list of mappings")

        return [child for child in nodes if child.kind == "mapping"]

    def _count(self, node: Node) -> None:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise UnreadableError(
                node.position, f"with its aliases, this file holds more than {_MAX_VALUES:,} values"
            )

    def _report(self, node: Node, message: str) -> None:
        self._document.problems.append(Problem(node.position, message))
