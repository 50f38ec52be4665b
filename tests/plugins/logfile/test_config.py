from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from lanrage_events import Event, EventBus, hookimpl
from lanrage_events._daemon import check
from lanrage_events_logfile import LogfileConfig, LogfilePlugin


def config(**settings: Any) -> LogfileConfig:
    return LogfileConfig.model_validate(settings)


def problems(**settings: Any) -> list[str]:
    """Return what ``lanrage-events check`` says."""
    bus = EventBus()
    bus.register(Advancements())
    bus.register(LogfilePlugin(config(poll=1.0, **settings)), "logfile")
    return [problem for _, problem in bus.plugins.validate()]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdvancementMade(Event):
    """A third party's event, with fields of several types."""

    player: str
    level: int
    share: float | None = None
    is_rare: bool = False
    with_whom: tuple[str, ...] = ()


class Advancements:
    @hookimpl
    def register_events(self) -> list[type[Event]]:
        return [AdvancementMade]


def test_one_server_needs_two_words() -> None:
    [file] = config(path="/srv/mc/logs/latest.log", preset="minecraft").all_files()

    assert file.path == Path("/srv/mc/logs/latest.log")
    assert (file.preset, file.start, file.encoding) == ("minecraft", "end", "utf-8")


def test_a_folder_in_place_of_a_file_is_reported(tmp_path: Path) -> None:
    assert problems(path=tmp_path, preset="minecraft") == [
        f"path: '{tmp_path}' is a folder: name the file in it"
    ]
    assert problems(files={str(tmp_path): "minecraft"}) == [
        f"files.0: '{tmp_path}' is a folder: name the file in it"
    ]
    assert problems(path=tmp_path / "latest.log", preset="minecraft") == []


def test_a_file_that_does_not_exist_yet_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "server-1.log").touch()
    names = ["server-*.log", "serverr-*.log", "latest.log", "logs/latest.log"]
    bus = EventBus()
    files = [{"path": tmp_path / name, "preset": "minecraft"} for name in names]
    bus.register(LogfilePlugin(config(poll=1.0, files=files)), "logfile")
    found = bus.plugins.problems("logfile")
    assert all(problem.warning for problem in found)
    assert [str(problem) for problem in found] == [
        f"files.1: no file is called '{tmp_path}/serverr-*.log', so nothing is read until there is one",
        f"files.2: no file is called '{tmp_path}/latest.log', so nothing is read until there is one",
        f"files.3: there is no folder '{tmp_path}/logs', so nothing is read until there is",
    ]


def test_a_problem_that_files_share_is_at_the_setting_that_they_share() -> None:
    shared = {"patterns": {"pear": "x"}, "preset": "minecraft", "player_connects": ["y"]}
    own = {"path": "b.log", "patterns": {"pear": "z"}}
    found = problems(files=["a.log", own, "c.log"], **shared)
    assert [problem.partition(": ")[0] for problem in found] == [
        "patterns.pear",
        "player_connects.0",
        "files.1.patterns.pear",
    ]


def test_files_are_a_list_or_a_mapping_with_settings_or_presets() -> None:
    expected = [("a.log", "minecraft", "LAN"), ("b.log", "source", "LAN"), ("c.log", "cs2", "CS")]
    text = """
    - {path: a.log, preset: minecraft}
    - b.log
    - {path: c.log, preset: cs2, party_name: CS}
    """
    as_list = config(files=yaml.safe_load(text), preset="source", party_name="LAN")
    text = """
    a.log: minecraft
    b.log:
    c.log: {preset: cs2, party_name: CS}
    """
    as_mapping = config(files=yaml.safe_load(text), preset="source", party_name="LAN")

    for files in (as_list.all_files(), as_mapping.all_files()):
        assert [(str(f.path), f.preset, f.party_name) for f in files] == expected


