from __future__ import annotations

from pathlib import Path

import pytest

from lanrage_events.config import ConfigError, load_bus


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["lanrage.yaml", "other.yaml"])
def test_a_bus_has_the_plugins_and_templates_of_the_configuration(name: str, folder: Path) -> None:
    text = "templates: [./mine]\nstate_folder: ./state\nplugins:\n  log: {path: events.jsonl}\n"
    (folder / name).write_text(text, "utf-8")
    bus = load_bus(None if name == "lanrage.yaml" else Path(name))
    assert list(bus.plugins) == ["log"]
    assert folder / "mine" in bus.template_folders()
    assert {path.name for path in folder.iterdir()} == {name}


async def test_such_a_bus_can_run(folder: Path) -> None:
    (folder / "lanrage.yaml").write_text("plugins:\n  log: {path: events.jsonl}\n", "utf-8")
    async with load_bus() as bus:
        assert bus.health()["log"].status == "ok"


def test_without_a_configuration_a_bus_has_installed_plugins_that_bring_something() -> None:
    bus = load_bus()
    assert "log" not in bus.plugins
    assert bus.events.get("peer_joined")


def test_a_configuration_must_be_good(folder: Path) -> None:
    (folder / "lanrage.yaml").write_text("plugins:\n  lok:\n", "utf-8")
    with pytest.raises(ConfigError, match=r"lanrage\.yaml:2:3: plugins\.lok: .*did you mean 'log'"):
        load_bus()

    with pytest.raises(ConfigError, match="the file does not exist"):
        load_bus(Path("absent.yaml"))


def test_what_is_right_in_a_configuration_can_be_used_all_the_same(folder: Path) -> None:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "seats.py").write_text(
        "from dataclasses import dataclass\nfrom lanrage_events import Event, hookimpl\n"
        "@dataclass(frozen=True, kw_only=True, slots=True)\nclass SeatTaken(Event):\n"
        "    seat: int\n@hookimpl\ndef register_events(): return [SeatTaken]\n",
        "utf-8",
    )
    (folder / "lanrage.yaml").write_text(
        "plugins_folder: ./plugins\ntemplates: [./mine]\nwatsh: true\nplugins:\n"
        "  seats:\n  log: {path: '${NO_SUCH_VARIABLE}'}\n  webhok:\n",
        "utf-8",
    )
    problems: list[str] = []
    bus = load_bus(on_problems=problems.extend)
    assert list(bus.plugins) == ["seats"]
    assert bus.events.get("seat_taken")
    assert folder / "mine" in bus.template_folders()
    assert [problem.split(": ")[1] for problem in problems] == [
        "watsh",
        "plugins.log.path",
        "plugins.webhok",
    ]
