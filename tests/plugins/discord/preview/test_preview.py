from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from lanrage_events import Event, EventRegistry
from lanrage_events_discord._preview import Look, preview, sample_event
from lanrage_events_discord._preview.preview import GOOD, MISUSE, TEMPLATE_HAS_FAULTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    row: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundEnded(Event):
    map_name: str
    round: Annotated[int, Field(ge=100, le=200)]
    score: Annotated[float, Field(gt=0, lt=1)]
    mode: Literal["ranked", "fun"]
    is_final: bool
    began: datetime
    players: tuple[str, ...]
    points: dict[str, int]
    seat: Seat
    pair: tuple[int, str]
    seats: list[Seat] | None = None
    kind: Literal["final"]
    label: str = "round"
    version: Literal[2] = 2
    tag: Annotated[str, Field(examples=["eu1"])]
    extra: object = field(default=None)


class Result:
    def __init__(self, *args: str, **options: object) -> None:
        out, err = io.StringIO(), io.StringIO()
        look = Look(columns=60, timezone=UTC)
        self.code = preview(args[0], args[1:], out=out, err=err, look=look, **options)  # type: ignore[arg-type]
        self.out = out.getvalue()
        self.err = err.getvalue()


def test_a_type_is_shown_with_sample_data_and_its_limits() -> None:
    result = Result("peer_joined")

    assert result.code == GOOD
    assert result.err == ""
    assert "▌ 👋 Ben joined\n▌ Welcome to Friday LAN!\n" in result.out
    assert "12/256\n" in result.out
    assert "26/4096\n" in result.out
    assert "45/6000\n" in result.out


@pytest.mark.parametrize("cls", EventRegistry().types())
def test_every_built_in_type_has_sample_data(cls: type[Event]) -> None:
    result = Result(cls.type)

    assert result.code == GOOD
    assert result.err == ""


def test_given_values_replace_the_sample() -> None:
    result = Result("game_ended", "duration=90", "avg_latency=", "game_name=A = **B**")

    assert "▌ 🏁 Game Ended: A = **B**\n" in result.out
    assert "▌ Duration: 1m 30s\n▌ Avg Latency: N/A\n" in result.out


def test_a_list_is_written_with_commas_or_as_json() -> None:
    assert "Players: a, b\n" in Result("game_started", "players=a, b,").out
    assert "Players: a,b, c\n" in Result("game_started", 'players=["a,b", "c"]').out


def test_a_colour_is_written_as_in_a_template() -> None:
    result = Result("notification", "color=#0000ff", as_json=True)

    assert json.loads(result.out)["embeds"][0]["color"] == 255
    assert "valid integer" in Result("notification", "color=grene").err


def test_the_body_of_the_message_is_shown_as_json() -> None:
    result = Result("peer_left", "time=2026-01-31T20:15:00Z", as_json=True)

    assert json.loads(result.out) == {
        "embeds": [
            {
                "title": "👋 Ben left",
                "description": "Left **Friday LAN**",
                "color": 0xFF9800,
                "timestamp": "2026-01-31T20:15:00+00:00",
                "footer": {"text": "LANrage"},
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def test_the_invite_is_shown_if_one_is_given() -> None:
    assert "Join Voice Chat" not in Result("party_created").out
    result = Result("party_created", invite_url="https://discord.gg/abc123")
    assert "▌ Join Voice Chat\n" in result.out


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (["peer_joind"], {}, "did you mean 'peer_joined'?"),
        (["peer_joined", "Ann"], {}, "expected name=value, such as peer_name=Ann, not 'Ann'"),
        (["peer_joined", "=Ann"], {}, "expected name=value"),
        (["peer_joined", "peer_nam=Ann"], {}, "did you mean 'peer_name'?"),
        (["game_ended", "duration=long"], {}, "game_ended: duration: "),
        (["peer_joined"], {"invite_url": "https://evil.example/x"}, "invite URL"),
    ],
)
def test_misuse_is_explained(args: list[str], options: dict[str, object], message: str) -> None:
    result = Result(*args, **options)

    assert result.code == MISUSE
    assert result.out == ""
    assert message in result.err
    assert result.err.count("\n") == 1


def test_the_users_templates_come_first_and_their_faults_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "peer_joined.yaml").write_text(
        "title: '{{ peer_name }} is here'\ndescription: '{{ oops }}'", encoding="utf-8"
    )

    folders = [files("lanrage_events_templates")]
    result = Result("peer_joined", templates=[tmp_path], folders=folders)

    assert result.code == TEMPLATE_HAS_FAULTS
    assert "▌ Ben is here\n▌ Welcome to Friday LAN!\n" in result.out
    assert result.err == (
        f"template {folder / 'peer_joined.yaml'}:2: description: 'oops' is undefined\n"
    )


def test_a_template_that_is_never_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "peer_joined.yaml").write_text("title: x", encoding="utf-8")

    result = Result("peer_joined", templates=[tmp_path, tmp_path / "gone"])

    assert result.code == TEMPLATE_HAS_FAULTS
    assert "move it into a folder 'discord'" in result.err
    assert "there is no such folder" in result.err


def test_a_type_of_a_plugin_gets_sample_data_by_its_fields() -> None:
    registry = EventRegistry()
    registry.register(RoundEnded)

    sample = sample_event(registry, "round_ended", ["extra=x", 'seat={"row": "A", "number": 7}'])
    began = sample.pop("began")

    assert datetime.fromisoformat(began).tzinfo is not None
    assert sample == {
        "type": "round_ended",
        "map_name": "Map name",
        "round": 100,
        "score": 0.5,
        "mode": "ranked",
        "is_final": True,
        "players": ["Players 1", "Players 2"],
        "points": {},
        "seat": {"row": "A", "number": 7},
        "pair": [42, "Pair 2"],
        "seats": [{"row": "Row", "number": 42}, {"row": "Row", "number": 42}],
        "kind": "final",
        "label": "round",
        "version": 2,
        "tag": "eu1",
        "extra": "x",
    }
    result = Result("round_ended", "is_final=no", registry=registry)
    assert result.err == ""
    assert "Round Ended" in result.out
    assert "Is Final: no" in result.out


def test_a_recursive_field_ends_somewhere() -> None:
    sample = sample_event(_registry_with_tree(), "tree_grown", [])

    depth = 0
    node = sample["root"]
    while node is not None:
        node = node["child"]
        depth += 1

    assert depth < 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    child: Node | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeGrown(Event):
    root: Node


def _registry_with_tree() -> EventRegistry:
    registry = EventRegistry()
    registry.register(TreeGrown)
    return registry
