from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from blocks import written

from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PartyEnded,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
    hookspecs,
)
from lanrage_events.forgetting import Forgotten, forget
from lanrage_events.http import RouteError, RouteRequest
from lanrage_events.testing import RecordingPlugin

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = ROOT / "docs" / "examples" / "hooks"

SAMPLES: dict[str, tuple[Event, str]] = {
    "party_created": (
        PartyCreated(party_id="7", party_name="Friday LAN", host="Ann"),
        "Ann opened Friday LAN (7)\n",
    ),
    "peer_joined": (PeerJoined(peer_name="Bob", party_name="Friday LAN"), "Welcome, Bob!\n"),
    "peer_left": (PeerLeft(peer_name="Bob", party_name="Friday LAN"), "Bye, Bob!\n"),
    "game_started": (
        GameStarted(game_name="Quake", players=("Ann", "Bob")),
        "2 players in Quake: Ann, Bob\n",
    ),
    "game_ended": (
        GameEnded(game_name="Quake", duration=61.0, avg_latency=23.4),
        "Quake took 61 s, latency 23 ms\n",
    ),
    "server_started": (
        ServerStarted(server_name="Friday LAN", game_name="Quake"),
        "Friday LAN is up: Quake\n",
    ),
    "server_stopped": (
        ServerStopped(server_name="Friday LAN", game_name="Quake", reason="crashed"),
        "Friday LAN is down: crashed\n",
    ),
    "party_ended": (
        PartyEnded(
            party_name="Friday LAN",
            since=datetime(2026, 3, 6, 20, tzinfo=UTC),
            duration=12_600,
            peak=12,
            visitors=14,
            players=("Ann", "Bob"),
            games=("Quake",),
        ),
        "Friday LAN: 14 players in 3.5 h, 12 at once\n",
    ),
    "notification": (Notification(title="Pizza", message="It is here."), "Pizza: It is here.\n"),
}


def load_example(name: str) -> ModuleType:
    return make_module(f"example_{name}", (EXAMPLES / f"{name}.py").read_text("utf-8"))


