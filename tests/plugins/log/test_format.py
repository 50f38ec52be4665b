from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events import Event, GameEnded, GameStarted, Notification, PeerJoined
from lanrage_events_log import LogConfig, LogPlugin

TIME = datetime(2026, 3, 6, 19, 30, 0, 123456, tzinfo=UTC)
HOSTILE = "a\nb\rc\x1b[2Jd\x9b2Je\u2028f\u202eg\x7fh\x00i\u200bj\ud800"


async def line_of(folder: Path, event: Event, **options: Any) -> str:
    path = folder / "events.log"
    path.unlink(missing_ok=True)
    await LogPlugin(LogConfig(path=path, **options)).event(event)
    return path.read_bytes().decode()


def harmful(text: str) -> set[str]:
    categories = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {c for c in text if unicodedata.category(c) in categories} - {"\u200c", "\u200d"}


async def test_a_json_line_is_the_json_form_of_the_event(tmp_path: Path) -> None:
    event = PeerJoined(peer_name="Zoë 🎮", party_name="Friday LAN")

    line = await line_of(tmp_path, event)

    assert line == event.to_json() + "\n"
    assert "Zoë 🎮" in line


async def test_a_text_line_has_time_type_and_the_fields_with_the_id_last(tmp_path: Path) -> None:
    event = PeerJoined(id="e-1", time=TIME, peer_name="Ann", party_name="Friday LAN", party_id="7")

    line = await line_of(tmp_path, event, format="text")

    assert line == (
        "2026-03-06T19:30:00.123Z peer_joined"
        ' party_id=7 peer_name=Ann party_name="Friday LAN" id=e-1\n'
    )


async def test_a_text_line_leaves_out_fields_without_a_value(tmp_path: Path) -> None:
    event = GameEnded(id="e-1", time=TIME, game_name="Quake", duration=61.5)

    line = await line_of(tmp_path, event, format="text")

    assert line == "2026-03-06T19:30:00.123Z game_ended game_name=Quake duration=61.5 id=e-1\n"


async def test_a_text_line_has_the_time_in_utc(tmp_path: Path) -> None:
    local = TIME.astimezone(timezone(timedelta(hours=2)))

    line = await line_of(tmp_path, Notification(time=local, title="", message=""), format="text")

    assert line.startswith("2026-03-06T19:30:00.123Z ")


async def test_a_text_line_writes_lists_as_json(tmp_path: Path) -> None:
    event = GameStarted(game_name="Quake", players=("Ann", "B=b", 'C"c'))

    line = await line_of(tmp_path, event, format="text")

    assert ' players=["Ann", "B=b", "C\\"c"] ' in line


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Ann", "Ann"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        (r"back\slash", r'"back\\slash"'),
        ("line\nbreak", r'"line\nbreak"'),
        ("\x1b[31mred", r'"\u001b[31mred"'),
        ("\u202eevil", r'"\u202eevil"'),
        ("👩‍🚀", '"👩‍🚀"'),
        ("\U000e0041", r'"\udb40\udc41"'),
    ],
)
async def test_a_text_value_is_quoted_and_escaped_when_it_must_be(
    tmp_path: Path, value: str, written: str
) -> None:
    event = Notification(id="e-1", title=value, message="-")

    line = await line_of(tmp_path, event, format="text")

    assert f" title={written} message=- id=e-1\n" in line


@pytest.mark.parametrize("name", [HOSTILE, *HOSTILE])
@pytest.mark.parametrize("line_format", ["json", "text"])
async def test_a_hostile_name_neither_forges_a_line_nor_steers_the_terminal(
    tmp_path: Path, line_format: str, name: str
) -> None:
    event = Notification(title=name, message=name)

    line = await line_of(tmp_path, event, format=line_format)

    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert harmful(line[:-1]) == set()


# The folder is shared by the examples: each one writes its own file.
@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(title=st.text(), message=st.text(), event_id=st.text())
async def test_any_text_survives_a_json_line_and_stays_in_its_line(
    tmp_path: Path, title: str, message: str, event_id: str
) -> None:
    event = Notification(id=event_id, title=title, message=message)

    for line_format in ("json", "text"):
        line = await line_of(tmp_path, event, format=line_format)
        assert line.endswith("\n")
        assert harmful(line[:-1]) == set()
        if line_format == "json":
            assert json.loads(line) == event.to_dict()


async def test_an_event_of_a_third_party_is_written_with_its_fields(tmp_path: Path) -> None:
    event = ScoreReported(id="e-1", time=TIME, scores={"Ann": 3, "B b": 2})

    line = await line_of(tmp_path, event, format="text")

    assert line == ('2026-03-06T19:30:00.123Z score_reported scores={"Ann": 3, "B b": 2} id=e-1\n')


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreReported(Event):
    scores: dict[str, int]
