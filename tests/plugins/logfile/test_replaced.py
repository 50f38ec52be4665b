"""What the presets gave before servers had events of their own, and the settings that were for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lanrage_events import EventBus
from lanrage_events._daemon import check
from lanrage_events_logfile import LogfileConfig, LogfilePlugin

URL = "https://discord.com/api/webhooks/123456789012345678/made-up-token-" + "x" * 54


def replaced(**settings: Any) -> list[str]:
    config = {"path": "x.log", **settings}
    plugin = LogfilePlugin(LogfileConfig.model_validate(config))
    return [f"{before.type} {now.type}" for before, now in plugin.replaced_events()]


INSTEAD = ": the preset 'minecraft' gives"
START, STOP = "game_started server_started", "game_ended server_stopped"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"preset": "minecraft"}, [START, STOP]),
        ({"preset": "factorio"}, [START, STOP]),
        ({"preset": "valheim"}, [START]),
        # Their maps and matches are games, as before.
        ({"preset": "source"}, ["game_started game_started"]),
        ({"preset": "cs2"}, ["game_started game_started", "game_ended game_ended"]),
        ({"preset": "eco"}, []),
        ({"patterns": {"server_started": "up"}}, []),
        (
            {"preset": "minecraft", "patterns": {"game_ended": "y"}},
            [START, "game_ended game_ended"],
        ),
        ({"preset": "minecraft", "patterns": {"game_started": []}}, [START, STOP]),
    ],
)
def test_a_preset_names_what_it_gave(settings: dict[str, Any], expected: list[str]) -> None:
    assert replaced(**settings) == expected


@pytest.mark.slow
@pytest.mark.parametrize("is_one", [True, False])
def test_what_is_for_games_of_another_log_is_told_apart(tmp_path: Path, is_one: bool) -> None:
    one = "logfile: {files: {latest.log: {preset: minecraft, party_id: mc}, tf2.log: source}}"
    two = """mc: {use: logfile, path: latest.log, preset: minecraft, party_id: mc}
  tf2: {use: logfile, path: tf2.log, preset: source}"""
    (tmp_path / "tf2.log").touch()
    text = f"""\
plugins:
  {one if is_one else two}
  discord:
    webhook_url: {URL}
    routes:
      - {{events: game_started, where: {{party_id: mc}}}}
      - {{events: game_started, where: {{game_name: Minecraft}}}}
      - {{events: game_started}}
  log: {{path: a.jsonl, include: [game_started]}}
"""
    [first, second] = places(tmp_path, text)
    assert first.split(": ")[1].startswith("plugins.discord.routes.0.events")
    assert second.split(": ")[1].startswith("plugins.discord.routes.1.events")


def test_the_events_have_the_names_that_the_settings_give() -> None:
    settings = {"preset": "minecraft", "party_name": "Friday LAN", "party_id": "7"}
    plugin = LogfilePlugin(LogfileConfig.model_validate({"path": "x.log", **settings}))
    (before, now), _ = plugin.replaced_events()

    assert (before.to_dict()["game_name"], before.to_dict()["party_id"]) == ("Minecraft", "7")
    assert now.to_dict()["server_name"] == "Friday LAN"
    assert (now.to_dict()["game_name"], now.to_dict()["party_id"]) == ("Minecraft", "7")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"patterns": {"game_started": [], "peer_left": []}},
            [f"patterns.game_started{INSTEAD} server_started instead: write server_started"],
        ),
        (
            {"fields": {"game_ended": {"game_name": "X"}}},
            [f"fields.game_ended{INSTEAD} server_stopped instead: write server_stopped"],
        ),
        ({"patterns": {"game_started": [], "server_started": []}}, []),
        ({"patterns": {"game_started": "x"}, "fields": {"game_started": {"game_name": "X"}}}, []),
    ],
)
def test_keys_that_were_for_what_the_preset_gave_are_a_warning(
    settings: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "x.log"
    log.touch()
    config = {"path": log, "preset": "minecraft", "poll": 1.0, **settings}
    bus = EventBus()
    bus.register(LogfilePlugin(LogfileConfig.model_validate(config)), "logfile")

    problems = bus.plugins.problems("logfile")

    assert [str(problem) for problem in problems] == expected
    assert all(problem.warning and problem.about_key for problem in problems)


def places(folder: Path, text: str) -> list[str]:
    (folder / "latest.log").touch()
    file = folder / "lanrage.yaml"
    file.write_text(text, encoding="utf-8")
    found = check(file).findings
    assert all(finding.is_warning for finding in found)
    return [
        finding.text.replace(f"{folder}/", "").partition(": the plugin 'logfile' now publishes ")[0]
        for finding in found
    ]


@pytest.mark.slow
def test_every_place_of_a_configuration_is_found(tmp_path: Path) -> None:
    for name in ("discord/game_started", "presence/game_started", "webhook/game_ended"):
        template = tmp_path / "mine" / f"{name}.yaml"
        template.parent.mkdir(parents=True, exist_ok=True)
        template.write_text("", encoding="utf-8")

    text = f"""\
templates: [mine]
rules: [{{events: game_started, drop: true}}]
plugins:
  logfile: {{path: latest.log, preset: minecraft}}
  log: {{path: a.jsonl, include: [game_started], exclude: [game_ended], levels: {{game_ended: error}}}}
  webhook:
    targets: {{phone: {{url: "https://lan.example/x"}}}}
    routes: [{{events: game_started, target: phone}}]
  discord:
    webhook_url: {URL}
    max_age: {{game_started: 1h}}
    routes:
      - {{events: game_started, mention: {{roles: ["1234"]}}, where: {{game_name: Minecraft}}}}
      - {{events: event, where: {{type: [game_ended]}}, immediate: true}}
      - {{events: event}}
"""
    assert places(tmp_path, text) == [
        "mine/discord/game_started.yaml",
        "mine/presence/game_started.yaml",
        "mine/webhook/game_ended.yaml",
        "lanrage.yaml:2:18: rules.0.events.0",
        "lanrage.yaml:5:34: plugins.log.include.0",
        "lanrage.yaml:5:59: plugins.log.exclude.0",
        "lanrage.yaml:5:81: plugins.log.levels.game_ended",
        "lanrage.yaml:8:23: plugins.webhook.routes.0.events",
        "lanrage.yaml:11:15: plugins.discord.max_age.game_started",
        "lanrage.yaml:13:18: plugins.discord.routes.0.events",
        "lanrage.yaml:14:32: plugins.discord.routes.1.where",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        "http: {port: 0}",  # a program publishes there
        "logfile: {path: latest.log, preset: cs2}",
        "logfile: {path: latest.log, preset: minecraft, patterns: {game_started: x}}",
    ],
)
def test_where_the_old_types_are_meant_nothing_is_said(tmp_path: Path, source: str) -> None:
    text = f"""\
plugins:
  {source}
  log: {{path: a.jsonl, include: [game_started]}}
"""
    assert places(tmp_path, text) == []


@pytest.mark.slow
def test_a_game_that_a_program_publishes_can_be_told_apart(tmp_path: Path) -> None:
    text = f"""\
plugins:
  http: {{port: 0}}
  logfile: {{path: latest.log, preset: minecraft}}
  discord:
    webhook_url: {URL}
    routes: [{{events: game_started, where: {{game_name: {{not: Minecraft}}}}}}]
"""
    assert places(tmp_path, text) == []
