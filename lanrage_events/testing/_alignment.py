"""Alignment: which of the expected items is which of the received ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

W = TypeVar("W")
G = TypeVar("G")

_CELLS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Match:
    """An expected item, a received one, or both, by their positions."""

    wanted: int | None
    got: int | None
    fits: bool = False
    """whether the received item is the expected one"""


def align(
    wanted: Sequence[W],
    got: Sequence[G],
    fits: Callable[[W, G], bool],
    *,
    in_order: bool,
) -> list[Match]:
    """Match as many expected and received items as possible, each at most once.

    :param fits: whether a received item is the expected one
    :param in_order: whether matches must not cross
    """
    pairs = _in_order(wanted, got, fits) if in_order else _in_any_order(wanted, got, fits)
    matched = set(pairs.values())
    matches = [Match(w, g, True) for w, g in pairs.items()]
    matches += [Match(w, None) for w in range(len(wanted)) if w not in pairs]
    matches += [Match(None, g) for g in range(len(got)) if g not in matched]
    return _sorted(matches)


def pair(
    matches: Sequence[Match],
    wanted: Sequence[W],
    got: Sequence[G],
    is_similar: Callable[[W, G], bool],
) -> list[Match]:
    """Combine missing items with similar ones that were received instead.

    :param matches: those of :func:`align`
    """
    free = [match.got for match in matches if match.wanted is None and match.got is not None]
    result: list[Match] = [match for match in matches if match.fits]
    for match in matches:
        if match.got is None and match.wanted is not None:
            item = wanted[match.wanted]
            similar = next((g for g in free if is_similar(item, got[g])), None)
            result.append(replace(match, got=similar))
            if similar is not None:
                free.remove(similar)

    return _sorted([*result, *(Match(None, g) for g in free)])


def _sorted(matches: Sequence[Match]) -> list[Match]:
    """Sort by received items; a missing item follows the one that was expected before it."""
    received = sorted((m for m in matches if m.got is not None), key=lambda m: m.got or 0)
    missing = sorted((m for m in matches if m.got is None), key=lambda m: m.wanted or 0)
    result: list[Match] = []
    for match in received:
        while missing and match.wanted is not None and (missing[0].wanted or 0) < match.wanted:
            result.append(missing.pop(0))

        result.append(match)

    return result + missing


def _in_order(
    wanted: Sequence[W], got: Sequence[G], fits: Callable[[W, G], bool]
) -> dict[int, int]:
    """Return the longest common subsequence, or a greedy one if that would take too long."""
    start = 0
    while start < min(len(wanted), len(got)) and fits(wanted[start], got[start]):
        start += 1

    pairs = {index: index for index in range(start)}
    width, height = len(got) - start, len(wanted) - start
    # How many more can be matched from each place on.
    rest = [[0] * (width + 1) for _ in range(height + 1)] if width * height <= _CELLS_MAX else None
    if rest is not None:
        for w in range(height - 1, -1, -1):
            for g in range(width - 1, -1, -1):
                if fits(wanted[start + w], got[start + g]):
                    rest[w][g] = rest[w + 1][g + 1] + 1
                else:
                    rest[w][g] = max(rest[w + 1][g], rest[w][g + 1])

    w = g = 0
    while w < height and g < width:
        if fits(wanted[start + w], got[start + g]):
            pairs[start + w] = start + g
            w, g = w + 1, g + 1
        elif rest is not None and rest[w + 1][g] >= rest[w][g + 1]:
            w += 1
        else:
            g += 1

    return pairs


def _in_any_order(
    wanted: Sequence[W], got: Sequence[G], fits: Callable[[W, G], bool]
) -> dict[int, int]:
    """Return a largest matching: a later item may move an earlier one to another partner."""
    candidates = [[g for g in range(len(got)) if fits(item, got[g])] for item in wanted]
    owner: dict[int, int] = {}

    def place(w: int, tried: set[int]) -> bool:
        for g in candidates[w]:
            if g not in owner:
                owner[g] = w
                return True

        for g in candidates[w]:
            if g not in tried:
                tried.add(g)
                if place(owner[g], tried):
                    owner[g] = w
                    return True

        return False

    for w in range(len(wanted)):
        place(w, set())

    return {w: g for g, w in owner.items()}
