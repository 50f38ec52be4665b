"""The operation that answers with metrics in Prometheus' text format, or in OpenMetrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from starlette.responses import Response

from lanrage_events import Metric, Sample
from lanrage_events.abc import Bus, PluginStatistics
from lanrage_events.cli import error_text, install_command

from .._api import Call, Operation
from .._feed import Feed
from .._problem import Problem
from .families import Families, MetricError

logger = logging.getLogger(__name__)

Kind = Literal["counter", "gauge"]

_PLUGIN_METRICS: Mapping[str, tuple[str, Kind, Callable[[PluginStatistics], float]]] = {
    "handled": ("Events handled", "counter", lambda p: p.handled),
    "failed": ("Events on which a hook raised or ran too long", "counter", lambda p: p.failed),
    "dropped": (
        "Events that left the mailbox without being handled",
        "counter",
        lambda p: p.dropped,
    ),
    "exceeded": (
        "Events that entered a full mailbox because a hook published them",
        "counter",
        lambda p: p.exceeded,
    ),
    "restarts": ("Starts after the plugin had failed", "counter", lambda p: p.restarts),
    "hook_seconds": (
        "Time that hooks for events ran; divide its rate by that of handled and failed events",
        "counter",
        lambda p: p.hook_seconds,
    ),
    "loop_blocks": (
        "Times that a hook held the event loop for longer than 0.1 seconds",
        "counter",
        lambda p: p.loop_blocks,
    ),
    "loop_blocked_seconds": (
        "Time for which hooks held the event loop for longer than that",
        "counter",
        lambda p: p.loop_blocked_seconds,
    ),
    "abandoned_threads": (
        "Calls of threaded hooks whose thread went on after they timed out",
        "counter",
        lambda p: p.abandoned_threads,
    ),
    "mailbox_depth": ("Events that wait in the mailbox", "gauge", lambda p: p.pending),
    "mailbox_size": ("Events that the mailbox holds", "gauge", lambda p: p.size),
    "running": ("Whether the plugin runs", "gauge", lambda p: p.state == "running"),
}
"""by name: the help, the kind and the value of a plugin"""

_STATUSES = ("ok", "degraded", "failed")


def metrics_operation(bus: Bus, feed: Feed) -> Operation:
    """Return the operation for Prometheus.

    :param bus: the bus that is measured
    :param feed: counts the events
    """
    return Operation(
        method="GET",
        path="/metrics",
        name="getMetrics",
        group="status",
        scope="read",
        description=(
            "Return metrics of the bus and its plugins in Prometheus' text format, or in "
            "OpenMetrics if the client asks for it."
        ),
        handler=_MetricsAPI(bus, feed).metrics,
        responses={200: ("text/plain", "application/openmetrics-text")},
        errors={501: "the package that writes metrics is not installed"},
    )


_RULE = "rule "  # and its number: no plugin's name has a space


class _MetricsAPI:
    def __init__(self, bus: Bus, feed: Feed) -> None:
        self._bus = bus
        self._feed = feed
        self._errors: dict[str, str] = {}
        """by plugin: the error that was logged, so that it is logged once"""

    async def metrics(self, call: Call) -> Response:
        # Imported here, since it is an extra and slow to import.
        try:
            from prometheus_client import CollectorRegistry
            from prometheus_client.exposition import choose_encoder
        except ImportError:
            remedy = install_command("metrics")
            raise Problem(501, f"the package 'prometheus_client' is missing: {remedy}") from None

        families = Families(self._bus.redactor)
        families.add(None, tuple(self._own()))
        for name, answer in self._bus.query("metrics").items():
            self._add(families, name, answer)

        registry = CollectorRegistry()
        registry.register(families)
        encode, media_type = choose_encoder(call.request.headers.get("accept", ""))
        return Response(encode(registry), media_type=media_type)

    def _add(self, families: Families, name: str, answer: object) -> None:
        try:
            families.add(name, answer)
        except Exception as error:  # noqa: BLE001 - a plugin's objects may raise anything
            text = error_text(error)
            if not isinstance(error, MetricError):
                text = f"{type(error).__name__}: {text}"

            text = self._bus.redactor.redact(text)
            if self._errors.get(name) != text:
                self._errors[name] = text
                logger.error("plugin '%s': its metrics are left out: %s", name, text)
        else:
            self._errors.pop(name, None)

    def _own(self) -> Iterator[Metric]:
        # With the types of which no event was published yet, so that rates see the first one.
        counts = {cls.type: 0 for cls in self._bus.events.types()} | self._feed.counts
        yield Metric(
            name="events",
            help="Events that were published",
            kind="counter",
            samples=[Sample(count, {"type": name}) for name, count in counts.items()],
        )
        yield Metric(
            name="stream_clients",
            help="Clients that follow the live feed",
            samples=[Sample(self._feed.clients)],
        )
        statistics = self._bus.statistics()
        yield Metric(
            name="publishers_waiting",
            help="Publishers that wait for room in a mailbox",
            samples=[Sample(statistics.waiting)],
        )
        yield Metric(
            name="transform_events",
            help="Events that a transform dropped, that passed without it because it failed, and that "
            "were rejected because it is required and failed or did not run",
            kind="counter",
            samples=[
                Sample(getattr(counts, outcome), {"transform": name, "outcome": outcome})
                for name, counts in statistics.transforms.items()
                for outcome in ("dropped", "failed", "rejected")
            ],
        )
        yield Metric(
            name="rule_failures",
            help="Events that a rule of the configuration failed on",
            kind="counter",
            samples=[
                Sample(counts.failed + counts.rejected, {"rule": name.removeprefix(_RULE)})
                for name, counts in statistics.transforms.items()
                if name.startswith(_RULE)
            ],
        )
        # Subscriptions and streams have statistics too, under names without bound.
        plugins = {
            name: statistics.plugins[name]
            for name in self._bus.plugins
            if name in statistics.plugins
        }
        for name, (text, kind, value) in _PLUGIN_METRICS.items():
            yield _plugin_metric(name, text, kind, {n: value(p) for n, p in plugins.items()})

        health = {name: h for name, h in self._bus.health().items() if name in plugins}
        yield _plugin_metric(
            "undelivered",
            "Events that the plugin accepted and has not delivered",
            "gauge",
            {name: h.undelivered for name, h in health.items()},
        )
        yield Metric(
            name="plugin_health",
            help="The health of the plugin: 1 for its status, 0 for the others",
            samples=[
                Sample(float(h.status == status), {"plugin": name, "status": status})
                for name, h in health.items()
                for status in _STATUSES
            ],
        )


def _plugin_metric(name: str, text: str, kind: Kind, values: Mapping[str, float]) -> Metric:
    samples = [Sample(float(value), {"plugin": plugin}) for plugin, value in values.items()]
    return Metric(name=f"plugin_{name}", help=text, kind=kind, samples=samples)
