from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lanrage_events import Event, GameStarted, Notification, PartyCreated, PeerJoined, PeerLeft
from lanrage_events_log import LogConfig, LogPlugin

EVENTS: tuple[Event, ...] = (
    PartyCreated(party_id="7", party_name="Friday LAN", host="Ann"),
    PeerJoined(peer_name="Bob", party_name="Friday LAN"),
    PeerLeft(peer_name="Bob", party_name="Friday LAN"),
    GameStarted(game_name="Quake", players=("Ann",)),
    Notification(title="Pizza", message="is here"),
)
ALL = [event.type for event in EVENTS]


async def types_written(folder: Path, **options: Any) -> list[str]:
    path = folder / "events.log"
    plugin = LogPlugin(LogConfig(path=path, format="text", **options))
    for event in EVENTS:
        await plugin.event(event)

    return (
        [line.split()[1] for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ALL),
        ({"include": ["peer_joined"]}, ["peer_joined"]),
        ({"include": ["party_event"]}, ALL[:-1]),
        ({"include": ["event"]}, ALL),
        ({"include": ["peer_*"]}, ["peer_joined", "peer_left"]),
        ({"exclude": ["peer_joined", "notification"]}, ["party_created", "peer_left", "game_started"]),
        ({"exclude": ["party_event"]}, ["notification"]),
        ({"exclude": ["*"]}, []),
        ({"include": ["party_event"], "exclude": ["peer_*"]}, ["party_created", "game_started"]),
        ({"level": "warning"}, []),
        ({"level": "debug"}, ALL),
        ({"levels": {"peer_left": "debug"}}, [name for name in ALL if name != "peer_left"]),
        ({"levels": {"notification": "error"}, "level": "warning"}, ["notification"]),
        ({"levels": {"party_event": "debug", "peer_left": "info"}}, ["peer_left", "notification"]),
        ({"levels": {"event": "error", "peer_left": "info"}, "level": "error"},
         [name for name in ALL if name != "peer_left"]),
        ({"levels": {"peer_*": "debug", "party_event": "info"}},
         ["party_created", "game_started", "notification"]),
        ({"levels": {"peer_left": "debug"}, "include": ["peer_left"]}, []),
    ],
)  # fmt: skip
async def test_events_are_chosen_by_type_base_type_pattern_and_level(
    tmp_path: Path, options: dict[str, Any], expected: list[str]
) -> None:
    assert await types_written(tmp_path, **options) == expected


async def test_a_pattern_does_not_match_the_base_of_a_type(tmp_path: Path) -> None:
    assert await types_written(tmp_path, exclude=["party_*"]) == [
        "peer_joined",
        "peer_left",
        "game_started",
        "notification",
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"level": "loud"},
        {"levels": {"peer_joined": "loud"}},
        {"format": "xml"},
        {"includes": ["peer_joined"]},
    ],
)
def test_a_wrong_option_is_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        LogConfig.model_validate(options)

    assert len(caught.value.errors()) == 1


def test_every_option_is_described_in_the_schema() -> None:
    properties = LogConfig.model_json_schema()["properties"]

    assert set(properties) == {"path", "format", "level", "levels", "include", "exclude"}
    assert all(value["description"] for value in properties.values())