def test_patterns_of_all_files_and_of_one_are_put_together() -> None:
    [file] = config(
        files=[{"path": "a.log", "patterns": {"peer_left": "b"}}],
        patterns={"peer_joined": ["a", "b"], "peer_left": "a"},
    ).all_files()

    assert file.patterns == {"peer_joined": ("a", "b"), "peer_left": ("b",)}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "exactly one of 'path' and 'files'"),
        ({"path": "a", "files": ["b"]}, "exactly one of 'path' and 'files'"),
        ({"files": ["a", "a"]}, "'a' is listed twice"),
        ({"path": "a", "preset": "minecrat"}, "'minecraft'"),
        ({"path": "a", "patterns": {"peer_joined": "(x"}}, "not a regular expression: missing )"),
        ({"path": "a", "patterns": {"peer_joined": ["x", "*"]}}, "nothing to repeat"),
        ({"path": "a", "prefix": "["}, "unterminated character set"),
        ({"path": "a", "encoding": "utf-99"}, "not a known encoding"),
        ({"path": "a", "encoding": "utf-32"}, "lines in the encoding 'utf-32' cannot be read"),
        ({"path": "a", "time_format": "%Q"}, "not a strptime format"),
        ({"path": "a", "start": "middle"}, "'end' or 'beginning'"),
        ({"path": "a", "poll": "1ms"}, "greater than or equal"),
        ({"path": "a", "patern": {}}, "Extra inputs"),
        ({"files": {"a": {"patern": {}}}}, "Extra inputs"),
    ],
)
def test_a_wrong_setting_is_rejected(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**settings)

    assert expected in str(caught.value)
    assert len(caught.value.errors()) == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "preset: no patterns: set 'preset' or 'patterns'"),
        (
            {"patterns": {"peer_joind": "x"}},
            "patterns.peer_joind: unknown event type 'peer_joind', did you mean 'peer_joined'?",
        ),
        (
            {"patterns": {"peer_joined": "(?P<peer_nam>.*)"}},
            "patterns.peer_joined.0: peer_joined has no field 'peer_nam', did you mean 'peer_name'?",
        ),
        (
            {"patterns": {"peer_joined": "x"}},
            "patterns.peer_joined.0: peer_joined needs 'peer_name': add the group (?P<peer_name>...), or",
        ),
        (
            {"preset": "minecraft", "fields": {"peer_joined": {"color": 3}}},
            "fields.peer_joined.color: peer_joined has no field 'color'",
        ),
        (
            {"preset": "minecraft", "fields": {"notification": {"color": "red", "title": 3}}},
            "fields.notification.color: ",
        ),
        (
            {"prefix": "(?P<time>x)", "patterns": {"peer_joined": "(?P<peer_name>.*)"}},
            "prefix: the prefix has a group 'time': set 'time_format', or 'time: now'",
        ),
        (
            {"preset": "minecraft", "fields": {"pear": {}}},
            "fields.pear: unknown event type 'pear'",
        ),
        (
            {"preset": "minecraft", "player_connects": "x"},
            "player_connects.0: the group (?P<player>...) is missing",
        ),
        (
            {"patterns": {"advancement_made": "(?P<player>.*)"}},
            "patterns.advancement_made.0: advancement_made needs 'level'",
        ),
    ],
)
def test_what_does_not_fit_the_event_types_is_reported(
    settings: dict[str, Any], expected: str
) -> None:
    found = problems(path="x.log", **settings)

    assert any(problem.startswith(expected) for problem in found), found


def test_a_problem_of_one_of_several_files_names_it() -> None:
    found = problems(files={"a.log": "minecraft", "b.log": {"patterns": {"x": "y"}}})

    assert len(found) == 1
    assert found[0].startswith("files.1.patterns.x: unknown event type")


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "minecraft"},
        {"patterns": {"peer_joined": "(?P<peer_name>.*)"}},
        {"patterns": {"peer_left": "(?P<player>.*)"}},
        {"patterns": {"game_started": "x", "game_ended": "(?P<duration>.*)"}},
        {"patterns": {"game_ended": "(?P<duration_minutes>.*)"}},
        {"patterns": {"party_created": "(?P<host>.*)"}, "party_id": "7"},
        {
            "patterns": {"notification": "(?P<message>.*)"},
            "fields": {"notification": {"title": "x"}},
        },
        {"prefix": "(?P<peer_name>.*): ", "patterns": {"peer_joined": "joined"}},
        {"patterns": {"advancement_made": "(?P<player>.*)(?P<level>.*)"}},
    ],
)
def test_what_fits_is_not_reported(settings: dict[str, Any]) -> None:
    assert problems(path="x.log", **settings) == []


