from __future__ import annotations

import json
import re
import runpy
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import respx
from blocks import written

from lanrage_events import EventBus, PeerJoined
from lanrage_events._daemon import check

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *(ROOT / "docs" / f"{name}.md" for name in ("tutorial", "embedding", "systemd"))]
WEBHOOK_URL = (
    "https://discord.com/api/webhooks/123456789012345678/"
    "made-up-token-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"
)

BLOCK = re.compile(
    r"^(?:<!-- (?P<marker>.*?) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL
)


def blocks(page: Path) -> list[re.Match[str]]:
    return list(BLOCK.finditer(written(page.read_text("utf-8"))))


def texts(page: Path, kind: str) -> list[str]:
    return [block["text"] for block in blocks(page) if block["kind"] == kind]


def programs() -> list[Any]:
    """Return each Python block that is followed by its output, with that."""
    found = []
    for page in (README, ROOT / "docs" / "embedding.md"):
        listed = blocks(page)
        for number, (block, after) in enumerate(pairwise(listed)):
            if block["kind"] == "python" and after["kind"] == "text":
                name = f"{page.stem}-{number}"
                found.append(pytest.param(block["text"], after["text"], id=name))

    return found


def configurations() -> list[Any]:
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, text in enumerate(texts(page, "yaml"))
        if "plugins:" in text
    ]


def run(source: str, folder: Path) -> dict[str, Any]:
    path = folder / "example.py"
    path.write_text(source, encoding="utf-8")
    return runpy.run_path(str(path), run_name="example")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("source", "output"), programs())
def test_a_program_prints_what_stands_below_it(
    source: str, output: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(source, folder)
    assert capsys.readouterr().out == output


def test_the_programs_are_found() -> None:
    assert len(programs()) == 11


async def test_the_program_that_wants_only_discord_posts_to_it(folder: Path) -> None:
    source = next(text for text in texts(PAGES[2], "python") if "quick_setup" in text)
    main = run(source, folder)["main"]
    answer = {"id": "1", "channel_id": "2"}
    with respx.mock:
        route = respx.post(url__startswith=WEBHOOK_URL.replace("/api/", "/api/v10/"))
        route.respond(200, json=answer)
        await main(WEBHOOK_URL)

    posted = "".join(call.request.content.decode() for call in route.calls)
    for text in ("Friday LAN", "Bob", "It is upstairs."):
        assert text in posted


@pytest.mark.slow
@pytest.mark.parametrize("text", configurations())
def test_a_configuration_is_right(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "discord").write_text(f"{WEBHOOK_URL}\n", encoding="utf-8")
    (folder / "my-templates" / "discord").mkdir(parents=True)
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", WEBHOOK_URL)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    path = folder / "lanrage.yaml"
    path.write_text(text, encoding="utf-8")
    config = check(path).draft.config()
    assert config.plugins
    # The game servers and the folders of the system are elsewhere.
    elsewhere = (
        "there is no folder '/srv/",
        "there is no folder '/home/",
        "cannot write to '/var/lib/",
    )
    assert not [text for text in config.warnings if not any(part in text for part in elsewhere)]


async def test_the_plugin_in_the_readme_counts_players(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = next(text for text in texts(README, "python") if "hookimpl" in text)
    (folder / "plugins").mkdir()
    (folder / "plugins" / "crowd.py").write_text(source, encoding="utf-8")
    path = folder / "lanrage.yaml"
    path.write_text("plugins_folder: ./plugins\nplugins:\n  crowd:\n", encoding="utf-8")
    [plugin] = check(path).draft.config().plugins
    async with EventBus() as bus:
        bus.register(plugin.make())
        for name in ("Ann", "Bob", "Ann"):
            await bus.publish_and_wait(PeerJoined(peer_name=name, party_name="LAN"))

    assert capsys.readouterr().out.splitlines()[-3:] == [
        "1 players so far",
        "2 players so far",
        "2 players so far",
    ]


def test_the_events_in_the_tutorial_are_events() -> None:
    registry = EventBus().events
    lines = re.findall(
        r'^(?:\$ echo \')?(\{"type".*\})', (PAGES[1]).read_text("utf-8"), re.MULTILINE
    )
    types = [json.loads(line)["type"] for line in lines]
    assert types == ["peer_joined", "peer_joined", "peer_jond"]
    for line in lines[:2]:
        assert isinstance(registry.from_json(line), PeerJoined)


@pytest.mark.parametrize("name", ["demo", "test"])
def test_a_command_of_the_readme_is_one_line_that_sets_everything_up(name: str) -> None:
    [command] = [block["text"] for block in blocks(README) if block["marker"] == f"ci: {name}"]
    assert command.count("\n") == 1
    words = shlex.split(command)
    assert words[:4] == ["python3", "-m", "venv", ".venv"]
    extras = re.findall(r"\[(\w+)\]", command)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras) <= set(project["optional-dependencies"])


def test_the_table_has_each_plugin_with_the_extra_that_it_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    rows = re.findall(
        r"^\| \[(\w+)\]\(docs/\1\.md\) \| .* \| (.*) \|$", README.read_text("utf-8"), re.MULTILINE
    )

    assert sorted(name for name, _ in rows) == sorted(project["entry-points"]["lanrage_events"])
    for name, needs in rows:
        extras = re.findall(r"\[(\w+)\]", needs)
        assert set(extras) <= set(project["optional-dependencies"]), name
        assert extras or needs == "nothing more"


def test_a_lan_host_begins_with_two_commands_and_a_picture() -> None:
    text = README.read_text("utf-8")
    first_screen = text.partition("## In your program")[0]

    assert "pip install '.[daemon,http]'" in first_screen
    assert "lanrage-events run" in first_screen
    assert "docs/_static/card.svg" in first_screen


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_pages_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
