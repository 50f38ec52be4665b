"""What plugins report: their health, metrics, problems of their configuration, and previews."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

# https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
_NAME = re.compile(r"[a-z][a-z0-9_]*")

HealthStatus = Literal["ok", "degraded", "failed"]


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a plugin."""

    status: HealthStatus = "ok"
    """``degraded`` works partly or with a delay, ``failed`` not at all"""
    detail: str = ""
    """the reason in one sentence, without secrets"""
    undelivered: int = 0
    """accepted events that have not reached their destination, for now or for good"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a :class:`Metric`."""

    value: float
    """for a histogram, the sum of the observations"""
    labels: Mapping[str, str] = field(default_factory=dict)
    """by name; never a secret, nor a text from outside, since those are unbounded in number"""
    buckets: Sequence[tuple[float, int]] = ()
    """for a histogram, each upper bound with the number of observations up to it, in ascending order;
    the last bound is infinite"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure about a plugin, for monitoring.

    :raises ValueError: if the name has characters other than lower-case letters, digits and ``_``
    """

    name: str
    """with its unit and without the ``_total`` of a counter, such as ``outbox_age_seconds``"""
    help: str
    """what it measures, in one line"""
    kind: Literal["counter", "gauge", "histogram"] = "gauge"
    samples: Sequence[Sample]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} is not the name of a metric, such as 'outbox_age_seconds'"
            )


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """What is wrong with a setting of a plugin, for the hook ``validate``.

    A check of the configuration shows it with the place of the setting, as ``file:line:column``.

    :raises TypeError: if the path is not a sequence of keys
    """

    message: str
    """what is wrong and what to do about it, in one line and without secrets"""
    path: tuple[str | int, ...] = ()
    """the keys and list indices below the plugin's name that lead to the setting, such as
    ``("routes", 0, "events")``; empty for the plugin as a whole. In a mapping, an index is the number
    of a key"""
    warning: bool = field(default=False, kw_only=True)
    """whether the plugin works all the same, and this is only a likely mistake"""
    about_key: bool = field(default=False, kw_only=True)
    """whether the setting's key is wrong, rather than its value"""
    place: str = field(default="", kw_only=True)
    """where it is if not in the configuration, such as ``peer_joined.yaml:3:9``"""

    def __post_init__(self) -> None:
        keys = tuple(self.path)
        if isinstance(self.path, str | bytes) or not all(
            isinstance(key, str | int) for key in keys
        ):
            raise TypeError(f"path: expected a tuple of keys and indices, not {self.path!r}")

        object.__setattr__(self, "path", keys)

    def __str__(self) -> str:
        name = self.place or ".".join(map(str, self.path))
        return f"{name}: {self.message}" if name else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a plugin would send for an event, for the hook ``preview``.

    :raises TypeError: if a part has another type, or ``json`` cannot be written as JSON
    """

    title: str = ""
    """what it would be sent to, such as ``target 'phones'``; empty if the plugin has only one"""
    text: str = ""
    """as people would read it, also of several lines; empty if that is the JSON"""
    json: object = None
    """what would be sent, as values for JSON; None if that is the text"""
    problems: Sequence[ConfigProblem] = ()
    """what is wrong, such as errors in templates"""

    def __post_init__(self) -> None:
        for name in ("title", "text"):
            value: object = getattr(self, name)
            if not isinstance(value, str):
                raise TypeError(f"{name}: expected a text, not {value!r}")

        try:
            json.dumps(self.json, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"json: expected values for JSON: {error}") from None

        problems: tuple[object, ...] = tuple(self.problems)
        if wrong := [one for one in problems if not isinstance(one, ConfigProblem)]:
            raise TypeError(f"problems: expected a ConfigProblem, not {wrong[0]!r}")

        object.__setattr__(self, "problems", problems)
