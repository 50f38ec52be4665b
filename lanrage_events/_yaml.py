from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from ._yaml_errors import explain

YAMLValue: TypeAlias = "None | bool | int | float | str | list[YAMLValue] | dict[str, YAMLValue]"
KeyPath: TypeAlias = tuple[str | int, ...]
"""the keys and list indices that lead from the top of a document to a value"""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_MAX_BYTES = 1_000_000
_MAX_VALUES = 100_000  # a few nested aliases can stand for more values than there is memory
_MAX_DEPTH = 50  # each level is one of Python's call stack

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"

# The scalars of YAML 1.2's core schema, not those of 1.1 with its surprises: "on" and "no" are
# texts and so is 10:30. What begins with a zero is a text too: an id, or an octal number in 1.1.
_NULL = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_MAX_DIGITS = 1000  # Python refuses to read many more, and no setting has them


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file, both counted from 1."""

    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong at one place of a file."""

    position: Position
    message: str


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


def parse(source: str | bytes) -> Document:
    """Read one YAML document by the rules of YAML 1.2, with the place of each value.

    Nothing is raised for a bad text: its problems are in the document, all that could be found.
    Keys are texts, as they are written. Anchors, aliases and merge keys work.

    :param source: the text, or the bytes of a file in UTF-8, or in UTF-16 with a byte order mark
    """
    document = Document()
    try:
        text = _decode(source)
        root = _Composer(text, document.problems).compose()
        if root is not None:
            _Builder(document).build(root)
    except _UnreadableError as error:
        document.problems.append(error.problem)

    document.problems = sorted(set(document.problems))
    return document


class _UnreadableError(Exception):
    """Raised when a problem keeps the rest of the text from being understood."""

    def __init__(self, position: Position, message: str) -> None:
        self.problem = Problem(position, message)
        super().__init__(message)


