from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lanrage_events import Event, GameStarted, Notification, PartyCreated, PeerJoined, PeerLeft
from lanrage_events.config import Where
from lanrage_events_discord import DiscordConfig
from lanrage_events_discord._config import RouteConfig, WebhookConfig
from lanrage_events_discord._routing import Router

URL = "https://discord.com/api/webhooks/1234/made-up-token"
WEBHOOKS = ("main", "games")


def joined(party: str = "Friday LAN") -> PeerJoined:
    return PeerJoined(peer_name="Ann", party_name=party)


def destinations(router: Router, event: Event) -> list[str]:
    return list(router.route(event))


def router(*routes: dict[str, Any], **kwargs: Any) -> Router:
    return Router([RouteConfig.model_validate(route) for route in routes], WEBHOOKS, **kwargs)


def test_without_routes_every_webhook_posts_every_event() -> None:
    assert destinations(router(), joined()) == ["main", "games"]


def test_route_names_types_and_base_types() -> None:
    routes = router(
        {"events": "party_event", "webhook": "main"},
        {"events": ["game_started"], "webhook": "games"},
    )
    assert destinations(routes, joined()) == ["main"]
    assert destinations(routes, GameStarted(game_name="Quake", players=("Ann",))) == [
        "main",
        "games",
    ]
    assert destinations(routes, Notification(title="a", message="b")) == []


def test_stop_keeps_events_from_the_routes_below() -> None:
    routes = router({"events": "peer_joined", "webhook": "games", "stop": True}, {})
    assert destinations(routes, joined()) == ["games"]
    assert destinations(routes, PeerLeft(peer_name="Ann", party_name="LAN")) == ["main", "games"]


def test_route_to_no_webhook_mutes() -> None:
    routes = router({"events": "peer_joined", "webhook": [], "stop": True}, {"webhook": "main"})
    assert destinations(routes, joined()) == []
    assert destinations(routes, Notification(title="a", message="b")) == ["main"]


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ({"party_name": "Friday LAN"}, True),
        ({"party_name": "Monday LAN"}, False),
        ({"party_name": ["Monday LAN", "Friday LAN"]}, True),
        ({"party_name": []}, False),
        ({"party_name": "Friday LAN", "peer_name": "Bob"}, False),
        ({"no_such_field": "x"}, False),
        ({"party_id": 5}, False),
    ],
)
def test_where_compares_fields(where: dict[str, Any], matches: bool) -> None:
    assert bool(router({"where": where}).route(joined())) is matches


def test_where_takes_one_of_many_and_numbers_that_are_names() -> None:
    game = GameStarted(game_name="2026", players=("Ann", "Bob"))
    assert router({"where": {"players": "Bob"}}).route(game)
    assert router({"where": {"players": ["Cy", "Bob"]}}).route(game)
    assert router({"where": {"game_name": 2026}}).route(game)
    assert not router({"where": {"game_name": True}}).route(game)


def test_first_route_that_names_a_webhook_says_how_it_posts() -> None:
    routes = router(
        {"events": "peer_joined", "webhook": "main", "silent": True},
        {"webhook": ["main", "games"], "mention": {"roles": ["123"]}, "immediate": True},
    )
    found = routes.route(joined())
    main, games = found["main"], found["games"]
    assert (main.silent, main.roles) == (True, ())
    assert (games.silent, games.roles) == (False, ("123",))
    assert games.immediate


def test_a_pattern_selects_types_by_their_names() -> None:
    routes = router({"events": "peer_*", "webhook": "main"}, max_age={"peer_*": 60, "event": 5})
    assert destinations(routes, joined()) == ["main"]
    assert destinations(routes, GameStarted(game_name="Quake", players=())) == []
    event = joined()
    assert routes.expires(event) == event.time + timedelta(seconds=60)


def test_max_age_is_that_of_the_most_specific_type() -> None:
    routes = router(max_age={"event": 600.0, "peer_joined": 60.0})
    event, created = joined(), PartyCreated(party_id="1", party_name="LAN", host="Ann")
    assert routes.expires(event) == event.time + timedelta(seconds=60)
    assert routes.expires(created) == created.time + timedelta(seconds=600)
    assert router().expires(event) is None


def test_subclasses_of_third_parties_are_matched_by_their_base_type() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class PeerKicked(PeerLeft):
        by: str

    event = PeerKicked(peer_name="Ann", party_name="LAN", by="Bob")
    assert destinations(router({"events": "peer_left", "webhook": "main"}), event) == ["main"]


