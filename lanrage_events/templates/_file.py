"""The leaves of one template file, as they are written."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from .._exceptions import TemplateError
from .._hints import did_you_mean
from ..yaml import Document, KeyPath, Position, Text, YAMLValue, kind_of


class TemplateFile:
    """The texts of the leaves of one template file, not yet compiled.

    What is wrong is skipped and reported as a problem.

    :param leaves: the paths of all known leaves; ``[]`` after a name stands for a list, and ``*``
        for any name
    :param shorthands: the leaf that a text stands for where a mapping is expected
    """

    def __init__(
        self, document: Document, leaves: Collection[str], shorthands: Mapping[str, str]
    ) -> None:
        self.leaves: dict[str, Text] = {}
        """by path, such as ``title`` or ``footer.text``"""
        self.lists: dict[str, list[dict[str, Text]]] = {}
        """the items of each list, each with its leaves by path, such as ``fields[].name``"""
        self.problems: list[TemplateError] = []
        self._document = document
        self._leaves = leaves
        self._shorthands = shorthands
        for problem in document.problems:
            self._report(problem.position, problem.message)

        if document.data is not None:
            self._read_mapping(document.data, (), self.leaves)

    def _read_mapping(self, data: YAMLValue, path: KeyPath, into: dict[str, Text]) -> None:
        if not isinstance(data, dict):
            self._report_kind(f"keys with values ({', '.join(self._keys(path))})", data, path)
            return

        for key, value in data.items():
            if not self._document.has_failed((*path, key)):
                self._read_value(value, (*path, key), into)

    def _read_value(self, value: YAMLValue, path: KeyPath, into: dict[str, Text]) -> None:
        name = _leaf_name(path)
        if known_path(self._leaves, name) is not None:
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

        items: list[dict[str, Text]] = []
        for index, item in enumerate(value or []):
            leaves: dict[str, Text] = {}
            self._read_mapping(item, (*path, index), leaves)
            if isinstance(item, dict):
                items.append(leaves)

        if items or not value:
            self.lists[name] = items

    def _read_leaf(self, value: YAMLValue, path: KeyPath, name: str, into: dict[str, Text]) -> None:
        text = self._document.text(path)
        if isinstance(value, (dict, list)):
            self._report_kind("a text", value, path)
        elif text.comment:
            message = f"YAML reads '{text.comment}' as a comment: put the value in quotes"
            self._report(self._document.position(path), message, name)
        else:
            into[name] = text

    def _report_kind(self, expected: str, value: YAMLValue, path: KeyPath) -> None:
        if not self._document.has_failed(path):
            position = self._document.position(path, key=isinstance(value, dict))
            self._report(position, f"expected {expected}, found {kind_of(value)}", _leaf_name(path))

    def _report(self, position: Position, message: str, leaf: str | None = None) -> None:
        line, column = position.line or None, position.column or None
        error = TemplateError(position.file, message, leaf=leaf or None, line=line, column=column)
        self.problems.append(error)

    def _keys(self, path: KeyPath) -> list[str]:
        """Return the keys that are known below a path, sorted."""
        prefix = f"{_leaf_name(path)}." if path else ""
        below = (leaf.removeprefix(prefix) for leaf in self._leaves if leaf.startswith(prefix))
        return sorted({re.split(r"\.|\[", name)[0] for name in below})


def known_path(leaves: Collection[str], path: str) -> str | None:
    """Return the path by which a leaf is known, with ``*`` for a name of the author's own."""
    if path in leaves:
        return path

    any_name = f"{path.rpartition('.')[0]}.*"
    return any_name if any_name in leaves else None


def _leaf_name(path: KeyPath) -> str:
    """Return the name of the leaf at a path, such as ``fields[].name`` for that of any item."""
    parts = ("[]" if isinstance(key, int) else f".{key}" for key in path)
    return "".join(parts).removeprefix(".")
