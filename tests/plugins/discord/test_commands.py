from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lanrage_events import Event
from lanrage_events.__main__ import main
from lanrage_events.cli import ExitCode, install_command
from lanrage_events.events import EventRegistry
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


@dataclass(frozen=True, slots=True)
class Shown:
    code: int
    out: str
    err: str


Show = Callable[..., Shown]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Return a function that runs the command and returns what it wrote."""

    def run(*args: str, **options: Any) -> Shown:
        code = preview(*args, **options)
        output = capsys.readouterr()
        return Shown(code, output.out, output.err)

    return run


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


def test_a_built_in_set_comes_after_the_folders_of_the_user(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("lanrage.yaml")
    (folder / "mine" / "discord" / "peer_left.yaml").write_text("title: Mine", "utf-8")
    templates = (Path("builtin:de"), folder / "mine")

    assert preview("peer_left", templates=templates) == 0
    output = capsys.readouterr().out
    assert "▌ Mine\n" in output
    assert "▌ Hat Friday LAN nach 2 h 10 min verlassen\n" in output


def test_an_unknown_set_of_templates_is_misuse(show: Show) -> None:
    shown = show("peer_left", templates=(Path("builtin:dee"),))

    assert shown.code == 2
    assert "did you mean 'builtin:de'? There are builtin:en and builtin:de" in shown.err


def test_without_a_configuration_there_are_the_installed_plugins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert preview("peer_joined", "peer_name=Ann") == 0
    assert "▌ 👋 Ann joined\n" in capsys.readouterr().out
    assert preview("map_changed") == 2


def test_a_configuration_that_is_named_must_be_good(capsys: pytest.CaptureFixture[str]) -> None:
    file = configure("other.yaml", "watsh: true")
    assert main(["preview", "peer_joined", "--config", str(file)]) == 78
    output = capsys.readouterr()
    assert output.err == "other.yaml:2:1: watsh: unknown key, did you mean 'watch'?\n"
    assert output.out == ""


def test_one_that_only_lies_here_keeps_no_one_from_looking(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("lanrage.yaml", "watsh: true")
    assert preview("peer_joined", "peer_name=Ann") == 0
    output = capsys.readouterr()
    assert output.err.endswith(
        "did you mean 'watch'?\nso this shows what is right in it, and what is built in\n"
    )
    assert "▌ 👋 Ann joined\n" in output.out


def test_the_event_of_a_plugin_is_shown_although_another_section_has_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with configure("lanrage.yaml").open("a", encoding="utf-8") as file:
        file.write("\n  discord: {webhook_url: '${NO_SUCH_VARIABLE}'}\n")

    assert preview("map_changed", "map_name=q3dm17") == 0
    output = capsys.readouterr()
    assert "NO_SUCH_VARIABLE is not set\nso this shows what is right in it" in output.err
    assert "▌ On q3dm17\n" in output.out


def test_a_type_is_shown_with_sample_data_and_its_limits(show: Show) -> None:
    result = show("peer_joined")

    assert result.code == ExitCode.DONE
    assert result.err == ""
    assert "▌ 👋 Ben joined\n▌ Welcome to Friday LAN! 🎉 First time here!\n" in result.out
    assert "13/256\n" in result.out
    assert "62/4096\n" in result.out
    assert "82/6000\n" in result.out


@pytest.mark.slow
@pytest.mark.parametrize("cls", EventRegistry().types())
def test_every_built_in_type_has_sample_data(cls: type[Event], show: Show) -> None:
    result = show(cls.type)

    assert result.code == ExitCode.DONE
    assert result.err == ""


def test_given_values_replace_the_sample(show: Show) -> None:
    result = show("game_ended", "duration=90", "avg_latency=", "game_name=A = **B**")

    assert "▌ 🏁 Game Ended: A = **B**\n" in result.out
    assert "▌ Duration: 1m 30s\n▌\n" in result.out


def test_a_list_is_written_with_commas_or_as_json(show: Show) -> None:
    assert "Players: a, b\n" in show("game_started", "players=a, b,").out
    assert "Players: a,b, c\n" in show("game_started", 'players=["a,b", "c"]').out


def test_a_colour_is_written_as_in_a_template(show: Show) -> None:
    result = show("notification", "color=#0000ff", json=True)

    assert json.loads(result.out)["embeds"][0]["color"] == 255
    assert "valid integer" in show("notification", "color=grene").err


def test_the_body_of_the_message_is_shown_as_json(show: Show) -> None:
    result = show("peer_left", "time=2026-01-31T20:15:00Z", json=True)

    assert json.loads(result.out) == {
        "embeds": [
            {
                "title": "👋 Ben left",
                "description": "Left **Friday LAN** after 2h 10m",
                "color": 0xFF9800,
                "timestamp": "2026-01-31T20:15:00+00:00",
                "footer": {"text": "LANrage"},
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def test_the_invite_is_shown_if_one_is_given(show: Show) -> None:
    assert "Join Voice Chat" not in show("party_created").out
    result = show("party_created", invite_url="https://discord.gg/abc123")
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
def test_misuse_is_explained(
    args: list[str], options: dict[str, object], message: str, show: Show
) -> None:
    result = show(*args, **options)

    assert result.code == ExitCode.MISUSE
    assert result.out == ""
    assert message in result.err
    assert result.err.count("\n") == 1


def test_the_users_templates_come_first_and_their_errors_are_reported(
    tmp_path: Path, show: Show
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "peer_joined.yaml").write_text(
        "title: '{{ peer_name }} is here'\ndescription: '{{ oops }}'", encoding="utf-8"
    )

    result = show("peer_joined", templates=(tmp_path,))

    assert result.code == ExitCode.FAILED
    assert "▌ Ben is here\n▌ Welcome to Friday LAN! 🎉 First time here!\n" in result.out
    assert result.err == (
        f"template {folder / 'peer_joined.yaml'}:2: description: 'oops' is undefined\n"
    )


@pytest.mark.parametrize(
    ("thumbnail", "shown", "warning"),
    [
        ("http://lanserver/logo.png", "", "Discord does not accept 'http://lanserver/logo.png'"),
        ("http://10.0.0.5/logo.png", "10.0.0.5", "Discord cannot load this picture"),
    ],
)
def test_an_address_that_discord_does_not_show_is_a_warning(
    tmp_path: Path, show: Show, thumbnail: str, shown: str, warning: str
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    file = folder / "peer_joined.yaml"
    file.write_text(f"title: x\nthumbnail: {thumbnail}", encoding="utf-8")
    result = show("peer_joined", templates=(tmp_path,), json=True)
    assert result.code == ExitCode.DONE
    assert result.err.startswith(f"warning: template {file}:2: thumbnail.url: {warning}")
    assert result.err.count("\n") == 1
    assert ("logo.png" in result.out) == bool(shown)


def test_a_template_that_is_never_used_is_reported(tmp_path: Path, show: Show) -> None:
    (tmp_path / "peer_joined.yaml").write_text("title: x", encoding="utf-8")

    result = show("peer_joined", templates=(tmp_path, tmp_path / "gone"))

    assert result.code == ExitCode.FAILED
    assert "move it into a folder 'discord'" in result.err
    assert "there is no such folder" in result.err


def test_a_backend_that_is_not_installed_is_reported_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "trio", None)
    assert main(["demo", "--backend", "trio"]) == 1
    assert capsys.readouterr().err == (
        f"lanrage-events: the package 'trio' is missing: {install_command('trio')}\n"
    )


SEATS = """\
from lanrage_events import ConfigProblem, PeerJoined, Preview, hookimpl

