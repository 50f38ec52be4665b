from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from .._exceptions import TemplateError

# Not the loader in C, which ends the process when a file is nested too deeply.
_Loader = yaml.SafeLoader

# YAML's own idea of where a line ends.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_COMMENT = re.compile(r"[ \t]+(#[^\s#].*)")
_COMMENT_AFTER_KEY = re.compile(r"\s*:[ \t]+(#[^\s#].*)")
_KEY_AND_VALUE = re.compile(r"\s*(?:- +)*[\"']?([\w.-]+)[\"']?\s*:\s+(?=[^\s#])(.*)")
_IN_QUOTES = 'put it in quotes: {key}: "…"'


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
    name: str, text: str, leaves: Collection[str], shorthands: Mapping[str, str]
) -> TemplateFile:
    """Read a template file; what is wrong with it is left out and told in its problems.

    :param name: the path of the file, for messages
    :param text: the YAML text
    :param leaves: the paths of the leaves that there are; ``[]`` after a name stands for a list
    :param shorthands: what a text stands for where a mapping is expected
    """
    return _Reader(name, text, leaves, shorthands).read()


class _Reader:
    def __init__(
        self, name: str, text: str, leaves: Collection[str], shorthands: Mapping[str, str]
    ) -> None:
        self._file = TemplateFile(name)
        self._text = text
        self._lines = _LINE_BREAK.split(text)
        self._leaves = leaves
        self._shorthands = shorthands

    def read(self) -> TemplateFile:
        try:
            root = yaml.compose(self._text, Loader=_Loader)
        except yaml.YAMLError as error:
            self._report_syntax(error)
            return self._file
        except RecursionError:
            self._report(1, "it is nested too deeply, so the file is not used")
            return self._file

        if isinstance(root, yaml.MappingNode):
            self._read_mapping(root, "", self._file.leaves)
        elif root is not None:
            self._report(root.start_mark.line + 1, "expected leaves, such as 'title: …'")

        return self._file

    def _read_mapping(
        self, node: yaml.MappingNode, prefix: str, into: dict[str, LeafSource]
    ) -> None:
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._report(line, "a name is expected before the colon", prefix.rstrip("."))
                continue

            path = prefix + key.value
            if path in seen:
                self._report(line, "stands here a second time", path)
                continue

            seen.add(path)
            self._read_value(key, value, path, into)

    def _read_value(
        self, key: yaml.ScalarNode, value: yaml.Node, path: str, into: dict[str, LeafSource]
    ) -> None:
        line = key.start_mark.line + 1
        if path in self._leaves:
            self._read_leaf(key, value, path, into)
        elif any(leaf.startswith(f"{path}[].") for leaf in self._leaves):
            self._read_list(value, path, line)
        elif not any(leaf.startswith(f"{path}.") for leaf in self._leaves):
            self._report(line, f"there is no such leaf{self._nearest(path)}", path)
        elif isinstance(value, yaml.MappingNode):
            self._read_mapping(value, f"{path}.", into)
        elif isinstance(value, yaml.ScalarNode) and path in self._shorthands:
            self._read_leaf(key, value, self._shorthands[path], into)
        else:
            parts = ", ".join(sorted(self._parts(f"{path}.")))
            self._report(line, f"expected a mapping of {parts}", path)

    def _read_list(self, node: yaml.Node, path: str, line: int) -> None:
        items: list[dict[str, LeafSource]] = []
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                leaves: dict[str, LeafSource] = {}
                if isinstance(item, yaml.MappingNode):
                    self._read_mapping(item, f"{path}[].", leaves)
                    items.append(leaves)
                else:
                    parts = ", ".join(sorted(self._parts(f"{path}[].")))
                    item_line = item.start_mark.line + 1
                    self._report(item_line, f"expected a mapping of {parts}", path)

            self._file.lists[path] = items
        elif isinstance(node, yaml.ScalarNode) and not node.value:
            self._file.lists[path] = items
        else:
            self._report(line, "expected a list, with a '-' before each item", path)

    def _read_leaf(
        self, key: yaml.ScalarNode, value: yaml.Node, path: str, into: dict[str, LeafSource]
    ) -> None:
        line = key.start_mark.line + 1
        if not isinstance(value, yaml.ScalarNode):
            message = "expected a text"
            if isinstance(value, yaml.CollectionNode) and value.flow_style:
                message += ", and YAML takes what begins with { or [ for something else: "
                message += _IN_QUOTES.format(key=key.value)

            self._report(line, message, path)
            return

        comment = self._swallowed_comment(key, value)
        if comment is not None:
            message = f"YAML takes '{comment}' for a comment: "
            self._report(line, message + _IN_QUOTES.format(key=key.value), path)
            return

        is_block = value.style in ("|", ">")
        into[path] = LeafSource(_null_is_empty(value), value.start_mark.line + 1 + is_block)

    def _swallowed_comment(self, key: yaml.ScalarNode, value: yaml.ScalarNode) -> str | None:
        """Find a comment that was hardly meant as one: nothing stands between # and its text."""
        if value.style:
            return None

        mark, pattern = (
            (value.end_mark, _COMMENT) if value.value else (key.end_mark, _COMMENT_AFTER_KEY)
        )
        line = self._lines[mark.line] if mark.line < len(self._lines) else ""
        match = pattern.match(line, mark.column)
        return match.group(1).rstrip() if match is not None else None

    def _report_syntax(self, error: yaml.YAMLError) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        message = f"this is not YAML ({problem}), so the file is not used"
        if mark is None:
            self._report(None, message)
            return

        line, leaf = mark.line + 1, None
        # A text without quotes is what people get wrong; the error may show only in the next line.
        for number in (mark.line, mark.line - 1):
            text = self._lines[number] if 0 <= number < len(self._lines) else ""
            match = _KEY_AND_VALUE.fullmatch(text)
            if match is not None and _needs_quotes(match.group(2)):
                line, leaf = number + 1, match.group(1)
                message = f"{_IN_QUOTES.format(key=leaf)}; {message}"
                break

        self._report(line, message, leaf)

    def _report(self, line: int | None, message: str, leaf: str | None = None) -> None:
        error = TemplateError(self._file.name, message, leaf=leaf or None, line=line)
        self._file.problems.append(error)

    def _parts(self, prefix: str) -> Iterator[str]:
        return (leaf.removeprefix(prefix) for leaf in self._leaves if leaf.startswith(prefix))

    def _nearest(self, path: str) -> str:
        parent, dot, name = path.rpartition(".")
        names = {re.split(r"\.|\[", part)[0] for part in self._parts(parent + dot)}
        near = difflib.get_close_matches(name, names, n=1)
        if near:
            return f", did you mean '{near[0]}'?"

        return f" (there are {', '.join(sorted(names))})"


def _needs_quotes(value: str) -> bool:
    if value[0] in "\"'":
        return not value.rstrip().endswith(value[0])

    return value[0] in "{[*&!%@`|>" or ": " in value


def _null_is_empty(node: yaml.ScalarNode) -> str:
    text: str = node.value
    return "" if node.tag == "tag:yaml.org,2002:null" else text
