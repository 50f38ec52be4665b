"""What is wrong with a YAML text, where, and how to correct it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

# What libyaml says, and what PyYAML says, where a text has a further value.
_NOT_THE_NEXT_KEY = ("expected key", "expected <block end>", "<document start>")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file. As text it is ``file:line:column``, without the unknown parts."""

    line: int = 0
    """from 1; 0 if unknown"""
    column: int = 0
    """from 1; 0 if unknown"""
    file: str = ""

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong at one place of a file. As text it is ``file:line:column: message``."""

    position: Position
    message: str

    def __str__(self) -> str:
        position = str(self.position)
        return f"{position}: {self.message}" if position else self.message


class UnreadableError(Exception):
    """Raised when the rest of a text cannot be parsed because of a problem."""

    def __init__(self, position: Position, message: str) -> None:
        self.problem = Problem(position, message)
        super().__init__(message)


def format_error(error: yaml.YAMLError, lines: Sequence[str], name: str) -> tuple[Position, str]:
    """Return the position of a parser error, and a message that says how to correct it."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Position(1, 1, name), f"this is not YAML: {error}"

    problem = error.problem or ""
    line, column = error.problem_mark.line, error.problem_mark.column
    message = _explain_at(problem, _line(lines, line), column)
    opening = error.context_mark
    if message is None and opening is not None:
        character = _line(lines, opening.line)[opening.column : opening.column + 1]
        message = _explain_since(error.context or "", problem, character)
        if message is not None:
            # The position of the end of the file does not help: point at what was never closed.
            found = f" (noticed at {line + 1}:{column + 1})" if line != opening.line else ""
            return Position(opening.line + 1, opening.column + 1, name), message + found

    return Position(line + 1, column + 1, name), message or f"this is not YAML: {problem}"


def _line(lines: Sequence[str], index: int) -> str:
    return lines[index] if index < len(lines) else ""


def _explain_at(problem: str, line: str, column: int) -> str | None:
    """Explain what is wrong at the position that the parser gave."""
    before, here = line[:column], line[column : column + 1]
    if here == "\t":
        return "a tab cannot stand here: use spaces"

    if "cannot start any token" in problem:
        return f"a value cannot start with '{here}': put the value in quotes"

    if "mapping values are not allowed" in problem:
        if ": " in before:
            return "a second ': ' in one value: put the value in quotes"

        return "the line above has a value already: check the indentation"

    if "unknown escape character" in problem:
        return (
            "a backslash in double quotes begins an escape: "
            "use single quotes, or write '\\\\' for a backslash"
        )

    if any(words in problem for words in _NOT_THE_NEXT_KEY):
        if before.strip(" "):
            return "text after the end of a value: put the whole value in quotes"

        return "the indentation fits none of the lines above"

    if "node content" in problem:
        return "a value is missing here"

    if "expected ',' or" in problem and here == "{" and before.endswith("$"):
        return "inside of { } or [ ], put a value with ${ } in quotes"

    return None


def _explain_since(context: str, problem: str, opening: str) -> str | None:
    """Explain what began at the context that the parser gave and went wrong later."""
    if "flow sequence" in context or "flow mapping" in context:
        return f"the '{opening}' that opens here is not closed, or a comma is missing after it"

    if "end of stream" in problem:
        return "the quote that opens here is not closed"

    if "scanning an alias" in context or "scanning an anchor" in context:
        return f"a value cannot start with '{opening}' unless it is in quotes"

    if "simple key" in context:
        return "expected 'key: value', with a space after the colon"

    return None
