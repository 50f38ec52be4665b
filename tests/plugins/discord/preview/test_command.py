from __future__ import annotations

from pathlib import Path

import pytest

from lanrage_events_discord.commands import preview

PLUGIN = """\
from dataclasses import dataclass
from pathlib import Path
from lanrage_events import Event, hookimpl

@dataclass(frozen=True, kw_only=True, slots=True)
class MapChanged(Event):
    map_name: str

@hookimpl
def register_events():
    return [MapChanged]

@hookimpl
def template_folders():
    return [Path(__file__).parents[1] / "brought"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "maps.py").write_text(PLUGIN, "utf-8")
    for name, text in (("brought", "title: 'On {{ map_name }}'"), ("mine", "footer: My LAN")):
        (tmp_path / name / "discord").mkdir(parents=True)
        (tmp_path / name / "discord" / "map_changed.yaml").write_text(text, "utf-8")

    return tmp_path


def configure(name: str, *lines: str) -> Path:
    file = Path(name)
    text = "\n".join(["plugins_folder: ./plugins", *lines, "plugins:", "  maps:"])
    file.write_text(text, "utf-8")
    return file


@pytest.mark.parametrize("name", ["lanrage.yaml", "other.yaml"])
def test_events_and_templates_of_the_configuration_are_known(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configure(name, "templates: [./mine]")
    config = None if name == "lanrage.yaml" else file
    assert preview("map_changed", "map_name=q3dm17", config=config) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "▌ On q3dm17\n" in output.out
    assert "▌ My LAN" in output.out


def test_a_folder_that_is_named_comes_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("lanrage.yaml")
    (folder / "mine" / "discord" / "map_changed.yaml").write_text("title: Mine", "utf-8")
    assert preview("map_changed", templates=(folder / "mine",)) == 0
    assert "▌ Mine\n" in capsys.readouterr().out


def test_without_a_configuration_there_are_the_installed_plugins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert preview("peer_joined", "peer_name=Ann") == 0
    assert "▌ 👋 Ann joined\n" in capsys.readouterr().out
    assert preview("map_changed") == 2


def test_a_configuration_that_is_named_must_be_good(capsys: pytest.CaptureFixture[str]) -> None:
    file = configure("other.yaml", "watsh: true")
    assert preview("peer_joined", config=file) == 78
    output = capsys.readouterr()
    assert "other.yaml:2:1: watsh: unknown key, did you mean 'watch'?\n" in output.err
    assert output.out == ""


def test_one_that_only_lies_here_keeps_nobody_from_looking(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("lanrage.yaml", "watsh: true")
    assert preview("peer_joined", "peer_name=Ann") == 0
    output = capsys.readouterr()
    assert output.err.endswith("did you mean 'watch'?\nso this shows what is built in\n")
    assert "▌ 👋 Ann joined\n" in output.out
