"""Filters: ways to write a value, and what several of them say together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Write: TypeAlias = Callable[[str], str]
"""escapes the text of a value, so that nothing in it has a meaning where it is shown"""

ELSEWHERE = "elsewhere"
"""marks a value that stands where none of its filters belongs, see :attr:`TemplateFilter.placed`"""
LINES = "lines"
"""the filter that keeps the lines of a value, in leaves that can have several"""


@dataclass(frozen=True, slots=True)
class TemplateFilter:
    """A way to write a value, which templates can use as a filter.

    All filters of a value apply, in whatever order they stand. ``lines`` is one of them.
    """

    write: Write
    atomic: bool = False
    """never shorten the value, because a part of it would mean something else"""
    order: int = 0
    """when it writes the value if there are several: those with lower numbers before it"""
    lines: bool = False
    """whether it keeps the lines of the value, as ``lines`` does"""
    after: Mapping[str, Write] = field(default_factory=dict, hash=False)
    """by the name of a filter that wrote the value before, what to use in place of ``write``; if
    this filter is named by the place of a value, only filters named here apply as well"""
    placed: bool = False
    """whether it writes a value for one place, so that elsewhere the leaf's own way applies as well"""
    excludes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """why it makes no sense together with other filters, by their names; that is an error"""
    leaves: Collection[str] = ()
    """the paths of the leaves that it is for; elsewhere it is an error. All if it is empty"""


class Marks:
    """The filters of a value together."""

    __slots__ = ("atomic", "is_elsewhere", "is_of_place", "lines", "names", "write")

    def __init__(self, names: frozenset[str], filters: Mapping[str, TemplateFilter]) -> None:
        self.names = names
        chosen = sorted(
            ((name, filters[name]) for name in names if name in filters),
            key=lambda pair: (pair[1].order, pair[0]),
        )
        self.is_of_place = LINES not in names and all(item.placed for _, item in chosen)
        """whether the place of the value alone says how it is written"""
        self.is_elsewhere = ELSEWHERE in names and all(item.placed for _, item in chosen)
        """whether the leaf writes the value as well, after ``write``"""
        self.atomic = any(template_filter.atomic for _, template_filter in chosen)
        """whether the value is never shortened"""
        self.lines = (LINES in names or any(item.lines for _, item in chosen)) and not any(
            LINES in item.excludes for _, item in chosen
        )
        """whether the value keeps its lines, in leaves that can have several"""
        writes = tuple(_write(item, [name for name, _ in chosen]) for _, item in chosen)
        self.write: Write | None = _in_turn(writes) if writes else None
        """writes the value; None if this is up to the leaf"""


class MarkedText(str):
    """A value that passed through filters that decide how it is written."""

    __slots__ = ("marks", "place", "raw")
    marks: Marks
    raw: str
    """the text before it is written, which may be that of a list, or empty"""
    place: str
    """the beginning of the line in which it stands, see :class:`Continuation`"""


def _write(template_filter: TemplateFilter, names: Iterable[str]) -> Write:
    after = template_filter.after
    return next((after[name] for name in names if name in after), template_filter.write)


def _in_turn(writes: tuple[Write, ...]) -> Write:
    if len(writes) == 1:
        return writes[0]

    def write(text: str) -> str:
        for one in writes:
            text = one(text)

        return text

    return write
