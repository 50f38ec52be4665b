"""Checked metrics of plugins, as a collector of prometheus_client."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from lanrage_events import Metric, Redactor, Sample

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

PREFIX = "lanrage_"
# https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SUFFIXES = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
}
_Labels = tuple[tuple[str, str], ...]


class MetricError(Exception):
    """Raised when the metrics of a plugin are not valid."""


@dataclass(slots=True)
class _Family:
    """The metrics of one name, from all plugins."""

    kind: str
    help: str
    is_own: bool
    """whether it is the server's own, not a plugin's"""
    samples: dict[_Labels, Sample] = field(default_factory=dict)


class Families:
    """The metrics of one scrape: a collector in the sense of prometheus_client.

    :param redactor: removes secrets from texts
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._families: dict[str, _Family] = {}
        self._series: dict[str, str] = {}
        """the name of the metric by the name of each of its series"""

    def add(self, plugin: str | None, metrics: object) -> None:
        """Add metrics, all or none.

        :param plugin: the plugin that reports them; None for the server itself
        :param metrics: what its hook returned
        :raises MetricError: if one is not valid, or clashes with others
        """
        if not isinstance(metrics, tuple):
            raise MetricError(f"metrics were expected, not {type(metrics).__name__}")

        checked: dict[str, _Family] = {}
        owners = self._series.copy()
        for metric in metrics:
            if not isinstance(metric, Metric):
                raise MetricError(f"a Metric was expected, not {type(metric).__name__}")

            if metric.name in checked:
                raise MetricError(f"metric '{metric.name}' is there twice")

            checked[metric.name] = self._check(metric, plugin)
            for series in _series(metric.name, metric.kind):
                owner = owners.setdefault(series, metric.name)
                if owner != metric.name:
                    raise MetricError(f"metric '{metric.name}' would look like metric '{owner}'")

        self._series = owners
        for name, family in checked.items():
            self._families.setdefault(name, family).samples |= family.samples

    def _check(self, metric: Metric, plugin: str | None) -> _Family:
        if metric.kind not in _SUFFIXES:
            raise MetricError(f"metric '{metric.name}' is of the unknown kind {metric.kind!r}")

        if not isinstance(metric.help, str):
            raise MetricError(f"the help of metric '{metric.name}' is not a text")

        known = self._families.get(metric.name)
        if known is not None and (known.kind != metric.kind or known.is_own):
            owner = "the server" if known.is_own else "another plugin"
            raise MetricError(f"metric '{metric.name}' is already a {known.kind} of {owner}")

        family = _Family(
            metric.kind, _encodable(self._redactor.redact(metric.help)), plugin is None
        )
        for sample in _sequence(metric.samples, f"the samples of metric '{metric.name}'"):
            if not isinstance(sample, Sample):
                what = f"metric '{metric.name}' has a {type(sample).__name__} instead of a Sample"
                raise MetricError(what)

            labels = self._labels(metric.name, sample.labels, plugin)
            if labels in family.samples or (known is not None and labels in known.samples):
                raise MetricError(f"metric '{metric.name}' has two samples with the same labels")

            _check_values(metric, sample)
            family.samples[labels] = sample

        return family

    def _labels(self, name: str, labels: object, plugin: str | None) -> _Labels:
        if not isinstance(labels, Mapping):
            raise MetricError(f"the labels of metric '{name}' are not a mapping")

        pairs = {"plugin": plugin} if plugin is not None else {}
        for label, value in labels.items():
            if not (isinstance(label, str) and isinstance(value, str)):
                raise MetricError(f"the labels of metric '{name}' are not all texts")

            if not _LABEL.fullmatch(label) or label.startswith("__") or label in ("le", *pairs):
                raise MetricError(f"metric '{name}' has a label that is not allowed: {label!r}")

        pairs |= {label: self._redactor.redact(value) for label, value in labels.items()}
        clean = {label: _encodable(value) for label, value in pairs.items()}
        return tuple(sorted(clean.items()))

    def collect(self) -> Iterator[Family]:
        """Yield the metrics as prometheus_client writes them."""
        from prometheus_client.core import Metric as Family

        for name, metric in self._families.items():
            full_name = PREFIX + name
            family = Family(full_name, metric.help, metric.kind)
            for labels, sample in metric.samples.items():
                _add_samples(family, full_name, dict(labels), sample)

            yield family


def _add_samples(family: Family, name: str, labels: dict[str, str], sample: Sample) -> None:
    match family.type:
        case "counter":
            family.add_sample(f"{name}_total", labels, sample.value)
        case "gauge":
            family.add_sample(name, labels, sample.value)
        case _:
            for bound, count in sample.buckets:
                le = "+Inf" if bound == math.inf else repr(float(bound))
                family.add_sample(f"{name}_bucket", {**labels, "le": le}, count)

            family.add_sample(f"{name}_count", labels, sample.buckets[-1][1])
            family.add_sample(f"{name}_sum", labels, sample.value)


def _series(name: str, kind: str) -> list[str]:
    return [name, *(name + suffix for suffix in _SUFFIXES[kind])]


def _sequence(value: object, what: str) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        raise MetricError(f"{what} are not a list")

    return cast("Sequence[object]", value)


def _check_values(metric: Metric, sample: Sample) -> None:
    if not _is_number(sample.value):
        raise MetricError(f"metric '{metric.name}' has a value that is not a number")

    if metric.kind == "counter" and not sample.value >= 0:
        raise MetricError(f"counter '{metric.name}' is not 0 or more")

    if metric.kind == "histogram":
        _check_buckets(metric.name, _sequence(sample.buckets, f"the buckets of '{metric.name}'"))


def _check_buckets(name: str, buckets: Sequence[object]) -> None:
    last_bound, last_count = -math.inf, 0.0
    for bucket in buckets:
        if not isinstance(bucket, tuple) or len(bucket) != 2 or not all(map(_is_number, bucket)):
            raise MetricError(f"histogram '{name}' has a bucket that is not a pair of numbers")

        bound, count = bucket
        if not (bound > last_bound and count >= last_count):
            raise MetricError(f"the buckets of histogram '{name}' do not rise")

        last_bound, last_count = bound, count

    if last_bound != math.inf:
        raise MetricError(f"the last bucket of histogram '{name}' is not infinite")


def _is_number(value: object) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False

    try:
        float(value)
    except OverflowError:
        return False

    return True


def _encodable(text: str) -> str:
    """Replace lone surrogates, which cannot be encoded."""
    return text.encode("utf-8", "replace").decode()