def make_module(name: str, source: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(EXAMPLES / f"{name}.py")
    # Data classes and models look there for what their annotations name.
    sys.modules[name] = module
    exec(compile(source, module.__file__, "exec"), vars(module))
    return module


def test_each_hook_has_an_example_and_each_example_a_hook() -> None:
    hooks = {
        name for name, value in vars(hookspecs).items() if hasattr(value, "lanrage_events_spec")
    }

    assert {path.stem for path in EXAMPLES.glob("*.py")} == hooks


@pytest.mark.parametrize("name", SAMPLES)
async def test_the_example_of_a_hook_of_one_event_does_what_it_shows(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    event, expected = SAMPLES[name]
    async with EventBus() as bus:
        bus.register(load_example(name))
        await bus.publish_and_wait(event)

    assert capsys.readouterr().out == expected


async def test_the_example_of_the_hook_of_all_events_counts_them() -> None:
    example = load_example("event")
    async with EventBus() as bus:
        bus.register(example)
        for event, _ in SAMPLES.values():
            await bus.publish_and_wait(event)

    assert example.counted == dict.fromkeys(SAMPLES, 1)


async def test_the_example_of_the_hook_of_party_events_remembers_the_last() -> None:
    example = load_example("party_event")
    async with EventBus() as bus:
        bus.register(example)
        await bus.publish_and_wait(SAMPLES["party_created"][0])
        await bus.publish_and_wait(SAMPLES["peer_joined"][0])

    assert set(example.last_seen) == {"7"}
    assert example.last_seen["7"].startswith("party_created at ")


async def test_the_example_of_a_transform_hides_names_and_drops_bots() -> None:
    example = load_example("transform")
    recorder = RecordingPlugin()
    async with EventBus() as bus:
        bus.register(example, "privacy")
        bus.register(recorder)
        for name in ("Ann", "[BOT] Zed", "Cid"):
            await bus.publish(PeerJoined(peer_name=name, party_name="LAN"))

    assert [event.peer_name for event in recorder.of(PeerJoined)] == ["a player", "Cid"]


async def test_the_example_of_an_event_class_of_a_plugin_has_its_hook_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = load_example("register_events")
    async with EventBus() as bus:
        bus.register(example)
        await bus.publish_and_wait(example.MapChanged(map_name="q3dm17"))

    assert capsys.readouterr().out == "Now playing q3dm17\n"


async def test_the_example_of_a_lifespan_publishes_from_its_task() -> None:
    async with EventBus() as bus, bus.stream(Notification) as notifications:
        bus.register(load_example("lifespan"))
        assert (await anext(notifications)).title == "Stretch"


async def test_the_example_of_health_is_part_of_the_health_of_the_bus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    example = load_example("health")
    async with EventBus() as bus:
        bus.register(example, "disk")
        monkeypatch.setattr(example, "FREE_MIN_BYTES", 0)
        assert bus.health()["disk"].status == "ok"
        monkeypatch.setattr(example, "FREE_MIN_BYTES", 1 << 80)
        assert bus.health()["disk"].status == "degraded"
        assert "MB left for recordings" in bus.health()["disk"].detail


def test_the_example_of_validate_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    example = load_example("validate")
    bus = EventBus()
    bus.register(example, "sounds")
    monkeypatch.setattr(example, "PLAYER", "no-such-program")
    assert bus.plugins.validate() == [
        ("sounds", "the program 'no-such-program' is not installed, so no sound can be played")
    ]


def test_the_example_of_preview_shows_what_each_speaker_says() -> None:
    bus = EventBus()
    bus.register(load_example("preview"), "speakers")
    hall, bar = bus.plugins.preview(SAMPLES["peer_joined"][0])["speakers"]
    assert (hall.title, hall.text, hall.problems) == ("speaker 'hall'", "Welcome, Bob!", ())
    assert [str(problem) for problem in bar.problems] == ["speaker 'bar' has no text"]
    assert bus.plugins.preview(SAMPLES["peer_left"][0]) == {"speakers": []}


async def test_the_example_of_forget_removes_one_player() -> None:
    example = load_example("forget")
    async with EventBus() as bus:
        bus.register(example, "games")
        await bus.publish_and_wait(GameStarted(game_name="Quake", players=("Ann", "Bob")))
        assert (await forget(bus, "ann")).found == [
            Forgotten("plugin 'games'", {"counts of games": 1})
        ]

    assert example.games == {"Bob": 1}


async def test_the_example_of_template_folders_is_searched() -> None:
    async with EventBus() as bus:
        bus.register(load_example("template_folders"))
        assert EXAMPLES / "templates" in bus.template_folders()


async def test_the_example_of_templates_that_change_reads_them_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ticker" / "event.yaml"
    file.parent.mkdir()
    file.write_text("text: one", encoding="utf-8")
    event, _ = SAMPLES["peer_joined"]
    async with EventBus(templates=[tmp_path]) as bus:
        bus.register(load_example("templates_changed"), "ticker")
        await bus.publish_and_wait(event)
        file.write_text("text: two", encoding="utf-8")
        assert bus.plugins.reload_templates().keys() == {"ticker"}
        await bus.publish_and_wait(event)

    assert capsys.readouterr().out == "one\ntwo\n"


async def test_the_example_of_written_files_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    event, _ = SAMPLES["peer_joined"]
    async with EventBus() as bus:
        bus.register(load_example("written_files"), "diary")
        await bus.publish_and_wait(event)
        assert bus.writer_of(tmp_path / "diary.jsonl") == "diary"


async def test_the_example_of_batches_keeps_each_event_once() -> None:
    example = load_example("event_batch")
    events = [event for event, _ in SAMPLES.values()]
    async with EventBus() as bus:
        bus.register(example)
        await bus.publish_many_and_wait([*events, events[0]], "all")

    assert example.archive.execute("SELECT count(*) FROM events").fetchone() == (len(events),)
    example.archive.close()


async def test_the_example_of_routes_answers_and_refuses() -> None:
    example = load_example("http_routes")
    async with EventBus() as bus:
        bus.register(example, "seats")
        find, take = bus.query("http_routes")["seats"]
        await take.handler(RouteRequest(body=example.Seat(player="Bob", number=2)))
        assert (await find.handler(RouteRequest(path={"player": "Bob"}))).number == 2
        with pytest.raises(RouteError, match="no player called Cy has a seat"):
            await find.handler(RouteRequest(path={"player": "Cy"}))


async def test_the_example_of_a_page_has_its_script() -> None:
    async with EventBus() as bus:
        bus.register(load_example("http_pages"), "seats")
        [page] = bus.query("http_pages")["seats"]

    assert "export default function mount(root, host)" in (page.folder / page.script).read_text()


async def test_the_example_of_an_invite_has_one() -> None:
    async with EventBus() as bus:
        bus.register(load_example("invite_url"), "mumble")
        assert bus.query("invite_url") == {"mumble": "mumble://voice.example.org/lobby"}


async def test_the_example_of_a_mention_trusts_ids_alone() -> None:
    async with EventBus() as bus:
        bus.register(load_example("mention_player"), "seats")
        for id, user in (
            ("STEAM_0:1:4242", "123456789012345678"),
            ("STEAM_0:1:1", None),
            (None, None),
        ):
            event = PeerJoined(peer_name="Ann", party_name="LAN", peer_id=id)
            assert bus.query("mention_player", "Ann", event) == {"seats": user}


async def test_the_example_of_metrics_tells_one() -> None:
    async with EventBus() as bus:
        bus.register(load_example("metrics"), "disk")
        [metric] = bus.query("metrics")["disk"]

    assert metric.name == "disk_free_bytes"
    assert metric.samples[0].value > 0


@pytest.mark.slow
async def test_the_example_of_an_outbox_shows_what_waits() -> None:
    async with EventBus() as bus:
        bus.register(load_example("outbox"), "mail")
        await bus.publish_and_wait(SAMPLES["peer_joined"][0], "durable")
        outbox = bus.query("outbox")["mail"]
        [entry] = await outbox.pending()
        assert entry.label == "peer_joined"


def python_blocks(page: Path) -> Iterator[str]:
    text = written(page.read_text("utf-8"))
    return iter(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_of_a_page_imports_names_that_exist(page: Path) -> None:
    for block in python_blocks(page):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "lanrage_events"
            ):
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


async def test_the_plugins_on_the_page_of_hooks_can_be_registered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    module, with_tasks, with_settings, with_secret, with_store, source, threaded, in_the_demo = (
        make_module(f"example_on_page_{number}", block)
        for number, block in enumerate(python_blocks(ROOT / "docs" / "hooks.md"))
    )
    config = with_settings.WelcomeConfig(greeting="Hello")
    async with EventBus() as bus:
        bus.register(module)
        bus.register(with_settings.WelcomePlugin(config))
        bus.register(with_store.CounterPlugin())
        bus.register(with_tasks.ClockPlugin())
        await bus.publish_and_wait(SAMPLES["peer_joined"][0])

    assert list(with_secret.PagerConfig.model_fields) == ["token"]
    assert source.BossBeaten.type == "boss_beaten"
    printed = sorted(capsys.readouterr().out.splitlines())
    assert printed == ["Bob is number 1", "Hello, Bob!", "Welcome, Bob!"]
    other_bus = EventBus()
    other_bus.register(threaded)
    assert other_bus.plugins.validate() == []
    [(_, events)] = in_the_demo.Demo().scenes()
    assert in_the_demo.Demo().lines(events) == ["the cat has seen 1 of it"]
