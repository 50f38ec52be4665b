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


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"RETRY-AFTER": "-3"}, 0.0),
        ({"Retry-After": "1e300"}, 86_400.0),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        (
            {
                "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT",
                "Date": "Fri, 31 Dec 1999 23:59:29 GMT",
            },
            30.0,
        ),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
    ],
)
def test_retry_after_is_obeyed_in_both_forms(headers: dict[str, str], after: float | None) -> None:
    assert Outcome.from_status(429, headers).after == after
