"""What is reported of the cards: their metrics, and why some have stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from lanrage_events import Metric, Sample
from lanrage_events.cli import counted

from .card import CardStatistics, CardStatus
from .cards import Cards

_COUNTERS: Mapping[str, tuple[str, Callable[[CardStatistics], int]]] = {
    "posts": ("Messages that were posted for cards, polls included", lambda one: one.posts),
    "edits": ("Edits of cards", lambda one: one.edits),
    "reposts": (
        "Cards that were posted again since their message was gone",
        lambda one: one.reposts,
    ),
    "lost_answers": (
        "Posts of cards whose answer was lost, each of which may be a message too many",
        lambda one: one.lost_answers,
    ),
}


def card_metrics(cards: Cards) -> list[Metric]:
    """Return what the cards of each webhook are and what was done for them; nothing without cards."""
    if not (statistics := cards.statistics):
        return []

    counts = Counter((card.webhook, cards.state_of(card).status) for card in cards.open())
    states = [
        Sample(counts[name, status], {"lane": name, "state": status.value})
        for name in statistics
        for status in CardStatus
    ]
    return [
        Metric(name="cards", help="Open cards, by state", samples=states),
        Metric(
            name="cards_bounded",
            help="What was left out, since there are bounds: cards, and what is of their parties",
            kind="counter",
            samples=[Sample(count, {"what": what}) for what, count in cards.bounded.items()],
        ),
        *(
            Metric(
                name=f"card_{name}",
                help=text,
                kind="counter",
                samples=[Sample(count(one), {"lane": lane}) for lane, one in statistics.items()],
            )
            for name, (text, count) in _COUNTERS.items()
        ),
    ]


def stopped_cards(cards: Cards) -> dict[str, list[str]]:
    """Return why cards have stopped, by webhook."""
    reasons: dict[str, list[str]] = {}
    for card in cards.open():
        if card.stopped:
            reasons.setdefault(card.webhook, []).append(card.stopped)

    return reasons


def cards_problem(cards: Cards) -> str:
    """Return what is wrong with the cards in one line, empty if nothing is."""
    kept = [] if cards.problem is None else [f"cards cannot be kept: {cards.problem}"]
    stopped = [
        f"{counted(len(reasons), 'card')} of webhook '{name}' stopped: {reasons[0]}"
        for name, reasons in stopped_cards(cards).items()
    ]
    waiting = [f"cards of webhook '{n}' wait: {reason}" for n, reason in cards.outages.items()]
    return "; ".join((*kept, *stopped, *waiting))
