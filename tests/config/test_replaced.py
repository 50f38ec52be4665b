"""What was for an event in whose place a plugin publishes another one is found, wherever it stands."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from lanrage_events._daemon import check

SOURCE = """\
from lanrage_events import GameEnded, GameStarted, ServerStarted, ServerStopped, hookimpl


class Plugin:
    @hookimpl
    def replaced_events(self):
        server = {"server_name": "Basement", "game_name": "Quake"}
        yield GameStarted(game_name="Quake", players=()), ServerStarted(**server)
        yield GameEnded(game_name="Quake", duration=1.0), ServerStopped(**server)
"""
# Without hooks of events, and so are most plugins that publish.
OTHER_SOURCE = """\
from contextlib import asynccontextmanager
from lanrage_events import hookimpl
from lanrage_events.config import ConfigModel, EventTypes


class Config(ConfigModel):
    publish: EventTypes = EventTypes()


class Plugin:
    Config = Config

    def __init__(self, config):
        pass

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus):
        yield
"""
SINK = """\
from lanrage_events import hookimpl
from lanrage_events.config import ConfigModel, EventFilter, EventTypes


class Inner(ConfigModel):
    only: EventTypes = EventTypes()


class Config(ConfigModel):
    only: EventTypes = EventTypes()
    routes: tuple[EventFilter, ...] = ()
    colors: dict[str, str] = {}
    names: dict[str, Inner] = {}
    title: str = ""


class Plugin:
    Config = Config

    def __init__(self, config):
        pass

    @hookimpl
    def event(self, event):
        pass
"""
STARTED = (
    "the plugin 'source' now publishes server_started instead of game_started: write "
    "server_started, or both if something else publishes game_started"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    for name, text in (("source", SOURCE), ("other_source", OTHER_SOURCE), ("sink", SINK)):
        (plugins / f"{name}.py").write_text(text, encoding="utf-8")

    return tmp_path


def findings(sink: str, *, others: str = "source:", top: str = "") -> list[str]:
    """Return the warnings about a section, each with its line and column below it."""
    text = f"plugins_folder: plugins\n{top}\nplugins:\n  {others}\n  sink:\n"
    file = Path("lanrage.yaml")
    file.write_text(text + dedent(sink).replace("\n", "\n    ").join(("    ", "\n")), "utf-8")
    found = check(file).findings
    assert all(finding.is_warning for finding in found)
    return [finding.text for finding in found]


def places(sink: str, others: str = "source:", top: str = "") -> list[str]:
    return [text.split(": ")[1] for text in findings(sink, others=others, top=top)]


def test_a_setting_that_names_what_is_no_longer_published_is_a_warning_with_its_place() -> None:
    assert findings("only: [peer_joined, game_started]") == [
        f"lanrage.yaml:6:25: plugins.sink.only.1: {STARTED}"
    ]


@pytest.mark.parametrize(
    ("sink", "expected"),
    [
        ("only: game_started", ["only"]),
        ("only: [game_*]", ["only.0", "only.0"]),  # for both
        ("only: [game_ended]", ["only.0"]),
        ("routes: [{events: [game_started]}, {events: [peer_left]}]", ["routes.0.events.0"]),
        ("routes: [{events: game_started, where: {game_name: Qu*}}]", ["routes.0.events"]),
        ("routes: [{events: event, where: {type: game_started}}]", ["routes.0.where"]),
        ("colors: {game_started: red}", ["colors.game_started"]),
        ("colors: {'game_s*': red}", ["colors.game_s*"]),
        ("names: {Ann: {only: [game_started]}}", ["names.Ann.only.0"]),
    ],
)
def test_it_is_found_in_every_form(sink: str, expected: list[str]) -> None:
    assert places(sink) == [f"plugins.sink.{place}" for place in expected]


@pytest.mark.parametrize(
    "sink",
    [
        "only: [peer_joined]",
        "only: event",
        "only: ['*_started', '*_stopped']",
        "only: party_event",
        "only: [game_started, server_started]",
        "routes: [{events: game_started}, {events: server_started}]",
        "routes: [{events: game_started, where: {game_name: Pong}}]",
        "routes: [{events: game_started, where: {game_name: {not: Quake}}}]",
        "routes: [{events: party_event, where: {game_name: Quake}}]",
        "colors: {game_started: red, server_started: red}",
        "colors: {party_event: red}",
        "title: game_started",
    ],
)
def test_what_selects_the_new_event_or_neither_is_right(sink: str) -> None:
    assert places(sink) == []


def test_each_key_of_a_section_is_looked_at_on_its_own() -> None:
    sink = """\
        only: [game_started, server_started]
        colors: {game_started: red}"""
    assert places(sink) == ["plugins.sink.colors.game_started"]


def test_the_old_event_is_meant_if_no_plugin_has_replaced_it_or_another_may_publish_it() -> None:
    assert places("only: game_started", others="log: {path: events.jsonl}") == []
    assert places("only: game_started", others="source:\n  other_source:") == []
    # Two that have replaced it, each with a warning of its own.
    two = "source:\n  again: {use: source}"
    assert places("only: game_started", others=two) == 2 * ["plugins.sink.only"]


def test_what_selects_an_event_that_is_still_published_is_right(folder: Path) -> None:
    other = (
        SOURCE.replace("Quake", "Pong")
        .replace("ServerStarted(**server)", "GAME")
        .replace("GAME", 'GameStarted(game_name="Pong", players=())')
    )
    (folder / "plugins" / "pong.py").write_text(other, encoding="utf-8")
    sink = """\
        only: game_started
        routes: [{events: game_started, where: {game_name: Pong}}]
        names: {Ann: {only: [game_ended]}}"""
    assert places(sink, others="source:\n  pong:") == 2 * ["plugins.sink.names.Ann.only.0"]
    sink = "routes: [{events: game_started, where: {game_name: Quake}}]"
    assert places(sink, others="source:\n  pong:") == ["plugins.sink.routes.0.events"]


def test_what_a_plugin_that_only_publishes_is_set_to_is_its_own_matter() -> None:
    others = "source:\n  again: {use: source}\n  other_source: {publish: game_started}"
    assert places("only: peer_joined", others=others) == []


def test_rules_are_looked_at(folder: Path) -> None:
    top = "rules: [{events: [peer_left, game_started], drop: true}]"
    assert findings("only: event", top=top) == [f"lanrage.yaml:2:30: rules.0.events.1: {STARTED}"]


def test_templates_of_the_user_are_looked_at_for_each_consumer(folder: Path) -> None:
    for name in ("a/game_started", "b/game_started", "b/server_started", "b/game_ended"):
        file = folder / "mine" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    now = "the plugin 'source' now publishes"
    mine = folder / "mine"
    copy = "copy it to server_started.yaml, and adapt the fields"
    copy_end = "copy it to server_stopped.yaml, and adapt the fields"
    assert findings("only: event", top="templates: [mine, builtin:de]") == [
        f"{mine}/a/game_started.yaml: {now} server_started instead of game_started: {copy}",
        f"{mine}/b/game_ended.yaml: {now} server_stopped instead of game_ended: {copy_end}",
    ]


def test_a_section_with_an_error_hides_no_other_warning(folder: Path) -> None:
    text = "plugins_folder: plugins\nplugins:\n  source:\n  sink: {only: game_started}\n  no: {}\n"
    Path("lanrage.yaml").write_text(text, encoding="utf-8")
    found = check(Path("lanrage.yaml")).findings
    assert [finding.is_warning for finding in found] == [True, False]
