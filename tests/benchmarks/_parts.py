"""What the suite consists of: parts, each in a module of its own that has a ``PART``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, TypeAlias

from ._figures import Check

PARTS = (
    "dispatch",
    "transforms",
    "parties",
    "isolation",
    "neighbours",
    "events",
    "start_up",
    "compose",
    "outbox",
    "delivery",
    "http_events",
    "scale",
    "cards",
    "idle",
    "long_run",
)
"""the modules, in the order of their tables; a new part is one more name here"""

Backend: TypeAlias = Literal["asyncio", "trio"]
BACKENDS: tuple[Backend, ...] = ("asyncio", "trio")
SMOKE_BACKENDS = BACKENDS[:1]
"""where each costs a process of its own"""

Cell: TypeAlias = str | int | float | None
"""a number in a table is rounded where it is shown; None leaves its cell empty"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the drawings of a plot: either bars or lines."""

    title: str
    unit: str
    """what the values are, such as ``µs an event``"""
    bars: Mapping[str, float] = field(default_factory=dict)
    lines: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """the points of each line"""
    x: str = ""
    """what the first number of a point is"""
    log: bool = False
    """whether values are shown by their orders of magnitude"""
    ours: Collection[str] = ()
    """bars and lines that are ours although their name does not begin so"""


@dataclass(slots=True)
class Table:
    """What a part found."""

    columns: Sequence[str]
    rows: list[Sequence[Cell]] = field(default_factory=list)
    caption: str = ""
    """a sentence before the table"""
    checks: list[Check] = field(default_factory=list)
    """the bounds; judge ratios of what was measured in the same rounds, since a machine's speed
    differs from hour to hour"""
    panels: list[Panel] = field(default_factory=list)
    """what is drawn of it"""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the suite.

    :param name: what the command line calls it, the name of its module
    :param measures: what it measures, in one sentence
    :param run: measures, given the number of rounds and whether to be small and quick, and yields
        what it found; when small, its checks of times and ratios are shown but not judged
    :param distributions: what it compares with, for their versions
    :param rounds: how many by default
    """

    name: str
    measures: str
    run: Callable[[int, bool], Iterable[Table]]
    distributions: Sequence[str] = ()
    rounds: int = 7


def load(names: Iterable[str]) -> Iterator[Part]:
    """Import parts by their names."""
    for name in names:
        part: Part = import_module(f"{__package__}.{name}").PART
        yield part


def installed_version(distribution: str) -> str | None:
    """Return the version of a distribution, None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
