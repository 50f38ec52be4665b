"""Rules on a bus: nothing is lost, out of order, or waited for in vain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import Event, EventBus, EventNotTransformed, PeerJoined, Preview, hookimpl
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


def make_bus(
    configs: Sequence[dict[str, Any]], key: HidingKey | None = None, *, trace: bool = False
) -> EventBus:
    configured = ConfiguredRules(tuple(map(RuleConfig.model_validate, configs)))
    return EventBus(rules=configured.make(key or HidingKey()), blocked_after=None, trace=trace)


@pytest.mark.slow
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


_HIDING: list[dict[str, Any]] = [
    {"where": {"party_name": "Test"}, "drop": True},
    {"set": {"party_id": "{{ {}[peer_name] }}"}},
    {"hide": "Ann"},
    {"redact": "names"},
]


async def test_ids_with_names_are_shown_nowhere_and_rules_say_why_they_fail(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async with make_bus(_HIDING, trace=True) as bus:
        for party in ("LAN", "Test"):
            await bus.publish_and_wait(PeerJoined(id="ann-1", peer_name="Ann", party_name=party))

        statistics = bus.statistics().transforms
        assert (statistics["rule 1"].dropped, statistics["rule 2"].failed) == (1, 1)

    shown = capsys.readouterr().err + caplog.text
    assert "ann" not in shown.lower().replace("lanrage", "")
    assert "trace: rule 1 dropped peer_joined hidden-" in shown
    assert "rule 2 failed on peer_joined hidden-" in shown
    assert "party_id: UndefinedError; 'lanrage-events check --event' shows why" in shown


async def test_a_key_that_cannot_be_read_rejects_events_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rules-key.json").write_text("7")
    async with make_bus(_HIDING[2:], HidingKey(tmp_path)) as bus:
        with pytest.raises(EventNotTransformed, match=r"rules-key.json: the key .* damaged") as e:
            await bus.publish(PeerJoined(id="ann-1", peer_name="Ann", party_name="LAN"))

    assert str(e.value).startswith("peer_joined was not published: rule 1, which is required,")
    assert "rule 1 failed on peer_joined hidden: " in caplog.text
    assert "ann-1" not in f"{caplog.text}{e.value}"


class Previewing:
    @hookimpl
    def preview(self, event: PeerJoined) -> Preview:
        return Preview(text=f"{event.peer_name} on {event.party_name}")


@pytest.mark.parametrize(
    ("rules", "texts"),
    [
        (_HIDING, ["a player on LAN"]),
        ([{"where": {"peer_name": "Ann"}, "drop": True}], []),
        ([], ["Ann on LAN"]),
    ],
)
def test_a_preview_shows_what_the_rules_leave(
    rules: list[dict[str, Any]], texts: list[str]
) -> None:
    bus = make_bus(rules)
    name = bus.register(Previewing())
    previews = bus.plugins.preview(PeerJoined(peer_name="Ann", party_name="LAN"))
    assert [one.text for one in previews[name]] == texts
    assert bus.statistics().transforms == {}


def test_a_preview_shows_nothing_of_what_cannot_be_hidden(tmp_path: Path) -> None:
    (tmp_path / "rules-key.json").write_text("7")
    bus = make_bus(_HIDING, HidingKey(tmp_path))
    bus.register(Previewing(), "plugin")
    event = PeerJoined(peer_name="Ann", party_name="LAN")
    assert bus.plugins.preview(event) == {"plugin": []}