async def test_event_types_of_third_parties_get_values_of_their_types(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    pattern = r"(?P<player>\w+) (?P<level>\S+) (?P<share>\S+) (?P<is_rare>\S+) (?P<with_whom>.*)"

    class WithEvents(Advancements):
        durable = True
        events: list[Event]

        @hookimpl
        def event(self, event: Event) -> None:
            self.events.append(event)

    durable = WithEvents()
    durable.events = []
    async with evening(durable, preset=None, patterns={"advancement_made": pattern}) as server:
        log.write_text("Ann 3 0.5 yes Bob, Cid\nBob 4 none no Ann\n", "utf-8")
        await server.settle()

    ann, bob = durable.events
    assert ann == AdvancementMade(
        id=ann.id,
        time=ann.time,
        player="Ann",
        level=3,
        share=0.5,
        is_rare=True,
        with_whom=("Bob", "Cid"),
    )
    assert bob.to_dict()["share"] is None


def test_every_option_is_described_in_the_schema() -> None:
    schema = LogfileConfig.model_json_schema()

    for model in (schema, *schema["$defs"].values()):
        assert all(value["description"] for value in model.get("properties", {}).values())


@pytest.mark.parametrize(
    "text",
    [
        "{path: a.log, preset: minecraft, poll: 1s}",
        "{files: {a: minecraft, b: {preset: cs2, patterns: {x: y, z: [a]}}, c: }}",
        "{files: [a, {path: b, preset: eco}]}",
    ],
)
def test_editors_accept_every_form(text: str) -> None:
    settings = yaml.safe_load(text)

    jsonschema.validate(settings, LogfileConfig.model_json_schema())
    LogfileConfig.model_validate(settings)


def test_editors_reject_an_unknown_preset() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"files": {"a": "minecrat"}}, LogfileConfig.model_json_schema())


@pytest.mark.parametrize(
    "files",
    ["path: a.log, preset: minecraf", "files: {a.log: minecraf}", "files: {a.log: {preset: x}}"],
)
def test_a_wrong_preset_is_one_error(tmp_path: Path, files: str) -> None:
    (tmp_path / "a.log").touch()
    file = tmp_path / "lanrage.yaml"
    file.write_text(f"state_folder: state\nplugins: {{logfile: {{{files}}}}}\n", "utf-8")
    errors = [one.text for one in check(file).draft.findings() if not one.is_warning]
    assert len(errors) == 1, errors
    assert "expected 'cs2', 'eco', " in errors[0]


def test_a_warning_names_the_file_beside_one_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "lanrage.yaml"
    files = "{a.log: minecraf, b.log: minecraft}"
    file.write_text(f"state_folder: state\nplugins: {{logfile: {{files: {files}}}}}\n", "utf-8")
    [warning] = [one.text for one in check(file).draft.findings() if one.is_warning]
    assert "plugins.logfile.files.b.log: no file is called '" in warning
    assert "b.log'" in warning


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/srv/a/logs/latest.log", "/srv/b/logs/latest.log"], ["Minecraft (a)", "Minecraft (b)"]),
        (["/srv/mc1.log", "/srv/mc2.log"], ["Minecraft (mc1)", "Minecraft (mc2)"]),
        (["/x/mc/latest.log", "/y/mc/logs/latest.log"], ["Minecraft (x)", "Minecraft (y)"]),
        (["/srv/mc/logs/latest.log"], [None]),
        (
            ["/a/x/l.log", "/a/y/l.log", "/b/x/l.log"],
            ["Minecraft (/a/x/l.log)", "Minecraft (y)", "Minecraft (b)"],
        ),
    ],
)
def test_servers_of_one_game_are_parties_named_by_their_folders(
    paths: list[str], expected: list[str | None]
) -> None:
    plugin = LogfilePlugin(config(files=dict.fromkeys(paths, "minecraft")))

    assert [file.party_name for file in plugin.files] == expected


def test_parties_that_are_named_keep_their_names() -> None:
    plain = {"preset": "minecraft"}
    files = {
        "/srv/a/latest.log": plain,
        "/srv/b/latest.log": {**plain, "party_name": "Minecraft"},
        "/srv/c/latest.log": {**plain, "party_id": "7"},
        "/srv/d/latest.log": {"preset": "source"},
    }

    assert [file.party_name for file in LogfilePlugin(config(files=files)).files] == [
        None,
        "Minecraft",
        None,
        None,
    ]
    shared = LogfilePlugin(config(files=["/a.log", "/b.log"], preset="source", party_name="LAN"))
    assert {file.party_name for file in shared.files} == {"LAN"}
