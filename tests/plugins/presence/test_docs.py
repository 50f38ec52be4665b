"""The page about Rich Presence names all that there is, and its examples work."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from lanrage_events import GameStarted
from lanrage_events.events import EventRegistry
from lanrage_events.templates import TemplateError
from lanrage_events_presence import Activity, Button, Party, PresenceConfig, PresenceView
from lanrage_events_presence._render import LEAVES

PAGE = (Path(__file__).parents[3] / "docs" / "presence.md").read_text(encoding="utf-8")
KEYS_OF_EVERY_PLUGIN = {"use", "mailbox", "hook_timeout", "start_timeout"}
YAML = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TEMPLATES = [
    match.groups()
    for text in YAML
    if (match := re.fullmatch(r"# my-templates/(presence/(\w+)\.yaml)\n(.*)", text, re.DOTALL))
]
INVITE = "https://discord.gg/abc123"


def configurations() -> list[dict[str, Any]]:
    texts = [yaml.safe_load(text) for text in YAML]
    return [text["plugins"]["presence"] for text in texts if "plugins" in text]


def test_every_configuration_on_the_page_is_valid() -> None:
    assert len(configurations()) >= 2
    for settings in configurations():
        PresenceConfig.model_validate(settings)


def test_the_page_has_every_key_with_its_default() -> None:
    complete = max(configurations(), key=len)
    required = {
        "client_id": None,
        "player": None,
        "party": None,
        "invite_url": None,
        "socket": None,
    }

    assert set(complete) == set(PresenceConfig.model_fields)
    assert PresenceConfig.model_validate(complete | required) == PresenceConfig()


def test_every_leaf_and_every_name_is_on_the_page() -> None:
    text = max((template[2] for template in TEMPLATES), key=len)
    for path in LEAVES:
        for part in re.split(r"\[\]\.|\.", path):
            assert re.search(rf"\b{part}:", text), path

    for name in (*Party.__slots__, "size"):
        assert f"`my_party.{name}`" in PAGE, name


def test_the_examples_of_templates_work(tmp_path: Path) -> None:
    assert len(TEMPLATES) == 2
    (tmp_path / "presence").mkdir()
    for name, _, text in TEMPLATES:
        (tmp_path / name).write_text(text, encoding="utf-8")

    errors: list[TemplateError] = []
    folders = [tmp_path, files("lanrage_events_templates")]
    view = PresenceView(PresenceConfig(invite_url=INVITE), folders, report=errors.append)
    assert view.check(EventRegistry().types()) == []
    view.follow(GameStarted(game_name="Quake III", players=("Ann", "Ben")))

    assert errors == []
    activity = view.activity
    assert activity is not None
    assert activity == Activity(
        details="Quake III",
        state="Fragging",
        party_size=(2, 8),
        start=activity.start,
        large_image="quake_iii",
        large_text="Quake III",
        small_image="https://pictures.example/Quake%20III.png",
        small_text="LAN",
        buttons=(
            Button("Join Voice Chat", INVITE),
            Button("About Quake III", "https://games.example/?q=Quake%20III"),
        ),
    )


def test_the_example_of_a_view_prints_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    promised = re.search(r"# (.*)$", PYTHON[0], re.MULTILINE)
    assert promised is not None
    names: dict[str, Any] = {}
    with monkeypatch.context() as patch:
        patch.setattr(anyio, "run", lambda main: None)
        exec(compile(PYTHON[0], "presence.md", "exec"), names)

    anyio.run(names["main"])
    printed = re.sub(r"\d\d:\d\d", "20:15", capsys.readouterr().out.strip())
    assert printed == promised[1]


@pytest.mark.real_clock
@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in needs Unix sockets")
async def test_the_example_of_a_test_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    names: dict[str, Any] = {}
    exec(compile(PYTHON[1], "presence.md", "exec"), names)
    test: Callable[[Path], Coroutine[Any, Any, None]] = names["test_the_party_is_shown"]
    folder = tempfile.mkdtemp(prefix="ipc-")
    try:
        await test(Path(folder))
    finally:
        shutil.rmtree(folder)
