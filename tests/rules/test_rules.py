"""Rules change, hide and drop events, each for the events that it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import (
    Event,
    GameStarted,
    Notification,
    PartyCreated,
    PeerJoined,
    PeerLeft,
    PlayerName,
)
from lanrage_events._exceptions import RuleError
from lanrage_events._rules import HidingKey, RuleSet
from lanrage_events.config import ConfigError
from lanrage_events.config._rules import ConfiguredRules, RuleConfig

BOTS = {"events": ["peer_joined", "peer_left"], "where": {"peer_name": "[BOT]*"}, "drop": True}
ANN = PeerJoined(peer_name="Ann", party_name="srv1")


def make_rules(*configs: Mapping[str, Any], key: HidingKey | None = None) -> RuleSet:
    """Return rules that are written as in a file."""
    configured = ConfiguredRules(tuple(map(RuleConfig.model_validate, configs)))
    rules = configured.make(key or HidingKey())
    assert rules is not None
    return rules


def apply(rules: RuleSet, event: Event) -> Any:
    """Return what the rules make of an event, which they keep or drop."""
    for transform in rules.transforms(type(event)):
        result = transform.function(event)
        if not isinstance(result, Event):
            return None

        event = result

    return event


def test_an_event_is_dropped_if_its_fields_have_the_values() -> None:
    rules = make_rules(BOTS)
    assert apply(rules, replace(ANN, peer_name="[BOT] Max")) is None
    assert apply(rules, ANN) is ANN
    game = GameStarted(game_name="[BOT]", players=("[BOT] Max",))
    assert apply(rules, game) is game


def test_a_rule_costs_nothing_for_types_that_it_is_not_for() -> None:
    rules = make_rules(
        BOTS,
        {"set": {"party_name": "x"}},
        {"hide": "Ann"},
        {"where": {"color": 1}, "redact": "addresses"},
    )
    assert [t.name for t in rules.transforms(PeerJoined)] == ["rule 1", "rule 2", "rule 3"]
    assert [t.name for t in rules.transforms(GameStarted)] == ["rule 3"]
    assert [t.name for t in rules.transforms(Notification)] == ["rule 4"]
    assert [t.name for t in rules.protects(PeerJoined)] == ["rule 3"]
    assert [t.required for t in rules.transforms(PeerJoined)] == [False, False, True]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("{{ {'srv1': 'Friday LAN'}.get(party_name, party_name) }}", "Friday LAN"),
        ("{{ party_name | upper }} of {{ peer_name }}", "SRV1 of Ann"),
        (
            "{% if party_id %}x{% else %}{{ type }} {{ event.peer_name }}{% endif %}",
            "peer_joined Ann",
        ),
        ("LAN", "LAN"),
        (2026, "2026"),
        ("{{ 2000 + 26 }}", "2026"),
        ("{{ -1 }}", "-1"),
    ],
)
def test_a_field_gets_another_value(value: object, name: str) -> None:
    found = apply(make_rules({"set": {"party_name": value}}), ANN)
    assert found == replace(ANN, party_name=name)


def test_values_keep_their_types() -> None:
    game = GameStarted(game_name="Quake", players=("Ann", "Max", "Bob"))
    rules = make_rules({"set": {"players": "{{ players | reject('eq', 'Max') | list }}"}})
    assert apply(rules, game).players == ("Ann", "Bob")
    note = Notification(title="7", message="")
    rules = make_rules({"set": {"color": "{{ title }}", "message": "{{ color }}"}})
    with pytest.raises(RuleError, match=r"^message: ValidationError; .*shows why$"):
        apply(rules, note)

    assert apply(make_rules({"set": {"color": "{{ title }}"}}), note).color == 7
    assert (
        apply(make_rules({"set": {"party_id": None}}), replace(ANN, party_id="5")).party_id is None
    )


@pytest.mark.parametrize(
    "template",
    ["{{ {'srv1': 'x'}[peer_name] }}", "{{ peer_name.secret }}", "{{ [1] }}", "{{ 1 / 0 }}"],
)
def test_what_fails_says_nothing_about_the_values(template: str) -> None:
    rules = make_rules({"set": {"party_name": template}})
    [transform] = rules.transforms(PeerJoined)
    assert not transform.required
    with pytest.raises(RuleError) as raised:
        transform.function(ANN)

    assert "Ann" not in f"{raised.value!r} {raised.value.__cause__!r}"
    assert raised.value.__suppress_context__


def test_templates_cannot_leave_their_sandbox() -> None:
    rules = make_rules({"set": {"party_name": "{{ event.__class__.__mro__ | string }}"}})
    with pytest.raises(RuleError, match="SecurityError"):
        apply(rules, ANN)


def test_hidden_names_are_replaced_wherever_an_event_names_people() -> None:
    rules = make_rules({"hide": ["ann", "mod_*"], "as": "someone"})
    assert apply(rules, ANN).peer_name == "someone"
    assert (
        apply(rules, PartyCreated(party_id="1", party_name="x", host="Mod_Bob")).host == "someone"
    )
    game = GameStarted(game_name="Ann", players=("Ann", "Bob", "mod_"))
    assert apply(rules, game) == replace(game, players=("someone", "Bob", "someone"))
    assert apply(rules, replace(ANN, peer_name="Anna")) == replace(ANN, peer_name="Anna")


@dataclass(frozen=True, slots=True)
class Score:
    who: PlayerName
    points: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchWon(Event):
    """Names people in every way that a plugin can."""

    winner: PlayerName
    team: tuple[PlayerName, ...] = ()
    by_player: dict[PlayerName, int] = field(default_factory=dict)
    best: Score | None = None
    player_name: str = ""
    map: str = "Ann"


def test_plugins_mark_the_names_in_their_events() -> None:
    won = MatchWon(
        winner="Ann",
        team=("Ann", "Bob"),
        by_player={"Ann": 3, "Bob": 1},
        best=Score("Ann", 3),
        player_name="Ann",
    )
    assert apply(make_rules({"hide": ["Ann"]}), won) == replace(
        won,
        winner="a player",
        team=("a player", "Bob"),
        by_player={"a player": 3, "Bob": 1},
        best=Score("a player", 3),
        player_name="a player",
    )


def test_what_is_known_of_two_hidden_people_stays() -> None:
    won = MatchWon(winner="Bob", by_player={"Ann": 3, "Bob": 1, "mod_x": 5})
    rules = make_rules({"hide": ["Ann", "mod_*"]})
    once = apply(rules, won)
    assert once.by_player == {"a player": 3, "Bob": 1, "a player 2": 5}
    assert apply(rules, once) is once


def test_hidden_people_stay_apart() -> None:
    rules = make_rules({"hide": "*"})
    joined = [
        apply(rules, replace(ANN, peer_name=name, peer_id=peer_id))
        for name, peer_id in [
            ("Ann", "7"),
            ("Bob", "8"),
            ("Cleo", None),
            ("Dan", None),
            ("Ann", "7"),
        ]
    ]
    assert {event.peer_name for event in joined} == {"a player"}
    ids = [event.peer_id for event in joined]
    assert len({*ids}) == 4
    assert ids[0] == ids[4]
    left = apply(rules, PeerLeft(peer_name="Cleo", party_name="srv1"))
    assert left.peer_id == ids[2]
    assert not any(text in str(ids) for text in ("7,", "8,", "Ann"))


@pytest.mark.parametrize("shown", ["a player", "pseudonym"])
def test_who_is_hidden_already_stays_as_they_are(shown: str) -> None:
    rules = make_rules({"hide": "*", "as": shown})
    once = apply(rules, replace(ANN, peer_id="7"))
    assert apply(rules, once) is once


def test_pseudonyms_are_stable_for_one_key_and_say_nothing_without_it(tmp_path: Path) -> None:
    config = {"hide": "*", "as": "pseudonym"}
    names = [f"player {number}" for number in range(50)]

    def shown(key: HidingKey) -> list[str]:
        rules = make_rules(config, key=key)
        return [apply(rules, replace(ANN, peer_name=name)).peer_name for name in names]

    first = shown(HidingKey(tmp_path))
    assert shown(HidingKey(tmp_path)) == first
    assert shown(HidingKey(tmp_path / "other")) != first
    assert len({*first}) > 40
    assert not {*first} & {*names}
    rules = make_rules(config, key=HidingKey(tmp_path))
    game = GameStarted(game_name="Quake", players=tuple(name.upper() for name in names))
    assert list(apply(rules, game).players) == first


def test_a_key_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    key = HidingKey(tmp_path)
    key.open()
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text('"00"')
    with pytest.raises(ConfigError, match=r"rules-key.json: the key .* it is damaged"):
        HidingKey(tmp_path).open()

    rules = make_rules({"hide": "Ann", "as": "pseudonym"}, key=HidingKey(tmp_path))
    [transform] = rules.transforms(PeerJoined)
    assert transform.required
    with pytest.raises(RuleError, match=r"rules-key.json: the key .* it is damaged"):
        transform.function(ANN)


@pytest.mark.parametrize("name", ["", " ", "\u200b"])
@pytest.mark.parametrize("key", ["hide", "as"])
def test_a_name_is_not_empty(name: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"a name is expected|at least 1 character"):
        RuleConfig.model_validate({"hide": ["Ann"], key: name})


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"hide": ["Bob", "ann"], "as": "Ann "}, "'as' is one of the names to hide"),
        ({"set": {}}, "at least 1 item"),
    ],
)
def test_a_rule_that_does_nothing_is_an_error(config: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        RuleConfig.model_validate(config)


def test_a_check_writes_no_key(tmp_path: Path) -> None:
    HidingKey(tmp_path, is_kept=False).open()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@given(
    name=st.sampled_from(["Ann", "ANN", "mod_x", "mod_x y", "Bob", "a player"])
    | st.text(max_size=8),
    peer_id=st.sampled_from([None, "7", "10.0.0.5:27015", "Ann"]),
    party=st.sampled_from(["Ann's party", "10.0.0.5", "x"]),
    shown=st.sampled_from(["a player", "pseudonym"]),
)
def test_passing_twice_is_passing_once(
    name: str, peer_id: str | None, party: str, shown: str
) -> None:
    rules = make_rules({"hide": ["Ann", "mod_*"], "as": shown}, {"redact": ["names", "addresses"]})
    event = PeerJoined(peer_name=name, peer_id=peer_id, party_name=party, party_id=party)
    once = again = apply(rules, event)
    for transform in rules.protects(PeerJoined):
        again = transform.function(again)

    assert again == once
    assert not any(text in once.to_json() for text in ("Ann", "ANN", "mod_x", "10.0.0.5"))


def test_texts_are_redacted_and_ids_stay_apart() -> None:
    rules = make_rules({"hide": "Ann"}, {"redact": ["names", "addresses"]})
    event = Notification(id="ann-1", title="Ann is here", message="join 10.0.0.5:27015, ann!")
    found = apply(rules, event)
    assert found.title == "a player is here"
    assert found.message == "join [address], a player!"
    assert found.id.startswith("hidden-")
    assert found.id == apply(rules, event).id != apply(rules, replace(event, id="ann-2")).id
    parties = [
        apply(rules, replace(ANN, party_id=id)).party_id for id in ("10.0.0.5:1", "10.0.0.5:2")
    ]
    assert len({*parties}) == 2
    other = Notification(title="Annual", message="12:30:45")
    assert apply(rules, other) is other


def test_what_rules_do_is_explained_with_values() -> None:
    rules = make_rules(
        BOTS,
        {"events": "game_started", "hide": "Ann"},
        {"set": {"party_name": "{{ nobody }}"}},
        {"hide": "Ann", "as": "Bob"},
        {"where": {"peer_name": "Bob"}, "drop": True},
        BOTS,
    )
    steps = list(rules.explain(ANN))
    assert [(step.rule, step.outcome.split(",")[0]) for step in steps] == [
        ("rule 1 (drop)", "is not for this event: peer_name is 'Ann'"),
        ("rule 2 (hide)", "is not for peer_joined"),
        ("rule 3 (set)", "fails"),
        ("rule 4 (hide)", "changes peer_name from 'Ann' to 'Bob'"),
        ("rule 5 (drop)", "drops it"),
    ]
    assert "'nobody' is undefined" in steps[2].outcome
    assert steps[-1].event is None
