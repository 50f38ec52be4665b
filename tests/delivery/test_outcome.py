from __future__ import annotations

import pytest

from lanrage_events.delivery import Outcome, OutcomeKind


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_has_an_outcome(status: int) -> None:
    kind = Outcome.from_status(status).kind
    if status < 300:
        assert kind is OutcomeKind.DELIVERED
    elif status < 400 or status in (408, 425, 429) or status >= 500:
        assert kind is OutcomeKind.RETRY
    elif status in (401, 403, 404, 405, 407, 410):
        assert kind is OutcomeKind.STOP
    else:
        assert kind is OutcomeKind.DEAD


def test_a_retry_waits_as_long_as_the_answer_asks() -> None:
    assert Outcome.from_status(429, {"Retry-After": "7"}).after == 7.0
    assert Outcome.from_status(503).after is None
