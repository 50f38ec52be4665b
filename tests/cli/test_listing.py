from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import Literal

import jsonschema
import pytest

from lanrage_events import Event, PeerJoined
from lanrage_events._cli.listing import (
    event_lines,
    event_schema,
    plugin_data,
    plugin_table,
)
from lanrage_events._discovery import Catalog, PluginInfo
from lanrage_events.config._build import installed_bus
from lanrage_events.events import EventRegistry


@dataclass(frozen=True, slots=True)
class Place:
    x: float
    y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class MapChanged(Event):
    """A server changed its map.

    More about it.
    """

    map_name: str
    mode: Literal["duel", "team"]
    fast: bool = False
    start: Place | None = None
    began: datetime | None = None
    spots: list[Place] = field(default_factory=list)
    anything: object = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Undocumented(Event):
    start: Place


@pytest.fixture
def registry() -> EventRegistry:
    registry = EventRegistry()
    registry.register(MapChanged)
    registry.register(Undocumented)
    return registry


def test_the_built_in_event_types_are_listed_with_their_fields() -> None:
    lines = list(event_lines(EventRegistry()))
    start = lines.index("game_ended  A game ended.")
    assert lines[start : start + 6] == [
        "game_ended  A game ended.",
        "  party_id     text, optional",
        "  game_name    text",
        "  duration     number",
        "  avg_latency  number, optional",
        "",
    ]
    assert "  players    list of text" in lines
    assert "  color    whole number, optional" in lines
    assert "an id (text) and a time" in lines[-1]


def test_fields_of_any_type_are_described(registry: EventRegistry) -> None:
    lines = list(event_lines(registry))
    start = lines.index("map_changed  A server changed its map.")
    assert lines[start + 1 : start + 8] == [
        "  map_name  text",
        "  mode      one of 'duel', 'team'",
        "  fast      true or false, optional",
        "  start     object, optional",
        "  began     time, optional",
        "  spots     list of object, optional",
        "  anything  any, optional",
    ]
    assert "undocumented" in lines


def test_the_schema_accepts_events_and_nothing_else(registry: EventRegistry) -> None:
    schema = event_schema(registry)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    good = [
        {"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN"},
        PeerJoined(peer_name="Ann", party_name="LAN").to_dict(),
        {
            "type": "map_changed",
            "map_name": "q3dm17",
            "mode": "duel",
            "start": {"x": 1, "y": 2},
            "spots": [{"x": 1, "y": 2}],
        },
        {"type": "undocumented", "start": {"x": 1, "y": 2}},
    ]
    bad = [
        {},
        {"type": "peer_jond", "peer_name": "Ann", "party_name": "LAN"},
        {"type": "peer_joined", "peer_name": "Ann"},
        {"type": "peer_joined", "peer_name": 3, "party_name": "LAN"},
        {"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN", "more": 1},
        {"type": "map_changed", "map_name": "q3dm17", "mode": "solo"},
        {"type": "map_changed", "map_name": "q3dm17", "mode": "duel", "spots": [{"x": "a"}]},
    ]
    assert [event for event in good if not validator.is_valid(event)] == []
    assert [event for event in bad if validator.is_valid(event)] == []


INFOS = [
    PluginInfo("log", "0.1.0", "lanrage-events", hooks=("event", "health"), description="Logs."),
    PluginInfo("motd", None, None, file=Path("plugins/motd.py"), hooks=()),
    PluginInfo("sick", "2", "sick-dist", status="broken", reason="ImportError: no\nway"),
    PluginInfo("", None, "odd-dist", status="broken", reason="unreadable"),
    PluginInfo("off", "1", "off-dist", hooks=(), status="excluded", reason="not named"),
]


def test_plugins_are_listed_in_a_table() -> None:
    assert [" ".join(line.split()) for line in plugin_table(INFOS)] == [
        "NAME VERSION DISTRIBUTION STATUS HOOKS",
        "log 0.1.0 lanrage-events ok event, health",
        f"motd - {Path('plugins/motd.py')} ok -",
        "sick 2 sick-dist broken ImportError: no\\nway",
        "- - odd-dist broken unreadable",
        "off 1 off-dist excluded not named",
    ]


def test_plugins_are_listed_for_programs() -> None:
    data = plugin_data(INFOS)
    assert data[0] == {
        "name": "log",
        "version": "0.1.0",
        "distribution": "lanrage-events",
        "file": None,
        "status": "ok",
        "reason": "",
        "hooks": ("event", "health"),
        "description": "Logs.",
    }
    assert data[1]["file"] == str(Path("plugins/motd.py"))


EVENT_PLUGIN = """
    from dataclasses import dataclass
    from lanrage_events import Event, hookimpl
    from lanrage_events.config import ConfigModel

    @dataclass(frozen=True, kw_only=True, slots=True)
    class {event}(Event):
        pass

    class {name}Config(ConfigModel):
        key: int {default}

    class Plugin:
        {config}

        {init}

        @hookimpl
        def register_events(self):
            return [{event}]
"""


def write_plugin(folder: Path, name: str, event: str, default: str | None) -> None:
    """Write a plugin; without a default it has no configuration at all."""
    has_config = default is not None
    source = dedent(EVENT_PLUGIN).format(
        event=event,
        name=name.title(),
        default=default or "",
        config=f"Config = {name.title()}Config" if has_config else "",
        init="def __init__(self, config): pass" if has_config else "",
    )
    (folder / f"{name}.py").write_text(source, encoding="utf-8")


def test_event_types_come_from_all_plugins_that_need_no_configuration(tmp_path: Path) -> None:
    write_plugin(tmp_path, "free", "FreeHappened", None)
    write_plugin(tmp_path, "lenient", "LenientHappened", "= 3")
    write_plugin(tmp_path, "strict", "StrictHappened", "")
    (tmp_path / "broken.py").write_text("1 / 0", encoding="utf-8")
    (tmp_path / "quiet.py").write_text("", encoding="utf-8")
    catalog = Catalog(()).with_folder(tmp_path)

    bus, problems = installed_bus(catalog, ("register_events",))

    own = [cls.type for cls in bus.events.types()][-2:]
    assert own == ["free_happened", "lenient_happened"]
    broken, strict = problems
    assert broken.startswith("plugin 'broken': cannot be imported")
    assert strict == (
        "plugin 'strict': its event types are not known without a configuration: name the file"
    )
