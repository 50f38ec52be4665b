"""The search for the entry that Discord rejects."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lanrage_events_discord._client import Outcome, OutcomeKind
from lanrage_events_discord._diagnosis import Bisection
from lanrage_events_discord._embeds import Embed, Message


@pytest.mark.parametrize(
    ("count", "embeds", "embed_each", "bad_embeds", "found"),
    [
        (3, 3, True, (1,), {11}),
        (3, 4, True, (0, 2, 3), {10, 12}),
        # A digest of two and the line about what expired: embed 0 reports both.
        (2, 2, False, (0,), set()),
        (4, 2, True, (1,), set()),
        (3, 3, True, (), set()),
        (1, 2, False, (), {10}),
    ],
)
def test_rejected_entries_are_those_that_discord_names_or_the_last_one_left(
    count: int, embeds: int, embed_each: bool, bad_embeds: Sequence[int], found: set[int]
) -> None:
    suspects = Bisection()
    message = Message(entries=count, embeds=(Embed(title="x"),) * embeds)
    outcome = Outcome(OutcomeKind.DEAD, "no", bad_embeds=tuple(bad_embeds))
    assert suspects.find_in(range(10, 10 + count), message, outcome, embed_each=embed_each) == found
    assert suspects.at_most == (None if found else count // 2)


def test_search_ends_when_the_last_suspect_is_dealt_with() -> None:
    suspects = Bisection()
    message = Message(entries=4, embeds=(Embed(title="x"),))
    suspects.find_in(range(10, 14), message, Outcome(OutcomeKind.DEAD, "no"), embed_each=False)
    suspects.removed([12, 13, 14])
    assert suspects.at_most == 2
    suspects.removed([14])
    assert suspects.at_most is None
    suspects.find_in(range(10, 14), message, Outcome(OutcomeKind.DEAD, "no"), embed_each=False)
    suspects.removed([])
    assert suspects.at_most is None
