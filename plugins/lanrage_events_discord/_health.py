"""The health of the plugin: whether everything arrives, and why not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from lanrage_events import Health
from lanrage_events.cli import counted
from lanrage_events.outbox import Outbox, OutboxStatistics

from ._delivery import Lane, LaneState

NO_WEBHOOK = "no webhook_url is set, so nothing is sent"
NO_DEFAULT_WEBHOOK = "routes or cards name webhook 'default', but no webhook_url is set"
# A wait that is longer than one for any usual limit of Discord's.
LONG_WAIT_SECONDS = 60.0


def delivery_health(
    outbox: Outbox | None,
    lanes: Collection[Lane],
    *,
    lacks_default: bool,
    cards: str,
    alerts: str,
    notes: Iterable[str],
    unsent: int,
) -> Health:
    """Report delivery health.

    :param outbox: None before the first start
    :param lanes: of all webhooks
    :param lacks_default: whether a route or a card names the default webhook although there is none
    :param cards: what is wrong with cards, empty if nothing is
    :param alerts: what is reported as wrong, empty if nothing is
    :param notes: what may explain why something is not posted, some of it empty
    :param unsent: how many events never came to the outbox, or were not delivered by earlier runs
    """
    health = _find_health(outbox, lanes, lacks_default, cards)
    reported = alerts if health.status == "ok" else ""
    detail = "; ".join(filter(None, [health.detail, reported, *notes]))
    statistics = None if outbox is None else outbox.statistics()
    kept = 0 if statistics is None else statistics.pending + count_rejected(statistics)
    return replace(health, detail=detail, undelivered=unsent + kept)


def _find_health(
    outbox: Outbox | None, lanes: Collection[Lane], lacks_default: bool, cards: str
) -> Health:
    if dead := _reasons(lanes, LaneState.DEAD):
        return Health("failed", dead)

    if outbox is None or all(lane.state is LaneState.UNCONFIGURED for lane in lanes):
        return Health("degraded", NO_WEBHOOK)

    if lacks_default:
        return Health("degraded", NO_DEFAULT_WEBHOOK)

    if outbox.problem is not None:
        return Health("degraded", str(outbox.problem))

    statistics = outbox.statistics()
    pending = count_events(statistics.pending)
    if retrying := _reasons(lanes, LaneState.RETRYING):
        return Health("degraded", f"{pending} waiting: {retrying}")

    waits = _reasons(lanes, LaneState.WAITING)
    waiting = (lane.waits or 0.0 for lane in lanes if lane.state is LaneState.WAITING)
    if max(waiting, default=0.0) > LONG_WAIT_SECONDS:
        return Health("degraded", f"{pending} waiting: {waits}")

    if statistics.dead:
        return Health("degraded", f"Discord rejected {counted(statistics.dead, 'event')}")

    return Health("degraded", cards) if cards else Health(detail=waits)


def _reasons(lanes: Collection[Lane], state: LaneState) -> str:
    found = [lane for lane in lanes if lane.state is state and lane.reason]
    return "; ".join(f"webhook '{lane.name}': {lane.reason}" for lane in found)


def count_rejected(statistics: OutboxStatistics) -> int:
    """Count the events that Discord rejected in this run, less those retried or dropped since."""
    return min(statistics.dead_lettered, statistics.dead + statistics.forgotten)


def count_events(count: int) -> str:
    """Return how many events something is said about."""
    return f"{count} event is" if count == 1 else f"{count} events are"
