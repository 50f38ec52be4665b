"""The nodes of a YAML text, composed from the events of PyYAML's parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from ._problems import Position, Problem, UnreadableError, format_error
from ._scalars import Scalar, construct, resolve

MAX_DEPTH = 50  # each level is several of Python's call stack
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_LIBYAML_TOO_DEEP = "maximum nesting depth"  # raised before the first event

_TAG = "tag:yaml.org,2002:"
_COMMENT = re.compile(r"[ \t]+(#[^\s#].*)")


@dataclass(slots=True, eq=False)
class Node:
    """A part of a YAML text. With aliases, several nodes hold the same one."""

    position: Position
    kind: Literal["scalar", "list", "mapping"] = "scalar"
    value: Scalar = None
    """the value of a scalar"""
    text: str = ""
    """a scalar as it is written"""
    style: str = ""
    """the quote, the bracket, ``|`` or ``>`` that it begins with, or ``!`` for a tag; else empty"""
    comment: str = ""
    """the comment right behind a scalar without quotes, if no space follows its ``#``"""
    children: list[Node] = field(default_factory=list)
    """the items of a list; the keys and values of a mapping in turn"""
    is_complete: bool = True
    """whether all its children are known"""
    is_valid: bool = True
    """whether it could be parsed; if not, a problem says why"""


class Composer:
    """Turns the parser's events into nodes.

    PyYAML's own composer recurses in C for each level and crashes on very deep nesting.

    :param problems: receives what is wrong where the rest can still be parsed
    """

    def __init__(self, text: str, name: str, problems: list[Problem]) -> None:
        self._text = text
        self._lines = text.splitlines()
        self._name = name
        self._problems = problems
        self._anchors: dict[str, Node] = {}
        self._depth = 0

    def compose(self) -> Node | None:
        """Return the root, ``None`` for a text without a value.

        :raises UnreadableError: if the rest of the text cannot be parsed
        """
        root: Node | None = None
        documents = 0
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        events = yaml.parse(self._text, Loader=loader)
        try:
            for event in events:
                if isinstance(event, yaml.NodeEvent):
                    root = self._node(event, events)
                elif isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        message = "a second document starts here: a file holds only one"
                        raise UnreadableError(self._position(event), message)

        except yaml.YAMLError as error:
            position, message = format_error(error, self._lines, self._name)
            if _LIBYAML_TOO_DEEP in message:
                message = _TOO_DEEP

            raise UnreadableError(position, message) from None

        return root

    def _node(self, event: yaml.NodeEvent, events: Iterator[yaml.Event]) -> Node:
        position = self._position(event)
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

        node = Node(position)
        self._report(node, message)
        return node

    def _fill_scalar(self, node: Node, event: yaml.ScalarEvent) -> None:
        text = node.text = event.value
        tag = event.tag or "!"
        node.style = event.style or ("!" if event.tag else "")
        if not node.style:
            node.value = resolve(text)
            node.comment = self._comment(event)
            return

        try:
            node.value = construct("str" if tag == "!" else tag.removeprefix(_TAG), text)
        except KeyError:
            self._reject_tag(node, tag)
        except ValueError as error:
            self._report(node, str(error))

    def _comment(self, event: yaml.ScalarEvent) -> str:
        line, column = _line_and_column(event.end_mark)
        match = _COMMENT.match(self._lines[line], column) if line < len(self._lines) else None
        return match[1].rstrip() if match else ""

    def _fill_collection(
        self, node: Node, event: yaml.NodeEvent, events: Iterator[yaml.Event]
    ) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        node.kind = "mapping" if is_mapping else "list"
        if getattr(event, "flow_style", False):
            node.style = "{" if is_mapping else "["

        tag = getattr(event, "tag", None)
        if tag not in (None, "!", _TAG + ("map" if is_mapping else "seq")):
            self._reject_tag(node, tag)

        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableError(node.position, _TOO_DEEP)

        node.is_complete = False
        while isinstance(child := next(events), yaml.NodeEvent):
            node.children.append(self._node(child, events))

        node.is_complete = True
        self._depth -= 1

    def _reject_tag(self, node: Node, tag: str) -> None:
        name = tag.replace(_TAG, "!!")
        self._report(node, f"the tag '{name}' is not supported")

    def _report(self, node: Node, message: str) -> None:
        node.is_valid = False
        self._problems.append(Problem(node.position, message))

    def _position(self, event: yaml.Event) -> Position:
        line, column = _line_and_column(event.start_mark)
        return Position(line + 1, column + 1, self._name)


def _line_and_column(mark: Any) -> tuple[int, int]:
    # The parser marks every event, but PyYAML's types allow None.
    return (0, 0) if mark is None else (mark.line, mark.column)
