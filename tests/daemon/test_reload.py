from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import Event, EventBus, PeerJoined, Redactor, hookimpl
from lanrage_events._daemon import Reloader, check_again
from lanrage_events._discovery import import_file
from lanrage_events.config._load import load_config
from lanrage_events.config._models import DaemonConfig

PLUGIN = """
from contextlib import asynccontextmanager
from lanrage_events import hookimpl
from lanrage_events.config import ConfigModel

class Plugin:
    log = []
    all_broken = False

    class Config(ConfigModel):
        greeting: str = "hello"
        broken: bool = False

    def __init__(self, config):
        self.config = config

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus):
        if self.config.broken or self.all_broken:
            raise OSError("cannot start")

        self.log.append(f"start {self.config.greeting}")
        yield
        self.log.append(f"stop {self.config.greeting}")

    @hookimpl
    async def peer_joined(self, event):
        self.log.append(f"{self.config.greeting} {event.peer_name}")
"""


class Scene:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "lanrage.yaml"
        (folder / "plugins").mkdir()
        (folder / "plugins" / "greeter.py").write_text(PLUGIN, encoding="utf-8")

    def write(self, plugins: str, more: str = "") -> None:
        text = f"plugins_folder: plugins\n{more}plugins:\n{plugins}"
        self.file.write_text(text, encoding="utf-8")

    async def load(self, running: DaemonConfig) -> DaemonConfig:
        return check_again(running, Redactor())

    @property
    def greeter(self) -> Any:
        return import_file(self.file.parent / "plugins" / "greeter.py").Plugin

    @property
    def log(self) -> list[str]:
        log: list[str] = self.greeter.log
        return log

    @asynccontextmanager
    async def running(self, *, named: bool = True) -> AsyncIterator[tuple[EventBus, Reloader]]:
        config = load_config(self.file if named else None)
        bus = EventBus(state_folder=config.state_folder, templates=config.settings.templates)
        for plugin in config.plugins:
            bus.register(plugin.make(), plugin.name, **plugin.options())

        async with bus:
            yield bus, Reloader(bus, config, self.load)


@pytest.fixture
def scene(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Scene:
    caplog.set_level(logging.INFO)
    return Scene(tmp_path)


def joined(name: str) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="LAN")


ECHO = """
from lanrage_events import hookimpl
from lanrage_events.config import ConfigModel

said = []

class Config(ConfigModel):
    word: str

class Echo:
    def __init__(self, config):
        self.config = config

    @hookimpl
    def peer_joined(self, event):
        said.append(f"VERSION {self.config.word} {event.peer_name}")
"""


