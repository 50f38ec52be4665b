"""The faces of the built-in notifications, each as its template makes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)
from lanrage_events.events import EventRegistry
from lanrage_events.templates import builtin_sets
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


def renderer(*types: type[Event], invite: str | None = None, language: str = "en") -> Renderer:
    def fail(problem: object) -> None:
        raise AssertionError(problem)

    sets = builtin_sets()
    folders = [sets[language], sets["en"]]
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


def joined(**more: Any) -> PeerJoined:
    return PeerJoined(peer_name="Ann", party_name="Friday LAN", **more)


def left(**more: Any) -> PeerLeft:
    return PeerLeft(peer_name="Ann", party_name="Friday LAN", **more)


def stopped(reason: Any, name: str = "Friday LAN") -> ServerStopped:
    return ServerStopped(server_name=name, game_name="Minecraft", reason=reason)


def over(
    peak: int, visitors: int, players: tuple[str, ...] = (), games: tuple[str, ...] = ()
) -> PartyEnded:
    return PartyEnded(
        party_name="Friday LAN",
        since=TIME,
        duration=19_620,
        peak=peak,
        visitors=visitors,
        players=players,
        games=games,
    )


WELCOME, WILLKOMMEN = "Welcome to **Friday LAN**!", "Willkommen bei **Friday LAN**!"
RECAP = """\
**Duration**: 5h 27m
**Players**: 14, at most 9 at once
**Games**: Quake, Factorio
**Longest here**: Ann, Bob"""
RECAP_DE = """\
**Dauer**: 5 h 27 min
**Dabei waren**: 14, höchstens 9 gleichzeitig
**Spiele**: Quake, Factorio
**Am längsten da**: Ann, Bob"""
STARTED = ServerStarted(server_name="Friday LAN", game_name="Minecraft")
NIGHT = over(9, 14, players=("Ann", "Bob"), games=("Quake", "Factorio"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "english", "german"),
    [
        (joined(count=4), f"{WELCOME}\n**Here now**: 4", f"{WILLKOMMEN}\n**Jetzt da**: 4"),
        (
            joined(count=1, first_time=True),
            f"{WELCOME} 🎉 First time here!\n**Here now**: 1",
            f"{WILLKOMMEN} 🎉 Zum ersten Mal dabei!\n**Jetzt da**: 1",
        ),
        (joined(first_time=False), WELCOME, WILLKOMMEN),
        # How many are still there would be wrong when it is posted: others may be back by then.
        (
            left(duration=7_800.0, count=3),
            "Left **Friday LAN** after 2h 10m",
            "Hat **Friday LAN** nach 2 h 10 min verlassen",
        ),
        (left(count=0), "Left **Friday LAN**", "Hat **Friday LAN** verlassen"),
        (
            left(duration=0.0),
            "Left **Friday LAN** after 0s",
            "Hat **Friday LAN** nach 0 s verlassen",
        ),
        (STARTED, "**Game**: Minecraft", "**Spiel**: Minecraft"),
        (stopped("stopped"), "**Game**: Minecraft", "**Spiel**: Minecraft"),
        # Its name says it already.
        (stopped("stopped", "Minecraft"), "", ""),
        (
            NIGHT,
            RECAP,
            RECAP_DE,
        ),
        (
            over(1, 1),
            "**Duration**: 5h 27m\n**Players**: 1",
            "**Dauer**: 5 h 27 min\n**Dabei waren**: 1",
        ),
    ],
)
def test_what_is_known_of_a_party_is_said_in_each_language(
    event: Event, english: str, german: str
) -> None:
    found = [renderer(language=one).render(event).embed.description for one in ("en", "de")]

    assert [text.replace("\n\n", "\n") for text in found] == [english, german]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "english", "german", "color"),
    [
        (STARTED, "🟢 Server Started: Friday LAN", "🟢 Server gestartet: Friday LAN", 0x4CAF50),
        (
            stopped("stopped"),
            "🔴 Server Stopped: Friday LAN",
            "🔴 Server gestoppt: Friday LAN",
            0x607D8B,
        ),
        (
            stopped("unknown"),
            "🔴 Server Stopped: Friday LAN",
            "🔴 Server gestoppt: Friday LAN",
            0x607D8B,
        ),
        (
            stopped("restarted"),
            "🔄 Server Restarted: Friday LAN",
            "🔄 Server neu gestartet: Friday LAN",
            0x607D8B,
        ),
        (
            stopped("crashed"),
            "💥 Server Crashed: Friday LAN",
            "💥 Server abgestürzt: Friday LAN",
            0xF44336,
        ),
        (NIGHT, "🌙 Party Over: Friday LAN", "🌙 Party vorbei: Friday LAN", 0x9C27B0),
    ],
)
def test_the_title_says_what_became_of_a_server_or_a_party(
    event: Event, english: str, german: str, color: int
) -> None:
    embeds = [renderer(language=language).render(event).embed for language in ("en", "de")]

    assert [embed.title for embed in embeds] == [english, german]
    assert {embed.color for embed in embeds} == {color}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (
            "en",
            [
                "👋 **2 joined** Friday LAN: Ann, Ann 🎉",
                "👋 **2 left** Friday LAN: Ann, Ann (2h 10m)",
                "🟢 **Server Started** × 1: Friday LAN (Minecraft)",
                "🔴 **Server Stopped** × 3: Friday LAN (crashed), Friday LAN (restarted), Minecraft",
                "🌙 **Party Over** × 2: Friday LAN (5h 27m, 14 players), Friday LAN (5h 27m, 1 player)",
            ],
        ),
        (
            "de",
            [
                "👋 **2 neu bei** Friday LAN: Ann, Ann 🎉",
                "👋 **2 raus** aus Friday LAN: Ann, Ann (2 h 10 min)",
                "🟢 **Server gestartet** × 1: Friday LAN (Minecraft)",
                "🔴 **Server gestoppt** × 3: Friday LAN (abgestürzt), Friday LAN (neu gestartet), Minecraft",
                "🌙 **Party vorbei** × 2: Friday LAN (5 h 27 min, 14 dabei), Friday LAN (5 h 27 min, 1 dabei)",
            ],
        ),
    ],
)
def test_a_digest_says_what_is_known_of_a_party(language: str, lines: list[str]) -> None:
    events = [
        *(joined(count=3), joined(first_time=True)),
        *(left(count=3), left(duration=7_800.0)),
        STARTED,
        *(stopped("crashed"), stopped("restarted"), stopped("stopped", "Minecraft")),
        *(NIGHT, over(1, 1)),
    ]
    made = renderer(language=language)

    [message] = compose([made.render(event) for event in events], wording=made.wording)

    assert message.embeds[0].description.splitlines() == lines


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
        "party_card.yaml",
        "party_recap.yaml",
        "plain_card.yaml",
    }
