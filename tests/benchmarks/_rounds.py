"""Measuring side by side."""

from __future__ import annotations

import gc
import random
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import anyio

K = TypeVar("K")


def interleave(
    contenders: Mapping[K, Callable[[], float]],
    rounds: int,
    compared: Callable[[K], object] = lambda contender: None,
    settle: Callable[[], object] = gc.collect,
) -> dict[K, list[float]]:
    """Measure each once a round, in an order that differs from round to round.

    So whatever else the machine does, and whatever one leaves behind, is fair to all.

    :param contenders: what to measure; each call returns one value
    :param compared: returns the same for those whose ratio is looked at; they are measured one
        right after another, since the speed of a machine changes within seconds
    :param settle: called before each, so that none pays for the garbage of another
    """
    groups: dict[object, list[K]] = {}
    for contender in contenders:
        groups.setdefault(compared(contender), []).append(contender)

    values: dict[K, list[float]] = {contender: [] for contender in contenders}
    order = list(groups.values())
    shuffler = random.Random(rounds)
    # What was imported is no garbage of any of them, and takes long to look through.
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        shuffler.shuffle(order)
        for group in order:
            shuffler.shuffle(group)
            for contender in group:
                settle()
                values[contender].append(contenders[contender]())

    gc.unfreeze()
    return values


def on(
    backend: str, measure: Callable[..., Awaitable[float]], *arguments: object
) -> Callable[[], float]:
    """Return what measures on a backend."""

    def run() -> float:
        return anyio.run(partial(measure, *arguments), backend=backend)

    return run


def median_ratio(values: Sequence[float], to: Sequence[float]) -> float:
    """Return the median of the ratios that two had in the same rounds."""
    return statistics.median(a / b for a, b in zip(values, to, strict=True))
