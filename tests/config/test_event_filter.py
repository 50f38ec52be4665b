"""The settings that choose events."""

from __future__ import annotations

from typing import Any

from lanrage_events import GameEnded, PeerJoined
from lanrage_events.config import ConfigModel, EventFilter, Names, SecretStr, secrets_of
from lanrage_events.events import EventRegistry

ANN = PeerJoined(peer_name="Ann", party_name="x")


class Route(EventFilter):
    targets: Names = ()
    token: SecretStr | None = None


def problems(**settings: Any) -> list[tuple[tuple[str | int, ...], bool]]:
    found = Route.model_validate(settings).problems(EventRegistry())
    return [(problem.path, problem.warning) for problem in found]


def test_an_event_must_have_the_type_and_the_values() -> None:
    route = Route.model_validate({"events": "peer_*", "where": {"peer_name": "A*"}})

    assert route.matches(ANN)
    assert not route.matches(PeerJoined(peer_name="Bob", party_name="x"))
    assert not route.matches(GameEnded(game_name="A", duration=1.0))
    assert Route().matches(ANN)


def test_what_is_wrong_is_named_with_its_path() -> None:
    assert problems(events=["peer_joind"]) == [(("events", 0), False)]
    assert problems(events="peer_joined", where={"peer_nme": "x"}) == [
        (("where", "peer_nme"), True)
    ]
    assert problems(events="peer_joined", where={"peer_name": "x"}) == []


def test_an_unknown_type_is_not_also_a_field_that_no_type_has() -> None:
    assert problems(events=["peer_joind"], where={"peer_name": "x"}) == [(("events", 0), False)]


def test_a_name_may_be_written_without_a_list() -> None:
    assert Route.model_validate({"targets": "a"}).targets == ("a",)
    assert Route.model_validate({"targets": ["a", "b"]}).targets == ("a", "b")


def test_the_secrets_of_a_configuration_are_found_wherever_they_are() -> None:
    class Whole(ConfigModel):
        routes: tuple[Route, ...]
        keys: dict[str, SecretStr]

    whole = Whole(routes=(Route(token=SecretStr("abc")), Route()), keys={"a": SecretStr("def")})

    assert [*secrets_of(whole)] == ["abc", "def"]
