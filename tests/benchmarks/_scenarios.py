"""The scenarios and what each must show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from ._figures import Check, Checks, Figures, at_most, equal, memory_below, within
from ._process import Line

REQUESTS_PER_SECOND = 50
WINDOW_SECONDS = 0.5
# From the end of the window to the acceptance: the round trip and some work.
LATENESS_SECONDS = 0.2
OUTAGE_SECONDS = 10.0
# For each of many webhooks: what comes while the first message waits for its turn is in it, and
# what comes later in one more. A slow machine publishes for longer.
MANY_REQUESTS = 3


def none_lost(figures: Figures) -> Iterator[Check]:
    """Check what holds nearly everywhere."""
    yield equal("lost", figures.lost)
    yield equal("twice", figures.twice)
    yield equal("answers of 429", figures.statuses[429])


def burst(requests: int, floor: float, most: float) -> Checks:
    """Check a burst against the fewest messages that can tell it, and what these take at least."""

    def checks(figures: Figures) -> Iterator[Check]:
        yield from none_lost(figures)
        yield at_most("requests", figures.requests, requests)
        yield within("first to last", figures.seconds, most, floor or None)

    return checks


def steady(figures: Figures) -> Iterator[Check]:
    """Check the pace of ten a second."""
    yield from none_lost(figures)
    yield within("99th percentile", figures.p99 or 0.0, 0.7)


def hidden(figures: Figures) -> Iterator[Check]:
    """Check the same with a limit that no header shows."""
    yield equal("lost", figures.lost)
    yield equal("twice", figures.twice)
    yield at_most("answers of 429", figures.statuses[429], 1)
    yield within("all in", figures.seconds_to_last, 62.0, 60.0)


def faults(figures: Figures) -> Iterator[Check]:
    """Check that only what is ambiguous is told twice."""
    yield equal("lost", figures.lost)
    yield equal("twice without a lost answer", figures.needlessly_twice)
    yield equal("answers of 429", figures.statuses[429])
    count = figures.statuses[503] + figures.statuses[None]
    yield Check(f"{count} faults met", count > 0)
    # Five messages in two seconds, those among them whose answers were lost.
    floor = (len(figures.accepted) - 1) // 5 * 2.0
    yield within("first to last", figures.seconds, 1.35 * floor, floor)


def outage(figures: Figures) -> Iterator[Check]:
    """Check that the end of an outage is noticed soon."""
    yield from none_lost(figures)
    late = figures.accepted[-1]["time"] - figures.run.outage_end if figures.accepted else 0.0
    yield within("last after the outage's end", late, 2.5)


def killed(figures: Figures) -> Iterator[Check]:
    """Check what a kill costs."""
    yield equal("lost", figures.lost)
    yield at_most("messages twice", figures.messages_twice, 1)
    yield from restarted(figures)


def ended(figures: Figures) -> Iterator[Check]:
    """Check what an orderly end costs: nothing."""
    yield equal("lost", figures.lost)
    yield equal("twice", figures.twice)
    yield from restarted(figures)


def restarted(figures: Figures) -> Iterator[Check]:
    """Check that a process that cannot know what is left of the limit learns it at once."""
    yield at_most("answers of 429", figures.statuses[429], 1)


def stuck(figures: Figures) -> Iterator[Check]:
    """Check that an answer that does not come delays its own lane alone, and not for long."""
    usual = WINDOW_SECONDS + LATENESS_SECONDS
    yield equal("lost", figures.lost)
    yield equal("twice without a lost answer", figures.needlessly_twice)
    yield within("the lane's events", figures.delays[0][-1], 10.0 + usual)
    yield within("the other lane's", figures.delays[1][-1], usual)
    yield within("longest publish", figures.run.published["longest_publish"], LATENESS_SECONDS)


def deleted(figures: Figures) -> Iterator[Check]:
    """Check that a webhook that is gone is left alone."""
    yield equal("accepted", len(figures.accepted), 5)
    after = figures.requests - len(figures.accepted)
    yield Check(f"{after} request afterwards (exactly 1)", after == 1)


def shortened(figures: Figures) -> Iterator[Check]:
    """Check that only the value is shortened."""
    yield from none_lost(figures)
    yield equal("answers of 400", figures.statuses[400])
    text = "".join(record["text"] for record in figures.accepted)
    yield Check("shortened with an ellipsis", "x…" in text and "x" * 4000 not in text)


def many(figures: Figures) -> Iterator[Check]:
    """Check many webhooks against what one address may send."""
    yield from none_lost(figures)
    floor = figures.requests / REQUESTS_PER_SECOND
    yield within("first to last", figures.seconds, 1.2 * floor, floor)
    yield at_most("requests", figures.requests, MANY_REQUESTS * figures.run.webhooks)
    yield memory_below(figures.memory, 150)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens, and what it must show."""

    name: str
    title: str
    checks: Checks
    offsets: tuple[float, ...]
    """when each event happens, in seconds from the begin"""
    style: Literal["digest", "embeds"] = "digest"
    immediate: bool = True
    webhooks: int = 1
    routed: bool = False
    """whether each webhook has events of its own; otherwise every one tells every event"""
    long_name: bool = False
    discord: Line = field(default_factory=dict)
    """options of the stand-in"""
    faults: tuple[Line, ...] = ()
    """what is asked of the stand-in before the begin"""
    outage_after: float | None = None
    """seconds from the begin to an outage"""
    end: Literal["told", "published", "kill", "term"] = "told"
    """what the sender is ended at or by"""
    drain_timeout: float = 10.0
    peers: bool = False
    """whether the others do it too"""
    alone: bool = False
    """whether nothing else may run beside it: it takes a whole CPU, or its CPU time is judged"""
    seconds: float = 60.0
    """how long it may take"""

    @property
    def expected(self) -> int:
        """How many events are to be told, once for each webhook."""
        return len(self.offsets) * self.webhooks