@hookimpl
def preview(event):
    if not isinstance(event, PeerJoined):
        return

    yield Preview(title="the wall", text=f"{event.peer_name} sits\\nin row 3")
    yield Preview(json={"name": event.peer_name}, problems=[ConfigProblem("too small", warning=True)])
"""


@pytest.fixture
def seats(folder: Path) -> Path:
    """Configure a plugin that shows what it would send."""
    (folder / "plugins" / "seats.py").write_text(SEATS, "utf-8")
    file = folder / "seats.yaml"
    file.write_text("plugins_folder: ./plugins\nplugins:\n  seats:\n", "utf-8")
    return file


def test_whatever_plugin_renders_is_shown(seats: Path, show: Show) -> None:
    shown = show("peer_joined", "peer_name=Ann\x1b", config=seats)

    assert shown.out.splitlines() == [
        "seats, the wall:",
        "Ann\\u001b sits",
        "in row 3",
        "",
        "seats:",
        "{",
        '  "name": "Ann\\u001b"',
        "}",
    ]
    assert (shown.code, shown.err) == (0, "seats: warning: too small\n")


def test_what_the_rules_leave_is_shown_and_which_one_drops_an_event(
    seats: Path, show: Show
) -> None:
    rules = "rules: [{where: {party_name: Test}, drop: true}, {hide: Ann}]\n"
    seats.write_text(f"{rules}{seats.read_text('utf-8')}", "utf-8")
    shown = show("peer_joined", "peer_name=Ann", config=seats)
    assert "a player sits" in shown.out
    assert "Ann" not in shown.out

    shown = show("peer_joined", "peer_name=Ann", "party_name=Test", config=seats)
    assert (shown.code, shown.out) == (1, "")
    assert shown.err == f"{seats}:1:9: rule 1 (drop) drops it\nnothing would be sent by: seats\n"


@pytest.mark.slow
def test_discord_is_shown_beside_the_others_if_it_is_configured(seats: Path, show: Show) -> None:
    seats.write_text(f"{seats.read_text('utf-8')}  discord:\n", "utf-8")
    shown = show("peer_joined", config=seats)
    assert "seats:\n" in shown.out
    assert "\ndiscord:\nLANrage" in shown.out
    alone = show("peer_joined", config=seats, plugin="discord", invite_url="https://discord.gg/a1")
    assert alone.out.startswith("LANrage")

    typo = show("peer_joined", config=seats, plugin="seat")
    assert typo.code == ExitCode.MISUSE
    assert "'seat' shows what it would send, known: seats, discord, did you mean" in typo.err


def test_as_json_there_is_one_document_after_another(seats: Path, show: Show) -> None:
    shown = show("peer_joined", "peer_name=Ann", config=seats, json=True)

    assert shown.out == '"Ann sits\\nin row 3"\n{\n  "name": "Ann"\n}\n'


def test_an_event_that_nothing_is_sent_for_is_a_failure(seats: Path, show: Show) -> None:
    shown = show("notification", config=seats)

    assert (shown.code, shown.out, shown.err) == (1, "", "nothing would be sent by: seats\n")


def test_a_card_is_shown_of_a_made_up_party(show: Show) -> None:
    shown = show("party_card", invite_url="https://discord.gg/abc123")

    assert (shown.code, shown.err) == (0, "")
    for text in ("🟢 Friday LAN", "🎮 Quake III Arena · started 43 minutes ago", "👥 4 here"):
        assert f"▌ {text}\n" in shown.out
    assert "[Join voice chat] https://discord.gg/abc123" in shown.out


def test_a_card_can_have_other_values(show: Show) -> None:
    values = ("count=500", "game_name=", "members=Zoe,<@1>", "party_name=The *LAN*")
    shown = show("party_card", *values, json=True)
    [embed] = json.loads(shown.out)["embeds"]
    [field] = embed["fields"]

    assert shown.code == 0
    assert embed["title"] == r"🟢 The \*LAN\*"
    assert "Quake" not in embed["description"]
    assert field["name"] == "👥 500 here"
    assert field["value"].startswith("Zoe\u00a0· \\<\\@1>\u00a0· Ann")
    assert " more" in field["value"]
    assert "🛋️ Nobody is here right now" in show("party_card", "count=0").out


def test_a_recap_is_shown_in_another_language(show: Show) -> None:
    shown = show("party_recap", "duration=3600", templates=(Path("builtin:de"),))

    assert shown.code == 0
    assert "▌ 🌙 Party vorbei: Friday LAN\n" in shown.out
    assert "1 h 0 min" in shown.out


def test_a_wrong_value_of_a_card_is_misuse(show: Show) -> None:
    assert "party_card: count: input should be a valid integer" in show("party_card", "count=x").err
    assert show("party_card", "count=x").code == 2
    assert "did you mean 'members'" in show("party_card", "member=Ann").err


def test_a_card_is_shown_by_the_plugin_of_the_configuration(show: Show) -> None:
    Path("lanrage.yaml").write_text(
        "templates: [./mine]\nplugins:\n  parties:\n  log: {path: events.jsonl}\n"
        "  discord: {routes: [{events: [peer_left]}], cards: true}\n",
        "utf-8",
    )
    Path("mine/discord/party_card.yaml").write_text("footer: '{{ party.since.now() }}'", "utf-8")
    shown = show("party_card")

    assert shown.out.count("Friday LAN") == 1
    assert "'now()' changes the text without an event" in shown.err
    assert "warning: " in shown.err
    assert "Friday LAN" not in show("party_card", json=True).out.split('"embeds"')[0]


@pytest.mark.slow
def test_a_card_in_a_forum_is_shown_with_its_title(show: Show) -> None:
    Path("lanrage.yaml").write_text(
        "plugins:\n  parties:\n  discord: {cards: [{thread: true}]}\n", "utf-8"
    )

    assert show("party_card").out.startswith("LANrage  APP  in Friday LAN\n")
    assert json.loads(show("party_card", json=True).out)["thread_name"] == "Friday LAN"
    assert "thread_name" not in json.loads(show("party_recap", json=True).out)
