"""Rules on a bus: nothing is lost, out of order, or waited for in vain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import Event, EventBus, PeerJoined
from lanrage_events._rules import HidingKey
from lanrage_events.config._rules import ConfiguredRules, RuleConfig

_RULES: list[dict[str, Any]] = [
    {"where": {"peer_name": "2*"}, "drop": True},
    {"where": {"peer_name": {"not": ["1*", "3*"]}}, "drop": True},
    {"set": {"party_name": "{{ peer_name }} of {{ party_name }}"}},
    {"set": {"party_id": "{{ {}[peer_name] }}"}},  # fails each time
    {"hide": ["1*", "30"], "as": "pseudonym"},
    {"redact": ["names", "addresses"]},
]


def make_bus(configs: Sequence[dict[str, Any]]) -> EventBus:
    configured = ConfiguredRules(tuple(map(RuleConfig.model_validate, configs)))
    return EventBus(rules=configured.make(HidingKey()), blocked_after=None)


@settings(max_examples=30, deadline=None)
@given(rules=st.lists(st.sampled_from(_RULES), max_size=4), count=st.integers(1, 40))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_any_rules_keep_the_order_and_the_receipts(
    backend: str, rules: list[dict[str, Any]], count: int
) -> None:
    received: list[Event] = []
    # Those that drop by a name come before those that change it.
    rules = sorted(rules, key=lambda rule: "drop" not in rule)

    async def publish() -> None:
        events = [PeerJoined(id=f"{n}", peer_name=f"{n}", party_name="LAN") for n in range(count)]
        async with make_bus(rules) as bus:
            bus.subscribe(PeerJoined, received.append)
            for event in events[::2]:
                await bus.publish_and_wait(event)

            assert await bus.publish_many_and_wait(events[1::2]) == [None] * (count // 2)

    anyio.run(publish, backend=backend)
    dropped = [rule["where"]["peer_name"] for rule in rules if rule.get("drop")]
    kept = [
        name
        for name in map(str, [*range(0, count, 2), *range(1, count, 2)])
        if not ("2*" in dropped and name.startswith("2"))
        and not ({"not": ["1*", "3*"]} in dropped and not name.startswith(("1", "3")))
    ]
    if {"redact": ["names", "addresses"]} not in rules:
        assert [event.id for event in received] == kept

    assert len(received) == len(kept)