def at_once(count: int) -> tuple[float, ...]:
    """Return the times of a burst."""
    return (0.0,) * count


def every(seconds: float, count: int) -> tuple[float, ...]:
    """Return the times of a steady flow."""
    return tuple(seconds * number for number in range(count))


_STUCK = (0.0, *(0.1 for _ in range(20)))

SCENARIOS = (
    Scenario(
        "burst-embeds",
        "burst of 200, embeds",
        burst(20, 6.0, 1.1 * 6.0),
        at_once(200),
        style="embeds",
        immediate=False,
        peers=True,
        seconds=110,
        alone=True,
    ),
    Scenario(
        "burst-immediate",
        "burst of 200, embeds, the first at once",
        burst(21, 8.0, 1.1 * 8.0),
        at_once(200),
        style="embeds",
        alone=True,
    ),
    Scenario(
        "burst-digest",
        "burst of 200, digest",
        burst(3, 0.0, 0.7),
        at_once(200),
        immediate=False,
        alone=True,
    ),
    Scenario("steady", "10 a second for 30 s", steady, every(0.1, 300), peers=True, seconds=130),
    Scenario(
        "hidden",
        "the same with the hidden 30 a minute",
        hidden,
        every(0.1, 300),
        discord={"channel_limit": 30},
        seconds=130,
    ),
    Scenario(
        "faults",
        "200 with 20 % of 503 and 5 % resets after acceptance",
        faults,
        at_once(200),
        style="embeds",
        immediate=False,
        faults=(
            {"do": "fault", "name": "fail", "status": 503, "probability": 0.2, "seed": 1},
            {"do": "fault", "name": "reset", "accepted": True, "probability": 0.05, "seed": 3},
        ),
        peers=True,
        seconds=130,
    ),
    Scenario(
        "outage",
        "20 events around a 10 s outage",
        outage,
        at_once(5) + tuple(2.0 + 0.6 * number for number in range(15)),
        outage_after=1.5,
        peers=True,
    ),
    Scenario(
        "kill",
        "SIGKILL right after acceptance, restart",
        killed,
        at_once(200),
        style="embeds",
        immediate=False,
        end="kill",
        peers=True,
    ),
    Scenario(
        "term",
        "SIGTERM within a burst, restart",
        ended,
        at_once(200),
        style="embeds",
        immediate=False,
        end="term",
        drain_timeout=2.0,
    ),
    Scenario(
        "hang",
        "an answer that hangs for 60 s",
        stuck,
        _STUCK,
        webhooks=2,
        faults=({"do": "fault", "name": "hang", "seconds": 60, "accepted": False, "webhook": 0},),
    ),
    Scenario(
        "drip",
        "an answer that drips for 60 s",
        stuck,
        _STUCK,
        webhooks=2,
        faults=({"do": "fault", "name": "drip", "seconds": 60, "webhook": 0},),
    ),
    Scenario(
        "deleted",
        "webhook deleted after 5 messages",
        deleted,
        every(0.6, 20),
        faults=({"do": "delete_webhook", "after_messages": 5},),
        end="published",
    ),
    Scenario(
        "long-name",
        "a name of 5,000 characters among 20 events",
        shortened,
        at_once(20),
        immediate=False,
        long_name=True,
    ),
    Scenario(
        "webhooks",
        "1,000 webhooks post 20 events each",
        many,
        at_once(20),
        immediate=False,
        webhooks=1000,
        alone=True,
        seconds=90,
        drain_timeout=30,
    ),
    Scenario(
        "webhooks-routed",
        "1,000 webhooks with 20 events of their own each",
        many,
        at_once(20),
        immediate=False,
        webhooks=1000,
        alone=True,
        routed=True,
        seconds=90,
        drain_timeout=30,
    ),
)


def smaller(scenario: Scenario) -> Scenario:
    """Return a scenario that takes moments, to show that everything works."""
    shrunk = {
        "burst-embeds": replace(
            scenario, offsets=at_once(40), seconds=20, checks=burst(4, 0.0, 6.0)
        ),
        "kill": replace(scenario, offsets=at_once(40), seconds=20),
    }
    return shrunk.get(scenario.name, scenario)


SMOKE = ("burst-embeds", "kill")
"""names of the scenarios of the smoke mode"""
