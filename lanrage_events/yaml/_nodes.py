from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import yaml

from ._errors import explain
from ._scalars import Scalar, construct, resolve

MAX_DEPTH = 50  # each level is several of Python's call stack
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_LIBYAML_TOO_DEEP = "maximum nesting depth"  # which it finds before the first of its events

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"


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


class UnreadableError(Exception):
    """Raised when a problem keeps the rest of a text from being understood."""

    def __init__(self, position: Position, message: str) -> None:
        self.problem = Problem(position, message)
        super().__init__(message)


@dataclass(slots=True, eq=False)
class Node:
    """A part of a YAML text. Where it has aliases, several nodes hold the same one."""

    position: Position
    kind: Literal["scalar", "list", "mapping"] = "scalar"
    value: Scalar = None
    """the value of a scalar"""
    text: str = ""
    """a scalar as it is written"""
    is_plain: bool = False
    """whether a scalar has no quotes"""
    is_flow: bool = False
    """whether a collection is written with brackets"""
    children: list[Node] = field(default_factory=list)
    """the items of a list; the keys and values of a mapping in turn"""
    is_complete: bool = True
    """whether all its children are known"""


def compose(text: str, problems: list[Problem]) -> Node | None:
    """Return the root of a YAML text, ``None`` for one without a value.

    :param text: one document
    :param problems: gets what is wrong but does not keep the rest from being understood
    :raises UnreadableError: if the rest cannot be understood
    """
    return _Composer(text, problems).compose()


class _Composer:
    """Turns the parser's events into nodes.

    PyYAML's own composer recurses in C for each level and dies of a text with very many.
    """

    def __init__(self, text: str, problems: list[Problem]) -> None:
        self._text = text
        self._problems = problems
        self._anchors: dict[str, Node] = {}
        self._depth = 0

    def compose(self) -> Node | None:
        root: Node | None = None
        documents = 0
        events = yaml.parse(self._text, Loader=_Loader)
        try:
            for event in events:
                if isinstance(event, yaml.NodeEvent):
                    root = self._node(event, events)
                elif isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        message = "a second document starts here: a file holds only one"
                        raise UnreadableError(_position(event), message)

        except yaml.YAMLError as error:
            line, column, message = explain(error, self._text)
            if _LIBYAML_TOO_DEEP in message:
                message = _TOO_DEEP

            raise UnreadableError(Position(line, column), message) from None

        return root

    def _node(self, event: yaml.NodeEvent, events: Iterator[yaml.Event]) -> Node:
        position = _position(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), position)

        node = Node(position)
        if event.anchor is not None:
            self._anchors[event.anchor] = node

        if isinstance(event, yaml.ScalarEvent):
            self._fill_scalar(node, event)
        else:
            self._fill_collection(node, event, events)

        return node

    def _alias(self, name: str, position: Position) -> Node:
        node = self._anchors.get(name)
        if node is None:
            message = f"'*{name}' has no anchor '&{name}' above it (put it in quotes if it is text)"
        elif not node.is_complete:
            message = f"'*{name}' stands inside of what it refers to"
        else:
            return node

        self._report(position, message)
        return Node(position)

    def _fill_scalar(self, node: Node, event: yaml.ScalarEvent) -> None:
        text = node.text = event.value
        tag = event.tag
        if tag is None:
            node.is_plain = event.implicit[0]
            node.value = resolve(text) if node.is_plain else text
            return

        try:
            node.value = construct("str" if tag == "!" else tag.removeprefix(_TAG), text)
        except KeyError:
            self._refuse_tag(node, tag)
        except ValueError as error:
            self._report(node.position, str(error))

    def _fill_collection(
        self, node: Node, event: yaml.NodeEvent, events: Iterator[yaml.Event]
    ) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        node.kind = "mapping" if is_mapping else "list"
        node.is_flow = bool(getattr(event, "flow_style", False))
        tag = getattr(event, "tag", None)
        if tag not in (None, "!", _TAG + ("map" if is_mapping else "seq")):
            self._refuse_tag(node, tag)

        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableError(node.position, _TOO_DEEP)

        node.is_complete = False
        # Until the event that ends the collection, which is no node.
        while isinstance(child := next(events), yaml.NodeEvent):
            node.children.append(self._node(child, events))

        node.is_complete = True
        self._depth -= 1

    def _refuse_tag(self, node: Node, tag: str) -> None:
        name = tag.replace(_TAG, "!!")
        self._report(node.position, f"the tag '{name}' is not supported")

    def _report(self, position: Position, message: str) -> None:
        self._problems.append(Problem(position, message))


def _position(event: yaml.Event) -> Position:
    mark = event.start_mark
    return Position() if mark is None else Position(mark.line + 1, mark.column + 1)
