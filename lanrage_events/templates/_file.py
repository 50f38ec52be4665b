from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from .._exceptions import TemplateError
from .._hints import did_you_mean
from ..yaml import Document, KeyPath, Position, YAMLValue, kind_of


@dataclass(frozen=True, slots=True)
class LeafSource:
    """The text of one leaf of a template file."""

    text: str
    line: int
    """the line of the file in which the text begins, from 1"""


@dataclass(slots=True)
class TemplateFile:
    """What one template file holds: the texts of its leaves, not yet compiled."""

    name: str
    """the path, for messages"""
    leaves: dict[str, LeafSource] = field(default_factory=dict)
    """by path, such as ``title`` or ``footer.text``"""
    lists: dict[str, list[dict[str, LeafSource]]] = field(default_factory=dict)
    """the items of each list, each with its leaves by path, such as ``fields[].name``"""
    problems: list[TemplateError] = field(default_factory=list)


def parse_template(
    document: Document, leaves: Collection[str], shorthands: Mapping[str, str]
) -> TemplateFile:
    """Take the leaves out of a template file; what is wrong is skipped, with a problem.

    :param document: the file
    :param leaves: the paths of the leaves that there are; ``[]`` after a name stands for a list
    :param shorthands: what a text stands for where a mapping is expected
    """
    return _Reader(document, leaves, shorthands).read()


class _Reader:
    def __init__(
        self, document: Document, leaves: Collection[str], shorthands: Mapping[str, str]
    ) -> None:
        self._document = document
        self._file = TemplateFile(document.name)
        self._leaves = leaves
        self._shorthands = shorthands

    def read(self) -> TemplateFile:
        for problem in self._document.problems:
            self._report(problem.position, problem.message)

        if self._document.data is not None:
            self._read_mapping(self._document.data, (), self._file.leaves)

        return self._file

    def _read_mapping(self, data: YAMLValue, path: KeyPath, into: dict[str, LeafSource]) -> None:
        if not isinstance(data, dict):
            self._report_kind(f"keys with values ({', '.join(self._keys(path))})", data, path)
            return

        for key, value in data.items():
            if not self._document.has_failed((*path, key)):
                self._read_value(value, (*path, key), into)

    def _read_value(self, value: YAMLValue, path: KeyPath, into: dict[str, LeafSource]) -> None:
        name = _leaf_name(path)
        if name in self._leaves:
            self._read_leaf(value, path, name, into)
        elif any(leaf.startswith(f"{name}[].") for leaf in self._leaves):
            self._read_list(value, path, name)
        elif not self._keys(path):
            known = self._keys(path[:-1])
            hint = did_you_mean(str(path[-1]), known) or f" (there are {', '.join(known)})"
            self._report(self._document.position(path, key=True), f"unknown key{hint}", name)
        elif name in self._shorthands and not isinstance(value, (dict, list)):
            self._read_leaf(value, path, self._shorthands[name], into)
        else:
            self._read_mapping(value, path, into)

    def _read_list(self, value: YAMLValue, path: KeyPath, name: str) -> None:
        if value is not None and not isinstance(value, list):
            self._report_kind("a list", value, path)
            return

        items: list[dict[str, LeafSource]] = []
        for index, item in enumerate(value or []):
            leaves: dict[str, LeafSource] = {}
            self._read_mapping(item, (*path, index), leaves)
            if isinstance(item, dict):
                items.append(leaves)

        if items or not value:
            self._file.lists[name] = items

    def _read_leaf(
        self, value: YAMLValue, path: KeyPath, name: str, into: dict[str, LeafSource]
    ) -> None:
        comment = self._document.comment(path)
        if isinstance(value, (dict, list)):
            self._report_kind("a text", value, path)
        elif comment:
            message = f"YAML takes '{comment}' for a comment: put the value in quotes"
            self._report(self._document.position(path), message, name)
        else:
            into[name] = LeafSource(self._document.text(path), self._document.text_line(path))

    def _report_kind(self, expected: str, value: YAMLValue, path: KeyPath) -> None:
        if not self._document.has_failed(path):
            position = self._document.position(path, key=isinstance(value, dict))
            self._report(position, f"expected {expected}, found {kind_of(value)}", _leaf_name(path))

    def _report(self, position: Position, message: str, leaf: str | None = None) -> None:
        line, column = position.line or None, position.column or None
        error = TemplateError(position.file, message, leaf=leaf or None, line=line, column=column)
        self._file.problems.append(error)

    def _keys(self, path: KeyPath) -> list[str]:
        """Return the keys that there are below a path, sorted."""
        prefix = f"{_leaf_name(path)}." if path else ""
        below = (leaf.removeprefix(prefix) for leaf in self._leaves if leaf.startswith(prefix))
        return sorted({re.split(r"\.|\[", name)[0] for name in below})


def _leaf_name(path: KeyPath) -> str:
    """Return the name of the leaf at a path, such as ``fields[].name`` for that of any item."""
    parts = ("[]" if isinstance(key, int) else f".{key}" for key in path)
    return "".join(parts).removeprefix(".")