def _decode(source: str | bytes) -> str:
    if len(source) > _MAX_BYTES:
        raise _UnreadableError(Position(), f"the file is larger than {_MAX_BYTES:,} bytes")

    text = source if isinstance(source, str) else _decode_bytes(source)
    text = text.removeprefix("\ufeff")
    strange = _NOT_YAML.search(text)
    if strange:
        raise _UnreadableError(
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
        raise _UnreadableError(
            _position_after(before.removeprefix("\ufeff")),
            f"this is not {name} (byte 0x{source[error.start]:02X}): save the file as UTF-8",
        ) from None


def _position_after(text: str) -> Position:
    lines = text.split("\n")
    return Position(len(lines), len(lines[-1]) + 1)


@dataclass(slots=True, eq=False)
class _Node:
    position: Position
    value: None | bool | int | float | str | list[_Node] | list[tuple[_Node, _Node]] = None
    is_mapping: bool = False
    text: str | None = None
    """a scalar as it is written, ``None`` for a collection"""
    is_plain: bool = False
    is_flow: bool = False
    is_complete: bool = True


class _Composer:
    """Turns the parser's events into a graph of nodes.

    PyYAML's own composer recurses in C for each level and dies of a text with very many.
    """

    def __init__(self, text: str, problems: list[Problem]) -> None:
        self._text = text
        self._problems = problems
        self._anchors: dict[str, _Node] = {}
        self._depth = 0

    def compose(self) -> _Node | None:
        root: _Node | None = None
        documents = 0
        events = yaml.parse(self._text, Loader=_Loader)
        try:
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        raise _UnreadableError(
                            _position(event),
                            "a second document starts here: a file holds only one",
                        )

                elif isinstance(event, yaml.NodeEvent):
                    root = self._node(event, events)

        except yaml.YAMLError as error:
            line, column, message = explain(error, self._text)
            raise _UnreadableError(Position(line, column), message) from None

        return root

    def _node(self, event: yaml.NodeEvent, events: Iterator[yaml.Event]) -> _Node:
        position = _position(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, position)

        node = _Node(position)
        if event.anchor is not None:
            self._anchors[event.anchor] = node

        if isinstance(event, yaml.ScalarEvent):
            self._fill_scalar(node, event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._fill_collection(node, event, events)

        return node

    def _alias(self, name: str, position: Position) -> _Node:
        node = self._anchors.get(name)
        if node is None:
            message = f"'*{name}' has no anchor '&{name}' above it (put it in quotes if it is text)"
        elif not node.is_complete:
            message = f"'*{name}' stands inside of what it refers to"
        else:
            return node

        self._problems.append(Problem(position, message))
        return _Node(position, text="")

    def _fill_scalar(self, node: _Node, event: yaml.ScalarEvent) -> None:
        text = node.text = event.value
        node.is_plain = event.implicit[0]
        tag = event.tag
        if tag is None:
            node.value = _resolve(text) if event.implicit[0] else text
        elif tag in ("!", _TAG + "str"):
            node.value = text
        elif tag.removeprefix(_TAG) in _CONSTRUCTORS:
            pattern, construct = _CONSTRUCTORS[tag.removeprefix(_TAG)]
            if pattern.fullmatch(text) and len(text) < _MAX_DIGITS:
                node.value = construct(text)
            else:
                kind = tag.removeprefix(_TAG)
                self._problems.append(Problem(node.position, f"this is no '!!{kind}' value"))
        else:
            self._refuse_tag(node, tag)

    def _fill_collection(
        self, node: _Node, event: yaml.CollectionStartEvent, events: Iterator[yaml.Event]
    ) -> None:
        node.is_mapping = isinstance(event, yaml.MappingStartEvent)
        node.is_flow = bool(event.flow_style)
        tag = event.tag
        if tag not in (None, "!", _TAG + ("map" if node.is_mapping else "seq")):
            self._refuse_tag(node, tag)

        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _UnreadableError(node.position, f"nested deeper than {_MAX_DEPTH} levels")

        node.is_complete = False
        children: list[_Node] = []
        for child in events:
            if isinstance(child, yaml.CollectionEndEvent):
                break

            if isinstance(child, yaml.NodeEvent):
                children.append(self._node(child, events))

        if node.is_mapping:
            node.value = list(zip(children[::2], children[1::2], strict=True))
        else:
            node.value = children

        node.is_complete = True
        self._depth -= 1

    def _refuse_tag(self, node: _Node, tag: str) -> None:
        name = tag.replace(_TAG, "!!")
        self._problems.append(Problem(node.position, f"the tag '{name}' is not supported"))


class _Builder:
    """Turns a graph of nodes into values, and notes their positions."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0
        self._depth = 0

    def build(self, root: _Node) -> None:
        self._document.data = self._build(root, ())

    def _build(self, node: _Node, path: KeyPath) -> YAMLValue:
        self._count(node)
        self._document.positions[path] = node.position
        if not isinstance(node.value, list):
            return node.value

        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _UnreadableError(
                node.position, f"with its aliases, nested deeper than {_MAX_DEPTH} levels"
            )

        value: YAMLValue
        if node.is_mapping:
            value = {}
            for key, (key_node, child) in self._items(node).items():
                child_path = (*path, key)
                self._document.key_positions[child_path] = key_node.position
                value[key] = self._build(child, child_path)

        else:
            value = [
                self._build(child, (*path, index))
                for index, child in enumerate(node.value)
                if isinstance(child, _Node)
            ]

        self._depth -= 1
        return value

    def _count(self, node: _Node) -> None:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise _UnreadableError(
                node.position, f"with its aliases, this file holds more than {_MAX_VALUES:,} values"
            )

    def _items(self, node: _Node, depth: int = 0) -> dict[str, tuple[_Node, _Node]]:
        """Return the keys of a mapping with what they stand for, after merging."""
        if depth > _MAX_DEPTH:
            raise _UnreadableError(node.position, f"merged over more than {_MAX_DEPTH} levels")

        self._count(node)
        items: dict[str, tuple[_Node, _Node]] = {}
        merges: list[_Node] = []
        for pair in node.value if isinstance(node.value, list) else ():
            if isinstance(pair, _Node):
                continue

            key, child = pair
            if key.text is None:
                hint = ": if it is text, put it in quotes" if node.is_flow else ""
                self._report(key, f"a key must be text, not a list or a mapping{hint}")
            elif key.text == _MERGE and key.is_plain:
                merges += self._merged(child)
            elif key.text in items:
                first = items[key.text][0].position
                self._report(key, f"duplicate key '{key.text}', first at {first}")
            else:
                items[key.text] = pair

        for merged in merges:
            for name, pair in self._items(merged, depth + 1).items():
                self._count(node)
                items.setdefault(name, pair)

        return items

    def _merged(self, node: _Node) -> list[_Node]:
        nodes = [node]
        if not node.is_mapping and isinstance(node.value, list):
            nodes = [child for child in node.value if isinstance(child, _Node)]

        for child in nodes:
            if not child.is_mapping:
                self._report(child, "'<<' takes a mapping, or a list of mappings")

        return [child for child in nodes if child.is_mapping]

    def _report(self, node: _Node, message: str) -> None:
        self._document.problems.append(Problem(node.position, message))


def _position(event: yaml.Event) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1)


def _resolve(text: str) -> None | bool | int | float | str:
    if len(text) < _MAX_DIGITS:
        for pattern, construct in _CONSTRUCTORS.values():
            if pattern.fullmatch(text):
                return construct(text)

    return text


def _construct_null(text: str) -> None:
    return None


def _construct_bool(text: str) -> bool:
    return text.lower() == "true"


def _construct_int(text: str) -> int:
    return int(text, base=0)


def _construct_float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_CONSTRUCTORS = {
    "null": (_NULL, _construct_null),
    "bool": (_BOOL, _construct_bool),
    "int": (_INT, _construct_int),
    "float": (_FLOAT, _construct_float),
}
