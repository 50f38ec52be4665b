"""Measure how long the hooks of each plugin take, as a histogram for /metrics."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate

import anyio

from lanrage_events import EventBus, Metric, PeerJoined, Sample, hookimpl
from lanrage_events.abc import HookCall, Instrument

BOUNDS = (0.001, 0.01, 0.1, 1.0, math.inf)


class HookLatency(Instrument):
    """An instrument that is also a plugin: the bus calls it, and it returns the counts."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def hook_ended(self, call: HookCall, seconds: float, error: BaseException | None) -> None:
        if call.events:
            self._counts[call.plugin, bisect_left(BOUNDS, seconds)] += 1
            self._seconds[call.plugin] += seconds

    @hookimpl
    def metrics(self) -> Iterator[Metric]:
        yield Metric(
            name="hook_latency_seconds",
            help="How long hooks took for an event or a batch",
            kind="histogram",
            samples=[
                Sample(seconds, {"of": plugin}, self._buckets(plugin))
                for plugin, seconds in self._seconds.items()
            ],
        )

    def _buckets(self, plugin: str) -> list[tuple[float, int]]:
        counts = (self._counts[plugin, index] for index in range(len(BOUNDS)))
        return list(zip(BOUNDS, accumulate(counts), strict=True))


class Doorbell:
    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        await anyio.sleep(0.05)


async def main() -> None:
    latency = HookLatency()
    async with EventBus(instruments=[latency]) as bus:
        bus.register(latency, "latency")
        bus.register(Doorbell(), "doorbell")
        for name in ("Ann", "Ben"):
            await bus.publish_and_wait(PeerJoined(peer_name=name, party_name="Friday LAN"))

        [metric] = bus.query("metrics")["latency"]
        for sample in metric.samples:
            print(
                sample.labels["of"], *(f"<={bound:g}: {count}" for bound, count in sample.buckets)
            )


if __name__ == "__main__":
    anyio.run(main)
