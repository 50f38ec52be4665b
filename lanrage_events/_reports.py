"""What is reported of plugins: their health, their metrics and their statistics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

WhenFull = Literal["block", "drop_oldest", "drop_newest"]
"""what a mailbox does with an event that does not fit"""

State = Literal["starting", "running", "down", "stopped"]

# https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Health:
    """How a plugin is."""

    status: Literal["ok", "degraded", "failed"] = "ok"
    """``degraded`` works in part or with delay, ``failed`` not at all"""
    detail: str = ""
    """the reason in one sentence, without secrets"""
    undelivered: int = 0
    """events that it has taken and that have not arrived where they should, for now or for good"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a :class:`Metric`."""

    value: float
    """of a histogram, the sum of what was observed"""
    labels: Mapping[str, str] = field(default_factory=dict)
    """what it belongs to, never a secret nor a text from outside, which has no bound"""
    buckets: Sequence[tuple[float, int]] = ()
    """of a histogram, each upper bound with how many observations were no higher, in rising order;
    the last bound is infinite and counts all"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure about a plugin for whoever watches it.

    :raises ValueError: if the name has something else than lower-case letters, digits and ``_``
    """

    name: str
    """with its unit and, of a counter, without ``_total``, such as ``outbox_age_seconds``"""
    help: str
    """what it counts, in one line"""
    kind: Literal["counter", "gauge", "histogram"] = "gauge"
    samples: Sequence[Sample]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of a metric, such as 'outbox_age_seconds'")