# Configuration


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"webhook_url": "https://example.org/x"}, "discord"),
        ({"webhook_url": URL, "routes": [{"webhook": "man"}]}, "no webhook is named 'man', known"),
        ({"routes": [{"webhook": "main"}]}, "known: default"),
        (
            {"webhook_url": URL, "webhooks": {"default": {"url": URL}}},
            "at most one of webhook_url and webhooks.default",
        ),
        (
            {"webhooks": {"main": {"url": URL, "thread_id": "1", "thread_name": "LAN"}}},
            "at most one of thread_id and thread_name",
        ),
        (
            {"webhooks": {"main": {"url": URL, "username": "Discord Bot"}}},
            "does not allow 'discord'",
        ),
        (
            {"webhooks": {"main": {"url": URL, "username": "🎮" * 41}}},
            "expected at most 80 characters, found 82: an emoji may count as two",
        ),
        (
            {"webhooks": {"main": {"url": URL, "thread_name": "🎮" * 51}}},
            "expected at most 100 characters, found 102",
        ),
        ({"webhooks": {"main": {"url": URL, "avatar_url": "a.png"}}}, "address of a picture"),
        ({"webhooks": {"main": {"url": "https://discord.com/api/webhooks/1"}}}, "token"),
        (
            {"webhooks": {"main": {"url": "https://evil.example/api/webhooks/1/abcdefg"}}},
            "webhooks.main.url",
        ),
        ({"webhook_url": URL, "routes": [{"mention": {"roles": ["admins"]}}]}, "expected an id"),
        ({"invite_url": "https://example.org"}, "invite"),
    ],
)
def test_wrong_configuration_is_rejected(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DiscordConfig.model_validate(config)

    assert message in str(caught.value)
    assert "made-up-token" not in str(caught.value)
    assert "abcdefg" not in str(caught.value)


def test_blank_settings_of_a_webhook_are_none() -> None:
    keys = ("thread_id", "thread_name", "username", "avatar_url")
    for blank in ("", "  "):
        webhook = WebhookConfig.model_validate({"url": URL, **dict.fromkeys(keys, blank)})
        assert [getattr(webhook, key) for key in keys] == [None] * 4
        assert not list(webhook.warnings())


@pytest.mark.parametrize(
    ("webhook", "path", "message"),
    [
        ({"username": " Here "}, "username", "does not allow the name 'Here'"),
        ({"username": "everyone"}, "username", "does not allow the name 'everyone'"),
        ({"avatar_url": "http://lanserver/a.png"}, "avatar_url", "has no dot"),
        ({"avatar_url": "http://192.168.1.2/a.png"}, "avatar_url", "cannot load this picture"),
    ],
)
def test_a_setting_that_discord_rejects_has_no_effect_and_is_a_warning(
    webhook: dict[str, str], path: str, message: str
) -> None:
    config = DiscordConfig.model_validate({"webhooks": {"main": {"url": URL, **webhook}}})
    [(where, problem)] = config.warnings()
    assert where == ("webhooks", "main", path)
    assert message in problem


def test_more_mentions_than_a_message_holds_are_a_warning() -> None:
    roles = [str(10**17 + number) for number in range(90)]
    for count in (87, 88):
        mention = {"roles": roles[:count]}
        config = DiscordConfig.model_validate(
            {"webhook_url": URL, "routes": [{"mention": mention}]}
        )
        problems = list(config.warnings())
        assert len(problems) == count - 87

    assert problems[0][0] == ("routes", 0, "mention")
    assert "room for 87 of these 88 mentions" in problems[0][1]


def test_empty_values_are_none() -> None:
    config = DiscordConfig.model_validate({"webhook_url": " ", "invite_url": ""})
    assert config.webhook_url is None
    assert config.invite_url is None
    assert not config.all_webhooks()


def test_short_form_is_a_webhook_named_default() -> None:
    config = DiscordConfig.model_validate({"webhook_url": URL, "webhooks": {"games": {"url": URL}}})
    assert list(config.all_webhooks()) == ["default", "games"]
    assert "made-up-token" not in repr(config)
    assert config.address(config.all_webhooks()["default"]).id == "1234"


_VALUES = st.sampled_from([0, 1, 2.5, True, False, "1", "True", "LAN", "L*", "*6", "2026", 2026])
_WHERE = st.dictionaries(
    st.sampled_from(["party_name", "party_id", "players", "game_name", "unknown"]),
    st.one_of(
        _VALUES, st.lists(_VALUES, max_size=3), st.builds(lambda value: {"not": value}, _VALUES)
    ),
    max_size=2,
)


@pytest.mark.slow
@given(
    wheres=st.lists(_WHERE, max_size=12),
    name=st.sampled_from(["1", "True", "LAN", "2026", "None"]),
    players=st.lists(st.sampled_from(["1", "LAN"]), max_size=2),
)
def test_routes_that_are_left_out_by_their_values_would_not_match(
    wheres: list[dict[str, Any]], name: str, players: list[str]
) -> None:
    routes = [RouteConfig(where=Where(where), webhook=(str(i),)) for i, where in enumerate(wheres)]
    found = Router(routes or [RouteConfig(webhook=())], [])
    for event in (joined(name), GameStarted(game_name=name, players=tuple(players))):
        wanted = [str(i) for i, route in enumerate(routes) if route.where.matches(event)]
        assert destinations(found, event) == wanted


@pytest.mark.parametrize("wanted", ["LAN*", {"not": "Test"}])
def test_a_route_with_wildcards_looks_at_each_event(wanted: object) -> None:
    router = Router([RouteConfig(where=Where({"party_name": wanted}), webhook=("a",))], ["a"])
    assert [destinations(router, joined(name)) for name in ("LAN 1", "Test", "LAN 2")] == [
        ["a"],
        [],
        ["a"],
    ]
