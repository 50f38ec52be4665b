"""The faces of the built-in notifications, each as its template makes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

import pytest

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PartyEvent,
    PeerJoined,
    PeerLeft,
)
from lanrage_events.events import EventRegistry
from lanrage_events_discord._rendering import COUNT, Entry, Renderer, compose

TIME = datetime(2026, 1, 31, 20, 15, 30, tzinfo=UTC)
INVITE = "https://discord.gg/abc123"


@dataclass(frozen=True, kw_only=True, slots=True)
class MapChanged(Event):
    map_name: str
    round: int | None = None
    is_ranked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatTaken(PartyEvent):
    seat: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DoorsOpened(Event):
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class VeteranJoined(PeerJoined):
    games: int = 0


def renderer(*types: type[Event], invite: str | None = None) -> Renderer:
    def fail(problem: object) -> None:
        raise AssertionError(problem)

    folders = [files("lanrage_events_templates")]
    renderer = Renderer(folders, invite_url=lambda: invite, report=fail)
    renderer.check([*EventRegistry().types(), *types])
    return renderer


def render(event: Event, invite: str | None = None) -> Entry:
    return renderer(type(event), invite=invite).render(event)


PARTY = PartyCreated(time=TIME, party_id="lan-42", party_name="Friday LAN", host="Ann")
JOIN = PeerJoined(time=TIME, peer_name="Ann", party_name="Friday LAN")
LEAVE = PeerLeft(time=TIME, peer_name="Ann", party_name="Friday LAN")
START = GameStarted(time=TIME, game_name="Quake", players=("Ann", "Bob", "Cy"))
END = GameEnded(time=TIME, game_name="Quake", duration=3661, avg_latency=23.4)
NOTE = Notification(time=TIME, title="Pizza", message="Come!\nNow!")


def ended(duration: float, avg_latency: float | None) -> GameEnded:
    return GameEnded(time=TIME, game_name="Quake", duration=duration, avg_latency=avg_latency)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "invite", "title", "description", "color"),
    [
        (
            PARTY,
            None,
            "🎮 Party Created: Friday LAN",
            "**Host**: Ann\n**Party ID**: `lan-42`",
            0x4CAF50,
        ),
        (
            PARTY,
            INVITE,
            "🎮 Party Created: Friday LAN",
            f"**Host**: Ann\n**Party ID**: `lan-42`\n\n[Join Voice Chat]({INVITE})",
            0x4CAF50,
        ),
        (JOIN, INVITE, "👋 Ann joined", "Welcome to **Friday LAN**!", 0x2196F3),
        (LEAVE, INVITE, "👋 Ann left", "Left **Friday LAN**", 0xFF9800),
        (START, INVITE, "🎮 Game Started: Quake", "**Players**: Ann, Bob, Cy", 0x9C27B0),
        (
            END,
            INVITE,
            "🏁 Game Ended: Quake",
            "**Duration**: 1h 1m\n**Avg Latency**: 23ms",
            0x607D8B,
        ),
        (
            ended(90, 0),
            None,
            "🏁 Game Ended: Quake",
            "**Duration**: 1m 30s\n**Avg Latency**: 0ms",
            0x607D8B,
        ),
        (
            ended(30, None),
            None,
            "🏁 Game Ended: Quake",
            "**Duration**: 30s",
            0x607D8B,
        ),
        (NOTE, INVITE, "Pizza", "Come!\nNow!", 0x667EEA),
        (
            Notification(time=TIME, title="x", message="y", color=0x123456),
            None,
            "x",
            "y",
            0x123456,
        ),
        (Notification(time=TIME, title="x", message="y", color=0), None, "x", "y", 0),
    ],
)
def test_built_in_events_have_these_faces(
    event: Event, invite: str | None, title: str, description: str, color: int
) -> None:
    entry = render(event, invite)

    assert entry.embed.to_dict() == {
        "title": title,
        "description": description,
        "color": color,
        "timestamp": "2026-01-31T20:15:30+00:00",
        "footer": {"text": "LANrage"},
    }
    assert (entry.event_id, entry.type, entry.time) == (event.id, event.type, TIME)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "title", "description", "color"),
    [
        (
            MapChanged(time=TIME, map_name="de_dust2", round=3),
            "Map Changed",
            "**Map Name**: de\\_dust2\n**Round**: 3\n**Is Ranked**: no",
            0x5865F2,
        ),
        (
            SeatTaken(time=TIME, party_id="lan-42", seat="B7"),
            "Seat Taken",
            "**Seat**: B7",
            0x009688,
        ),
        (DoorsOpened(time=TIME), "Doors Opened", None, 0x5865F2),
        (
            VeteranJoined(time=TIME, peer_name="Ann", party_name="Friday LAN"),
            "👋 Ann joined",
            "Welcome to **Friday LAN**!",
            0x2196F3,
        ),
    ],
)
def test_events_of_plugins_have_a_decent_face_without_a_template(
    event: Event, title: str, description: str | None, color: int
) -> None:
    embed = render(event).embed.to_dict()

    assert embed.pop("description", None) == description
    assert embed == {
        "title": title,
        "color": color,
        "timestamp": "2026-01-31T20:15:30+00:00",
        "footer": {"text": "LANrage"},
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "heading", "item"),
    [
        (
            PARTY,
            f"🎮 **Party Created** × {COUNT}",
            f"Friday LAN (Ann, [Join Voice Chat]({INVITE}))",
        ),
        (JOIN, f"👋 **{COUNT} joined** Friday LAN", "Ann"),
        (LEAVE, f"👋 **{COUNT} left** Friday LAN", "Ann"),
        (START, f"🎮 **Game Started** × {COUNT}", "Quake (Ann, Bob, Cy)"),
        (END, f"🏁 **Game Ended** × {COUNT}", "Quake (1h 1m)"),
        (NOTE, "📢 **Pizza**", "Come! / Now!"),
        (
            MapChanged(map_name="de_dust2", round=3),
            f"📌 **Map Changed** × {COUNT}",
            "de\\_dust2 · 3 · no",
        ),
        (SeatTaken(party_id="lan-42", seat="B7"), f"📌 **Seat Taken** × {COUNT}", "B7"),
        (DoorsOpened(), f"📌 **Doors Opened** × {COUNT}", ""),
    ],
)
def test_in_a_digest_each_event_is_an_item_under_a_heading(
    event: Event, heading: str, item: str
) -> None:
    digest = render(event, INVITE).digest

    assert (digest.heading, digest.item) == (heading, item)


@pytest.mark.slow
def test_a_digest_of_an_evening_reads_well() -> None:
    events = [
        *(PeerJoined(peer_name=name, party_name="Friday LAN") for name in ("Ann", "Bob", "Cy")),
        PeerJoined(peer_name="Dee", party_name="Other LAN"),
        START,
        NOTE,
        DoorsOpened(),
        DoorsOpened(),
    ]

    [message] = compose([render(event) for event in events], wording=renderer().wording)

    assert message.embeds[0].title == "📋 8 events"
    assert message.embeds[0].description.splitlines() == [
        "👋 **3 joined** Friday LAN: Ann, Bob, Cy",
        "👋 **1 joined** Other LAN: Dee",
        "🎮 **Game Started** × 1: Quake (Ann, Bob, Cy)",
        "📢 **Pizza**: Come! / Now!",
        "📌 **Doors Opened** × 2",
    ]


def test_every_built_in_type_has_a_template_of_its_own() -> None:
    folder = files("lanrage_events_templates") / "discord"

    assert {entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml")} == {
        "event.yaml",
        "party_event.yaml",
        "party_created.yaml",
        "peer_joined.yaml",
        "peer_left.yaml",
        "game_started.yaml",
        "game_ended.yaml",
        "server_started.yaml",
        "server_stopped.yaml",
        "party_ended.yaml",
        "notification.yaml",
        "digest.yaml",
        "webhook_test.yaml",
        "alert.yaml",
    }