async def test_a_class_in_a_file_has_instances_and_is_replaced_when_the_file_changes(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    echo = scene.file.parent / "plugins" / "echo.py"
    write(echo, ECHO)
    scene.write("  echo: {word: hello}\n  other: {use: echo, word: moin}\n")
    async with scene.running() as (bus, reloader):
        await bus.publish_and_wait(joined("Ann"))
        assert sorted(import_file(echo).said) == ["VERSION hello Ann", "VERSION moin Ann"]
        write(echo, ECHO.replace("VERSION", "2nd"))
        scene.write("  echo: {word: hello}\n  other: {use: echo, word: moin}\n")
        assert await reloader.reload()
        assert "reloaded: echo changed, other changed" in caplog.text
        await bus.publish_and_wait(joined("Ben"))
        assert sorted(import_file(echo).said) == ["2nd hello Ben", "2nd moin Ben"]
        scene.write("  echo: {word: hello}\n  other:\n    use: echo\n    wort: moin\n")
        assert not await reloader.reload()
        assert "lanrage.yaml:6:5: plugins.other.wort: unknown key, did you mean 'word'?" in (
            caplog.text
        )
        write(echo, ECHO.replace("Echo:", "Echo(:"))
        assert not await reloader.reload()
        assert f"{echo}:10: SyntaxError" in caplog.text


def write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


async def test_only_what_changed_is_replaced(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n  other: {use: greeter, greeting: moin}\n  third: {use: greeter}\n")
    async with scene.running() as (bus, reloader):
        scene.log.clear()
        scene.write(
            "  greeter: {}\n  other: {use: greeter, greeting: servus}\n  new: {use: greeter}\n"
        )
        assert await reloader.reload()
        assert scene.log == ["stop hello", "stop moin", "start servus", "start hello"]
        assert set(bus.health()) == {"greeter", "other", "new"}
        assert "reloaded: third ended, other changed, new started" in caplog.text
        scene.log.clear()
        assert await reloader.reload()
        assert not scene.log
        assert "reloaded: no plugin changed" in caplog.text


async def test_bad_file_changes_nothing_and_is_reported(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n")
    async with scene.running() as (bus, reloader):
        scene.log.clear()
        scene.write("  greeter: {greting: moin}\n  nobody: {}\n")
        assert not await reloader.reload()
        assert not scene.log
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log == ["hello Ann"]

    assert "did you mean 'greeting'?" in caplog.text
    assert "everything continues unchanged" in caplog.text


async def reject(scene: Scene, reloader: Reloader) -> str:
    """Return why a reload is rejected, after checking that it changes nothing."""
    before = reloader.config
    scene.log.clear()
    assert not await reloader.reload()
    assert reloader.result.is_invalid
    assert reloader.config is before
    assert not scene.log
    *problems, last = reloader.result.messages
    assert last == "the configuration has errors, so everything continues unchanged"
    return "\n".join(problems)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["lanrage.yaml", "soft", "hard"])
async def test_a_log_that_would_write_to_the_configuration_is_rejected(
    scene: Scene, tmp_path: Path, path: str
) -> None:
    scene.write("  greeter: {}\n  log: {path: events.jsonl}\n")
    (tmp_path / "soft").symlink_to("lanrage.yaml")
    (tmp_path / "hard").hardlink_to(scene.file)
    async with scene.running() as (bus, reloader):
        scene.write(f"  greeter: {{greeting: moin}}\n  log: {{path: {path}}}\n")
        text = scene.file.read_text(encoding="utf-8")
        assert await reject(scene, reloader) == (
            f"{scene.file}:4:15: plugins.log.path: it writes events to this configuration file: "
            "change its path"
        )
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log == ["hello Ann"]

    assert scene.file.read_text(encoding="utf-8") == text
    assert "Ann" in (tmp_path / "events.jsonl").read_text(encoding="utf-8")


GAME_LOG = (
    "  game: {use: logfile, path: %s, poll: 1s, "
    "patterns: {notification: '(?P<title>.*)'}, fields: {notification: {message: x}}}\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["game.log", "*.log"])
@pytest.mark.either_backend
async def test_a_log_that_would_write_to_a_followed_file_is_rejected(
    scene: Scene, tmp_path: Path, name: str
) -> None:
    game = tmp_path / "game.log"
    game.touch()
    followed = GAME_LOG % f"'{name}'"
    scene.write(f"  log: {{path: events.jsonl}}\n{followed}")
    async with scene.running() as (bus, reloader):
        scene.write(f"  log: {{path: game.log}}\n{followed}")
        assert "the plugin 'log' writes events to it" in await reject(scene, reloader)
        await bus.publish_and_wait(joined("Ann"))
        assert not game.read_text(encoding="utf-8")
        scene.write(f"  log: {{path: other.jsonl}}\n{followed}")
        assert await reloader.reload()


async def test_a_followed_file_that_the_log_writes_to_is_rejected(
    scene: Scene, tmp_path: Path
) -> None:
    (tmp_path / "game.log").touch()
    scene.write(f"  log: {{path: events.jsonl}}\n{GAME_LOG % 'game.log'}")
    async with scene.running() as (_, reloader):
        scene.write(f"  log: {{path: events.jsonl}}\n{GAME_LOG % 'events.jsonl'}")
        assert "the plugin 'log' writes events to it" in await reject(scene, reloader)


# What `check` rejects, however it finds it.
REJECTED = {
    "route": ("", "  discord: {routes: [{events: [peer_joind]}]}\n", "did you mean 'peer_joined'?"),
    "folder": ("", "  log: {path: gone/events.jsonl}\n", "create the folder "),
    "state": ("state_folder: lanrage.yaml\n", "  discord: {}\n", "is a file: name a folder"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REJECTED)
@pytest.mark.either_backend
async def test_what_a_check_rejects_is_rejected(scene: Scene, name: str) -> None:
    more, plugins, message = REJECTED[name]
    scene.write("  greeter: {}\n")
    async with scene.running() as (_, reloader):
        scene.write(f"  greeter: {{greeting: moin}}\n{plugins}", more)
        assert message in await reject(scene, reloader)


async def test_what_a_plugin_finds_does_not_end_the_one_that_runs(
    scene: Scene, tmp_path: Path
) -> None:
    """Such as a folder that was removed while its file is open."""
    (tmp_path / "logs").mkdir()
    scene.write("  greeter: {}\n  log: {path: logs/events.jsonl}\n")
    async with scene.running() as (bus, reloader):
        (tmp_path / "logs").rename(tmp_path / "moved")
        assert "create the folder " in await reject(scene, reloader)
        await bus.publish_and_wait(joined("Ann"))
        assert set(bus.health()) == {"greeter", "log"}


async def test_a_file_that_is_missing_for_a_moment_changes_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scene.file = Path("lanrage.yaml")
    scene.write("  greeter: {}\n")
    async with scene.running(named=False) as (bus, reloader):
        text = scene.file.read_text(encoding="utf-8")
        scene.file.unlink()
        (tmp_path / "lanrage.yml").write_text("plugins: {}", encoding="utf-8")
        assert await reject(scene, reloader) == "lanrage.yaml: the file does not exist"
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log == ["hello Ann"]
        scene.file.write_text(text.replace("greeter: {}", "greeter: {greeting: moin}"))
        assert await reloader.reload()
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log[-1] == "moin Ann"


async def test_without_a_file_one_that_appears_is_read_and_kept_to(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANRAGE_EVENTS_PLUGINS", "greeter")
    scene.file = Path("lanrage.yaml")
    async with scene.running(named=False) as (bus, reloader):
        assert await reloader.reload()
        assert reloader.config.is_default
        scene.write("  greeter: {}\n")
        assert await reloader.reload()
        assert set(bus.health()) == {"greeter"}
        scene.file.unlink()
        assert await reject(scene, reloader) == "lanrage.yaml: the file does not exist"


async def test_plugin_that_cannot_start_as_it_is_now_goes_on_as_it_was(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n")
    async with scene.running() as (bus, reloader):
        scene.write("  greeter: {broken: true}\n  new: {use: greeter, broken: true}\n")
        assert not await reloader.reload()
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log[-1] == "hello Ann"
        assert "plugin 'greeter': is not replaced: could not start: OSError: " in caplog.text
        assert "the old one runs again" in caplog.text
        assert "plugin 'new' is not started: " in caplog.text
        assert [plugin.name for plugin in reloader.config.plugins] == ["greeter"]
        scene.write("  greeter: {}\n  new: {use: greeter, greeting: moin}\n")
        assert await reloader.reload()
        assert "new" in bus.health()


async def test_nothing_pending_is_lost(scene: Scene) -> None:
    scene.write("  greeter: {mailbox: {size: 5000}}\n")
    async with scene.running() as (bus, reloader):
        scene.log.clear()
        scene.write("  greeter: {greeting: moin, mailbox: {size: 5000}}\n")
        async with anyio.create_task_group() as tg:
            tg.start_soon(reloader.reload)
            for number in range(1000):
                bus.publish_nowait(joined(str(number)))

        await bus.drain()
        names = [line.split()[1] for line in scene.log if not line.startswith(("start", "stop"))]
        assert names == [str(number) for number in range(1000)]


async def test_secret_given_by_file_is_read_again(scene: Scene, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first", encoding="utf-8")
    scene.write("  greeter: {greeting: '${file:secret}'}\n")
    async with scene.running() as (_, reloader):
        secret.write_text("second", encoding="utf-8")
        assert await reloader.reload()
        assert scene.log[-1] == "start second"


async def test_keys_at_the_top_are_followed_or_said_to_wait(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n", "backend: asyncio\n")
    async with scene.running() as (bus, reloader):
        scene.log.clear()
        scene.write(
            "  greeter: {}\n", "backend: trio\ndrain_timeout: 3s\ntemplates: [my-templates]\n"
        )
        assert await reloader.reload()
        assert bus.plugins.drain_timeout == 3
        assert bus.template_folders()[0] == tmp_path / "my-templates"
        assert not scene.log
        assert "the change of backend takes effect at the next start" in caplog.text


async def test_unregistered_hook_of_a_new_plugin_is_rejected(scene: Scene, tmp_path: Path) -> None:
    class Recorder:
        @hookimpl
        def event(self, event: Event) -> None: ...

    wrong = PLUGIN.replace("peer_joined", "peer_joind")
    (tmp_path / "plugins" / "wrong.py").write_text(wrong, encoding="utf-8")
    scene.write("  greeter: {}\n")
    async with scene.running() as (bus, reloader):
        scene.write("  greeter: {}\n  wrong: {}\n")
        assert not await reloader.reload()
        assert set(bus.health()) == {"greeter"}


async def test_a_plugin_that_only_moved_in_the_file_knows_its_new_place(scene: Scene) -> None:
    scene.write("  greeter: {greeting: hi}\n")
    async with scene.running() as (bus, reloader):
        assert bus.plugins.source_location("greeter", "greeting") == f"{scene.file}:3:13"
        scene.write("  # one line more\n  greeter: {greeting: hi}\n")
        assert await reloader.reload()
        assert bus.plugins.source_location("greeter", "greeting") == f"{scene.file}:4:13"

    assert scene.log == ["start hi", "stop hi"]


async def test_where_neither_starts_a_reload_with_any_content_tries_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n")
    async with scene.running() as (bus, reloader):
        scene.greeter.all_broken = True
        scene.write("  greeter: {greeting: moin}\n")
        assert not await reloader.reload()
        assert "either, and is retried" in caplog.text
        assert bus.health()["greeter"].status == "failed"

        # The content is that of what ran before; nothing but the reload starts it by now.
        scene.greeter.all_broken = False
        scene.write("  greeter: {}\n")
        assert await reloader.reload()
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log[-1] == "hello Ann"
        assert bus.health()["greeter"].status == "ok"


async def test_a_reload_with_the_content_that_failed_tries_it_again(scene: Scene) -> None:
    scene.write("  greeter: {}\n")
    async with scene.running() as (bus, reloader):
        scene.greeter.all_broken = True
        scene.write("  greeter: {greeting: moin}\n  new: {use: greeter}\n")
        assert not await reloader.reload()
        scene.greeter.all_broken = False
        assert await reloader.reload()
        await bus.publish_and_wait(joined("Ann"))
        assert sorted(scene.log[-2:]) == ["hello Ann", "moin Ann"]


LIFESPAN = "    @hookimpl\n    @asynccontextmanager\n    async def lifespan(self, bus):\n"
# What stands in a class, or at the top of the file, and what is said about it.
BROKEN_PLUGINS = {
    "size": ("    mailbox_size = 'x'", "mailbox_size must be a whole number, not 'x'"),
    "policy": ("    when_full = 'maybe'", "must be one of block, drop_oldest, drop_newest"),
    "timeout": ("    hook_timeout = -1", "hook_timeout must be more than 0 seconds"),
    "exit": ("    def __init__(self): raise SystemExit(0)", "SystemExit: 0"),
    "base": ("    def __init__(self): raise BaseException('b')", "BaseException: b"),
    "module": ("raise SystemExit('no')", "SystemExit: no"),
    "syntax": ("def", "SyntaxError"),
    "hook": ("    @hookimpl\n    def peer_jond(self): ...", "did you mean 'peer_joined'?"),
    "type": ("    @hookimpl\n    def register_events(self): raise SystemExit", "SystemExit"),
    "start": (f"{LIFESPAN}        raise SystemExit\n        yield", "SystemExit"),
    "no_start": (
        f"{LIFESPAN}        await anyio.sleep_forever()\n        yield",
        "did not start within 30 seconds",
    ),
}
BROKEN_PLUGIN = """
import anyio
from contextlib import asynccontextmanager
from functools import partial
from lanrage_events import hookimpl
class Plugin:
    @hookimpl
    def event(self, event): ...
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN_PLUGINS)
@pytest.mark.parametrize("use", ["new", "changed"])
async def test_a_broken_plugin_is_reported_and_everything_else_goes_on(
    scene: Scene, caplog: pytest.LogCaptureFixture, name: str, use: str
) -> None:
    source, message = BROKEN_PLUGINS[name]
    file = scene.file.parent / "plugins" / f"{name}.py"
    file.write_text(f"{BROKEN_PLUGIN}{source}\n", encoding="utf-8")
    scene.write("  greeter: {}\n  other: {use: greeter}\n")
    async with scene.running() as (bus, reloader):
        broken = f"  {name}:\n" if use == "new" else f"  other: {{use: {name}}}\n"
        scene.write(f"  greeter: {{}}\n{broken}")
        assert not await reloader.reload()
        assert message in caplog.text
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log[-1] == "hello Ann"
        scene.write("  greeter: {}\n")
        assert await reloader.reload()
        assert list(bus.health()) == ["greeter"]


TICKER = """
from contextlib import asynccontextmanager
from lanrage_events import hookimpl
from lanrage_events.templates import TemplateLeaf, Templates

class Plugin:
    log = []

    def __init__(self):
        self.templates = Templates("ticker", (), {"text": TemplateLeaf()})

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus):
        self.log.append("start")
        self.templates.reload(bus.template_folders(), bus.events.types())
        yield

    @hookimpl
    def templates_changed(self, bus):
        self.log.append("templates")
        errors = self.templates.reload(bus.template_folders(), bus.events.types())
        return [error.as_problem() for error in errors]

    @hookimpl
    def event(self, event):
        self.log.append(self.templates.render(event).get("text"))
"""


@pytest.fixture
def words(scene: Scene, tmp_path: Path) -> Path:
    (tmp_path / "plugins" / "ticker.py").write_text(TICKER, encoding="utf-8")
    words = tmp_path / "words" / "ticker"
    words.mkdir(parents=True)
    (words / "event.yaml").write_text("text: one", encoding="utf-8")
    return words


def ticker_log(scene: Scene) -> list[str]:
    log: list[str] = import_file(scene.file.parent / "plugins" / "ticker.py").Plugin.log
    return log


async def test_changed_templates_are_read_by_the_plugins_that_use_them(
    scene: Scene, words: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  ticker: {}\n  greeter: {}\n", "templates: [words]\n")
    async with scene.running() as (bus, reloader):
        await bus.publish_and_wait(joined("Ann"))
        (words / "event.yaml").write_text("text: two", encoding="utf-8")
        assert await reloader.reload()
        await bus.publish_and_wait(joined("Ben"))

    assert ticker_log(scene) == ["start", "one", "templates", "two"]
    assert scene.log.count("start hello") == 1
    assert f"templates changed for ticker ({words / 'event.yaml'})" in caplog.text


async def test_a_changed_picture_of_a_template_is_a_change_of_it(
    scene: Scene, words: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture = words / "games" / "quake.png"
    picture.parent.mkdir()
    picture.write_bytes(b"one")
    scene.write("  ticker: {}\n", "templates: [words]\n")
    async with scene.running() as (_, reloader):
        assert await reloader.reload()
        picture.write_bytes(b"another")
        assert await reloader.reload()

    assert ticker_log(scene).count("templates") == 1
    assert f"templates changed for ticker ({picture})" in caplog.text


async def test_changed_words_are_read_like_templates(
    scene: Scene, words: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (words / "event.yaml").write_text("text: '{{ 3600 | duration }}'", encoding="utf-8")
    scene.write("  ticker: {}\n", "templates: [words, builtin:de]\n")
    own = words.parent / "words.yaml"
    async with scene.running() as (bus, reloader):
        await bus.publish_and_wait(joined("Ann"))
        own.write_text("hours: '{{ count }} Std'", encoding="utf-8")
        assert await reloader.reload()
        await bus.publish_and_wait(joined("Ben"))

    assert ticker_log(scene) == ["start", "1 h 0 min", "templates", "1 Std 0 min"]
    assert f"templates changed for ticker ({own})" in caplog.text


async def test_other_template_folders_are_read_without_replacing_a_plugin_that_can(
    scene: Scene, words: Path, tmp_path: Path
) -> None:
    scene.write("  ticker: {}\n  greeter: {}\n")
    async with scene.running() as (bus, reloader):
        before = bus.statistics().plugins["ticker"].handled
        await bus.publish_and_wait(joined("Ann"))
        scene.write("  ticker: {}\n  greeter: {}\n", "templates: [words]\n")
        assert await reloader.reload()
        await bus.publish_and_wait(joined("Ben"))
        assert reloader.watched_folders[0] == tmp_path / "words"
        assert bus.statistics().plugins["ticker"].handled == before + 2

    # A plugin that does not read templates again has no use for them, and may hold connections.
    assert scene.log.count("start hello") == 1
    assert ticker_log(scene)[-2:] == ["templates", "one"]


async def test_the_templates_and_types_of_a_plugin_that_comes_are_read_by_the_others(
    scene: Scene, words: Path, tmp_path: Path
) -> None:
    (tmp_path / "plugins" / "maps.py").write_text(
        "from dataclasses import dataclass\n"
        "from pathlib import Path\n"
        "from lanrage_events import Event, hookimpl\n"
        "@dataclass(frozen=True, kw_only=True, slots=True)\n"
        "class MapChanged(Event):\n"
        "    map_name: str\n"
        "@hookimpl\n"
        "def register_events():\n"
        "    return [MapChanged]\n"
        "@hookimpl\n"
        "def template_folders():\n"
        f"    return [Path({str(tmp_path / 'words')!r})]\n",
        encoding="utf-8",
    )
    (words / "map_changed.yaml").write_text("text: '{{ map_name }}'", encoding="utf-8")
    scene.write("  ticker: {}\n")
    async with scene.running() as (bus, reloader):
        scene.write("  ticker: {}\n  maps: {}\n")
        assert await reloader.reload()
        event = bus.events.from_dict({"type": "map_changed", "map_name": "q3dm17"})
        await bus.publish_and_wait(event)

    assert ticker_log(scene)[-1] == "q3dm17"


async def test_nothing_is_read_again_if_nothing_changed(
    scene: Scene, words: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  ticker: {}\n", "templates: [words]\n")
    async with scene.running() as (_, reloader):
        await reloader.reload()
        count = ticker_log(scene).count("templates")
        caplog.clear()
        assert await reloader.reload()

    assert ticker_log(scene).count("templates") == count
    assert "reloaded: no plugin changed" in caplog.text


async def test_a_plugin_that_fails_to_read_templates_goes_on(
    scene: Scene, words: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "plugins" / "ticker.py"
    file.write_text(
        TICKER.replace('self.log.append("templates")', 'raise OSError("no disk")'), encoding="utf-8"
    )
    scene.write("  ticker: {}\n", "templates: [words]\n")
    async with scene.running() as (bus, reloader):
        (words / "event.yaml").write_text("text: two", encoding="utf-8")
        assert await reloader.reload()
        await bus.publish_and_wait(joined("Ann"))

    assert "templates_changed" in caplog.text
    assert "no disk" in caplog.text


@pytest.mark.slow
async def test_a_template_with_errors_is_named_and_tried_again_by_the_next_reload(
    scene: Scene, words: Path, tmp_path: Path
) -> None:
    scene.write("  ticker: {}\n", "templates: [words]\n")
    async with scene.running() as (_, reloader):
        (words / "event.yaml").write_text("text: '{{'", encoding="utf-8")
        for _ in range(2):
            assert not await reloader.reload()
            messages = reloader.result.messages
            assert any(f"{words / 'event.yaml'}:1: text: " in message for message in messages)
            assert "the next reload tries again: the templates with errors" in messages[-1]

        (words / "event.yaml").write_text("text: two", encoding="utf-8")
        assert await reloader.reload()


# What is wrong in a file below the folder "words", and where.
BROKEN_WORDS = {
    "syntax": ("discord/peer_joined.yaml", "title: '{{'", ":1: title: "),
    "yaml": ("discord/event.yaml", "title: [", ":2:1: "),
    "key": ("discord/event.yaml", "titel: x", ":1:1: titel: unknown key"),
    "digest": ("discord/digest.yaml", "more: '{{ coutn }}'", ":1: more: "),
    "words": ("words.yaml", "hours: '{{ count | nope }}'", ":1: hours: "),
}


@pytest.mark.slow
@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("name", "plugin"),
    [*((name, "the same") for name in BROKEN_WORDS), ("syntax", "changed"), ("syntax", "new")],
)
@pytest.mark.either_backend
async def test_broken_templates_of_the_discord_plugin_are_an_error_until_they_are_right(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, plugin: str
) -> None:
    path, text, place = BROKEN_WORDS[name]
    file = tmp_path / "words" / path
    (tmp_path / "words" / "discord").mkdir(parents=True)
    top = "state_folder: state\ntemplates: [words]\n"
    scene.write("  discord: {}\n" if plugin != "new" else "  log: {}\n", top)
    async with scene.running() as (_, reloader):
        file.write_text(text, encoding="utf-8")
        section = "invite_url: https://discord.gg/x" if plugin != "the same" else ""
        scene.write(f"  discord: {{{section}}}\n", top)
        for _ in range(2):
            assert not await reloader.reload()
            assert not reloader.result.is_invalid
            messages = reloader.result.messages
            assert any(message.startswith(f"template {file}{place}") for message in messages)
            assert f"tries again: the templates with errors ({file}:" in messages[-1]

        # Once by what reads it, when it is read the first time and by each reload that tries again.
        logged = [r for r in caplog.records if r.getMessage().startswith(f"template {file}{place}")]
        assert len(logged) == 2
        file.unlink()
        assert await reloader.reload()
        assert await reloader.reload()


@pytest.mark.slow
@pytest.mark.real_clock
async def test_templates_that_were_broken_at_the_start_are_no_success(
    scene: Scene, tmp_path: Path
) -> None:
    (tmp_path / "words" / "discord").mkdir(parents=True)
    (tmp_path / "words" / "discord" / "event.yaml").write_text("titel: x", encoding="utf-8")
    scene.write("  discord: {}\n", "state_folder: state\ntemplates: [words]\n")
    async with scene.running() as (_, reloader):
        assert not await reloader.reload()
        assert "titel: unknown key" in reloader.result.messages[-2]


async def test_what_changed_is_checked_for_likely_mistakes(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n  log: {path: a.jsonl, include: [peer_joind]}\n")
    async with scene.running() as (_, reloader):
        scene.write("  greeter: {greeting: moin}\n  log: {path: a.jsonl, include: [peer_joind]}\n")
        assert await reloader.reload()
        assert "peer_joind" not in caplog.text
        scene.write("  greeter: {greeting: moin}\n  log: {path: b.jsonl, include: [peer_lft]}\n")
        assert await reloader.reload()

    [warning] = [record for record in caplog.records if "peer_lft" in record.getMessage()]
    assert warning.levelname == "WARNING"
    assert warning.getMessage() == (
        f"{scene.file}:4:34: plugins.log.include.0: no event type is named 'peer_lft', "
        "did you mean 'peer_left'?"
    )


async def test_changed_rules_apply_and_broken_ones_change_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def rules(text: str) -> None:
        scene.write("  greeter:\n", f"state_folder: state\nrules:\n{text}")

    rules("  - {where: {peer_name: '[BOT]*'}, drop: true}\n")
    async with scene.running() as (bus, reloader):
        rules("  - {where: {peer_name: Max}, drop: true}\n  - {hide: Ann, as: someone}\n")
        assert await reloader.reload()
        assert "reloaded: rules changed" in caplog.text
        for name in ("Max", "Ann", "[BOT] Bob"):
            await bus.publish_and_wait(joined(name))

        assert scene.log[-2:] == ["hello someone", "hello [BOT] Bob"]
        rules("  - {where: {peer_name: '*'}, drop: true}\n  - {hide: Ann, ass: someone}\n")
        assert not await reloader.reload()
        assert "lanrage.yaml:5:17: rules.1.ass: unknown key, did you mean 'as'?" in caplog.text
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log[-1] == "hello someone"
        rules("  - {hide: Ann, as: someone}\n  - {where: {peer_name: Max}, drop: true}\n")
        key = scene.file.parent / "state" / "rules-key.json"
        key.write_text("x")
        assert not await reloader.reload()
        assert "the rules continue unchanged" in caplog.text
        assert "the next reload tries again: rules" in caplog.text
        await bus.publish_and_wait(joined("Max"))
        assert scene.log[-1] == "hello someone"
        key.unlink()
        assert await reloader.reload()


PRIVACY = """
from contextlib import asynccontextmanager
from dataclasses import replace
from lanrage_events import PeerJoined, hookimpl
from lanrage_events.config import ConfigModel

class Plugin:
    transform_required = True

    class Config(ConfigModel):
        name: str
        broken: bool = False

    def __init__(self, config):
        self.config = config

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus):
        if self.config.broken:
            raise OSError("cannot start")

        yield

    @hookimpl
    def transform(self, event: PeerJoined):
        return replace(event, peer_name=f"{event.peer_name} {self.config.name}")
"""


async def test_transforms_follow_the_order_of_the_file_and_one_serves_until_another_has_started(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    (scene.file.parent / "plugins" / "privacy.py").write_text(PRIVACY, encoding="utf-8")
    scene.write("  a: {use: privacy, name: A}\n  b: {use: privacy, name: B}\n")
    seen: list[str] = []
    async with scene.running() as (bus, reloader):
        bus.subscribe(PeerJoined, lambda event: seen.append(event.peer_name))
        await bus.publish_and_wait(joined("1"))
        scene.write("  b: {use: privacy, name: B}\n  a: {use: privacy, name: A}\n")
        assert await reloader.reload()
        await bus.publish_and_wait(joined("2"))

        # Renamed, so the old one ends; but what may take its place does not start.
        scene.write("  b: {use: privacy, name: B}\n  c: {use: privacy, name: C, broken: true}\n")
        assert not await reloader.reload()
        await bus.publish_and_wait(joined("3"))
        assert "plugin 'a' still transforms events, since what may take its place" in caplog.text

        scene.write("  b: {use: privacy, name: B}\n  c: {use: privacy, name: C}\n")
        assert await reloader.reload()
        await bus.publish_and_wait(joined("4"))

    assert seen == ["1 A B", "2 B A", "3 B A", "4 B C"]
