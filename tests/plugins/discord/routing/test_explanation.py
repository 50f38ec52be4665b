from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event, GameStarted, Notification, PeerJoined, PeerLeft
from lanrage_events_discord._config import RouteConfig
from lanrage_events_discord._routing import Router, RouteStep, explain

WEBHOOKS = ("main", "games")
EVENTS = [
    PeerJoined(peer_name="Ann", party_name="Red"),
    PeerJoined(peer_name="Ben", party_name="Blue"),
    PeerLeft(peer_name="Ann", party_name="Red"),
    GameStarted(game_name="Quake", players=("Ann", "Ben")),
    Notification(title="Pizza", message="It is here"),
]

values = st.sampled_from(["Ann", "Red", "Quake", 7, True])
routes = st.fixed_dictionaries(
    {"stop": st.booleans(), "silent": st.booleans()},
    optional={
        "events": st.lists(
            st.sampled_from(["peer_joined", "peer_*", "party_event", "game_started"]), max_size=2
        ),
        "where": st.dictionaries(
            st.sampled_from(["peer_name", "party_name", "players", "nothing"]),
            values | st.lists(values, max_size=2),
            max_size=2,
        ),
        "webhook": st.lists(st.sampled_from(["main", "games", "default"]), max_size=3),
    },
)


def configure(*found: dict[str, Any]) -> list[RouteConfig]:
    return [RouteConfig.model_validate(route) for route in found]


def steps(event: Event, *found: dict[str, Any]) -> list[RouteStep]:
    return list(explain(event, configure(*found), WEBHOOKS))


@pytest.mark.slow
@given(st.lists(routes, max_size=5), st.sampled_from(EVENTS))
def test_it_says_what_the_router_does(found: list[dict[str, Any]], event: Event) -> None:
    explained = {name: step.presentation for step in steps(event, *found) for name in step.webhooks}
    assert explained == dict(Router(configure(*found), WEBHOOKS).route(event))


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ({"events": ["peer_left", "game_*"]}, "no, it is for peer_left, game_*"),
        ({"where": {"party_name": "Blue"}}, "no, party_name is 'Red', not 'Blue'"),
        ({"where": {"party_name": ["Blue", 7]}}, "no, party_name is 'Red', not 'Blue' or 7"),
        ({"where": {"colour": "x"}}, "no, peer_joined has no field 'colour'"),
    ],
)
def test_it_says_why_a_route_does_not_take_an_event(route: dict[str, Any], reason: str) -> None:
    [step] = steps(EVENTS[0], route)
    assert step.mismatch == reason
    assert not step.webhooks


def test_a_long_value_is_cut() -> None:
    event = PeerJoined(peer_name="x" * 9000, party_name="LAN")
    [step] = steps(event, {"where": {"peer_name": "Ann"}})
    assert len(step.mismatch) < 200


def test_a_webhook_belongs_to_the_first_route_that_names_it() -> None:
    first, second, third = steps(
        EVENTS[0], {"webhook": "main", "silent": True}, {"stop": True}, {"webhook": "games"}
    )
    assert first.webhooks == ("main",)
    assert first.presentation.silent
    assert (second.webhooks, second.earlier) == (("games",), ("main",))
    assert third.mismatch == "not reached, since routes.1 has 'stop'"


def test_without_routes_every_webhook_posts_every_event() -> None:
    [step] = steps(EVENTS[0])
    assert step.number == -1
    assert step.webhooks == WEBHOOKS
