"""What in the routes can never work is a warning at its own path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PartyEvent,
    PeerJoined,
    PeerLeft,
)
from lanrage_events.events import EventRegistry
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._config import RouteConfig
from lanrage_events_discord._routing import NOT_TAKEN, Router, check_routes, unknown_types

URL = "https://discord.com/api/webhooks/1234/made-up-token"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchEnded(PartyEvent):
    """Has a field of each type that a YAML value can be compared with."""

    max_players: int
    rated: bool
    mode: Literal["duel", 4]
    seconds: float | None = None
    scores: tuple[int, ...] = ()
    extra: Any = None

    @property
    def loser(self) -> str:
        return "Bob"


def config(*routes: dict[str, Any], **settings: Any) -> DiscordConfig:
    webhooks = {name: {"url": URL} for name in ("main", "games", "admin")}
    return DiscordConfig.model_validate({"webhooks": webhooks, "routes": routes, **settings})


def problems(*routes: dict[str, Any], **settings: Any) -> dict[str, str]:
    """Return the message of each warning about the routes, by its path."""
    events = EventRegistry()
    events.register(MatchEnded)
    # All webhooks are used.
    found = check_routes(
        config(*routes, {"events": [], "stop": True}, **settings), events, lambda key: None
    )
    warnings = {".".join(map(str, problem.path)): problem for problem in found}
    assert all(problem.warning for problem in warnings.values())
    last = warnings.pop(f"routes.{len(routes)}.events")
    assert "names no event type" in last.message
    return {
        path: problem.message
        for path, problem in warnings.items()
        if not path.startswith("webhooks.")
    }


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"max_players": "many"}, "the field is a whole number, never 'many'"),
        ({"max_players": 2.5}, "the field is a whole number, never 2.5"),
        ({"max_players": 8}, ""),
        ({"max_players": "8"}, ""),
        ({"max_players": 8.0}, ""),
        ({"rated": "yes"}, "the field is true or false, never 'yes'"),
        ({"rated": True}, ""),
        ({"rated": 1}, ""),
        ({"rated": "True"}, ""),
        ({"party_name": True}, "no event takes this route"),
        ({"party_id": True}, "the field is a text, never true (without quotes)"),
        ({"party_id": 2026}, ""),
        ({"mode": "dual"}, "the field is never 'dual'"),
        ({"mode": "duel"}, ""),
        ({"mode": "4"}, ""),
        ({"seconds": "soon"}, "the field is a number, never 'soon'"),
        ({"seconds": "1.5"}, ""),
        ({"scores": "high"}, "the field is a whole number, never 'high'"),
        ({"scores": 3}, ""),
        ({"extra": "anything"}, ""),
        ({"loser": "Bob"}, ""),
        ({"type": "match_ended"}, ""),
        ({"type": "match_endd"}, "the field is never 'match_endd'"),
        ({"to_json": "x"}, "no event takes this route, since none of its types has this field"),
        ({"max_playrs": 8}, "none of its types has this field, did you mean 'max_players'?"),
        ({"max_players": []}, "the list is empty"),
    ],
)
def test_a_value_that_a_field_never_has_is_a_warning(where: dict[str, Any], message: str) -> None:
    found = problems({"events": "match_ended", "where": where, "webhook": "main"})
    if not message:
        assert found == {}
    else:
        [(path, text)] = found.items()
        assert path == f"routes.0.where.{next(iter(where))}"
        assert message in text


def test_each_value_of_a_list_is_checked() -> None:
    found = problems({"events": "match_ended", "where": {"max_players": [8, "many", True, "no"]}})
    assert sorted(found) == ["routes.0.where.max_players.1", "routes.0.where.max_players.3"]


def test_a_field_that_only_some_events_have_is_right() -> None:
    assert problems({"events": "party_event", "where": {"game_name": "Quake"}}) == {}
    assert problems({"where": {"color": 1}}) == {}


def test_routes_behind_a_stop_are_found() -> None:
    found = problems({"stop": True, "webhook": "main"}, {"events": "peer_joined"})
    assert found == {
        "routes.1": "no event reaches this route, since the route at routes.0 takes them and has "
        "'stop'"
    }
    found = problems(
        {"events": "peer_joined", "webhook": "main", "stop": True},
        {"events": ["peer_left", "notification"], "stop": True, "webhook": []},
        {"events": "peer_*"},
        {"events": "peer_joined", "where": {"peer_name": "Ann"}},
        {"events": "game_*", "where": {"game_name": ["Quake", "Doom"]}, "stop": True},
        {"events": "game_started", "where": {"game_name": "Quake", "party_id": "1"}},
        {"events": "game_started", "where": {"game_name": ["Quake", "Eco"]}},
    )
    assert list(found) == ["routes.2", "routes.3", "routes.5"]
    assert "the routes at routes.0 and routes.1 take them and have 'stop'" in found["routes.2"]
    assert "the route at routes.4 takes them and has 'stop'" in found["routes.5"]


def test_routes_whose_webhooks_have_their_events_already_are_found() -> None:
    found = problems(
        {"webhook": "main"},
        {"events": "game_started", "webhook": ["games", "main"]},
        {"events": "game_started", "webhook": ["main"], "mention": {"roles": ["123"]}},
        {"events": "game_started", "webhook": "main", "stop": True},
        {"events": "peer_left", "webhook": "admin", "where": {"peer_name": "Ann"}},
        {"events": "peer_left", "webhook": "admin", "where": {"peer_name": "Ann", "party_id": 5}},
    )
    assert list(found) == ["routes.2", "routes.5"]
    assert "the first route counts: move this one up" in found["routes.2"]


def test_keys_without_an_effect_are_found() -> None:
    mention = {"roles": ["123"]}
    found = problems(
        {"webhook": [], "stop": True, "events": "peer_left", "silent": True, "mention": mention},
        {"webhook": [], "events": "peer_joined"},
        {"webhook": "main", "events": "notification", "mention": {}},
        {"webhook": [], "stop": True, "events": "game_ended"},
    )
    assert list(found) == [
        "routes.0.silent",
        "routes.0.mention",
        "routes.1",
        "routes.2.mention",
    ]


def test_webhooks_and_ages_that_nothing_uses_are_found() -> None:
    settings = config(
        {"events": ["peer_*", "game_started"], "webhook": "main"},
        webhook_url=URL,
        max_age={
            "notification": "1h",
            "peer_joined": "1h",
            "peer_*": "2h",
            "game_started": "1h",
            "game_*": "1h",
            "party_event": 5,
            "peer_left": 5,
        },
    )
    found = {p.path: p.message for p in check_routes(settings, EventRegistry(), lambda key: None)}
    assert list(found) == [
        ("webhook_url",),
        ("webhooks", "games"),
        ("webhooks", "admin"),
        ("max_age", "notification"),
        ("max_age", "peer_*"),
        ("max_age", "game_*"),
        ("max_age", "party_event"),
    ]
    assert "other keys name its events more precisely" in found["max_age", "peer_*"]
    assert list(check_routes(config(), EventRegistry(), lambda key: None)) == []
    routes = ({"webhook": ["main", "games"]},)
    for settings, unused in (
        (config(*routes), [("webhooks", "admin")]),
        (config(*routes, alerts={"webhook": "admin"}), []),
    ):
        warned = check_routes(settings, EventRegistry(), lambda key: None)
        assert [problem.path for problem in warned] == unused


def test_unknown_types_are_errors_and_hide_what_depends_on_them() -> None:
    settings = config(
        {"events": ["peer_*", "peer_joind"], "where": {"nope": 1}, "webhook": "main"},
        {"events": "zzz"},
        max_age={"zzz": 5.0},
    )
    found = list(unknown_types(settings, EventRegistry()))
    assert [str(problem) for problem in found] == [
        "routes.0.events.1: no event type is named 'peer_joind', did you mean 'peer_joined'?",
        "routes.1.events.0: no event type is named 'zzz'",
        "max_age.zzz: no event type is named 'zzz'",
    ]
    assert not any(problem.warning for problem in found)
    assert list(check_routes(settings, EventRegistry(), lambda key: None)) == []


def test_a_plugin_names_the_places_of_other_routes() -> None:
    plugin = DiscordPlugin(config({"stop": True}, {}))
    bus = EventBus()
    bus.register(plugin, "discord", locations={"routes.0": "lanrage.yaml:7:9"})
    [problem] = bus.plugins.problems("discord")
    assert problem.path == ("routes", 1)
    assert "the route at lanrage.yaml:7:9 takes them" in problem.message


EVENTS: list[Event] = [
    PartyCreated(party_id="1", party_name="LAN", host="Ann"),
    PeerJoined(peer_name="Ann", party_name="LAN"),
    PeerJoined(peer_name="Bob", party_name="LAN"),
    PeerLeft(peer_name="Ann", party_name="LAN"),
    GameStarted(game_name="Quake", players=("Ann", "Bob")),
    GameStarted(game_name="2026", players=()),
    GameEnded(game_name="Quake", duration=60.0),
    Notification(title="Ann", message="Bob"),
]
NAMES = st.sampled_from(["event", "party_event", "peer_*", "peer_joined", "game_started", "*_left"])
VALUES = st.sampled_from(["Ann", "Bob", "Quake", 2026, "2026", True, 60, "60.0", "LAN"])
ROUTES = st.lists(
    st.fixed_dictionaries(
        {"events": st.lists(NAMES, max_size=2)},
        optional={
            "where": st.dictionaries(
                st.sampled_from(["peer_name", "players", "game_name", "duration", "nope"]),
                st.one_of(VALUES, st.lists(VALUES, max_size=2)),
                max_size=2,
            ),
            "webhook": st.lists(st.sampled_from(["main", "games"]), max_size=2),
            "stop": st.booleans(),
            "silent": st.booleans(),
        },
    ),
    max_size=5,
)


@pytest.mark.slow
@given(ROUTES)
def test_a_route_that_changes_nothing_can_be_removed(routes: list[dict[str, Any]]) -> None:
    settings = config(*routes)
    found = list(check_routes(settings, EventRegistry(), lambda key: None))
    idle = {p.path[1] for p in found if p.path[:1] == ("routes",) and len(p.path) == 2}
    idle |= {
        p.path[1]
        for p in found
        if "no event takes this route" in p.message or "names no event type" in p.message
    }
    webhooks = list(settings.all_webhooks())
    whole = Router(settings.routes, webhooks)
    rest = [route for number, route in enumerate(settings.routes) if number not in idle]
    if not rest and routes:
        return  # without routes, all events go everywhere

    without = Router(rest, webhooks)
    for event in EVENTS:
        assert dict(whole.route(event)) == dict(without.route(event))
        if without.route(event) is not NOT_TAKEN:
            assert whole.route(event) is not NOT_TAKEN


def test_nothing_is_said_about_the_routes_of_the_documentation() -> None:
    assert (
        problems({"events": "game_*", "webhook": "games", "stop": True}, {"webhook": "main"}) == {}
    )
    assert problems({"events": "game_*", "webhook": "games"}, {"webhook": "main"}) == {}


def test_errors_of_routes_and_webhooks_do_not_hide_each_other() -> None:
    wrong = {
        "webhooks": {
            "main": {"url": "https://evil.example/api/webhooks/1/x"},
            "games": {"url": URL},
        },
        "routes": [{"webhook": ["x", "main"]}, {"silent": "maybe"}, {"webhook": "y"}],
        "alerts": {"webhook": "z"},
    }
    with pytest.raises(ValidationError) as caught:
        DiscordConfig.model_validate(wrong)

    assert [error["loc"] for error in caught.value.errors()] == [
        ("webhooks", "main", "url"),
        ("routes", 0, "webhook", 0),
        ("routes", 1, "silent"),
        ("routes", 2, "webhook", 0),
        ("alerts", "webhook"),
    ]
    # A part that is an object already is checked, too.
    with pytest.raises(ValidationError, match="no webhook is named 'x', known: default"):
        DiscordConfig(routes=(RouteConfig(webhook=("x",)),))
