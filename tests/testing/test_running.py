from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import SecretStr

from lanrage_events import (
    Event,
    EventBus,
    PeerJoined,
    PluginHookError,
    PluginLoadError,
    PluginNotFound,
    PluginStartError,
    hookimpl,
)
from lanrage_events.config import ConfigError, ConfigModel, ConfigPath, Duration
from lanrage_events.testing import CheckedBus, make_plugin, running, sample


class GreeterConfig(ConfigModel):
    greeting: str = "Hello"
    pause: Duration = 1.0
    path: ConfigPath | None = None
    token: SecretStr | None = None
    names: tuple[str, ...] = ()


class GreeterPlugin:
    Config = GreeterConfig

    def __init__(self, config: GreeterConfig) -> None:
        self.config = config
        self.said: list[str] = []
        self.lives = 0

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        if self.config.greeting == "none":
            raise OSError("nothing to say")

        self.lives += 1
        yield
        self.lives -= 1

    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None:
        self.said.append(f"{self.config.greeting}, {event.peer_name}!")


class NoConfig:
    @hookimpl
    def event(self, event: Event) -> None:
        pass


def problems(plugin: type[object], config: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make_plugin(plugin, config)

    return caught.value.problems


async def test_a_plugin_is_made_of_plain_data_and_runs_within_the_block(bus: CheckedBus) -> None:
    async with running(bus, GreeterPlugin, {"greeting": "Hi"}) as greeter:
        assert greeter.lives == 1
        assert bus.plugins == {"greeter": greeter}
        await bus.publish(sample(PeerJoined, peer_name="Ann"))

    assert greeter.said == ["Hi, Ann!"]
    assert greeter.lives == 0
    assert bus.plugins == {}


async def test_a_plugin_that_unregistered_itself_is_no_error(bus: CheckedBus) -> None:
    async with running(bus, GreeterPlugin, name="mine") as greeter:
        await bus.unregister("mine")

    assert greeter.lives == 0


async def test_keys_that_every_plugin_has_work(bus: CheckedBus) -> None:
    config = {"mailbox": {"size": 3, "when_full": "block"}, "hook_timeout": "5s"}
    async with running(bus, NoConfig, config, name="one"):
        statistics = bus.statistics().plugins["one"]
        assert (statistics.size, statistics.when_full) == (3, "block")


async def test_a_plugin_that_cannot_start_raises(bus: CheckedBus) -> None:
    with pytest.raises(PluginStartError, match="nothing to say"):
        async with running(bus, GreeterPlugin, {"greeting": "none"}):
            pass


async def test_a_plugin_without_hooks_is_rejected(bus: CheckedBus) -> None:
    with pytest.raises(PluginHookError, match="is @hookimpl missing"):
        async with running(bus, type("Idle", (), {})):
            pass


def test_values_are_read_as_in_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREETING", "Servus")
    config = {"greeting": "${GREETING}", "pause": "1m", "names": ("Ann", "Ben")}
    made = make_plugin(GreeterPlugin, config)
    assert (made.config.greeting, made.config.pause) == ("Servus", 60)
    assert made.config.names == ("Ann", "Ben")


def test_paths_start_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_plugin(GreeterPlugin, {"path": "a.txt"}).config.path == tmp_path / "a.txt"
    given = make_plugin(GreeterPlugin, {"path": tmp_path / "b.txt"}).config.path
    assert given == tmp_path / "b.txt"


def test_errors_are_those_of_the_yaml_file_all_at_once() -> None:
    assert problems(GreeterPlugin, {"greting": "Hi", "pause": 3, "hook_timeout": "0s"}) == (
        "plugins.greeter.greting: unknown key, did you mean 'greeting'?",
        "plugins.greeter.hook_timeout: must be more than 0s",
        "plugins.greeter.pause: a number alone is not a duration, add a unit: '500ms' or '2s'",
    )
    assert problems(NoConfig, {"x": 1}) == (
        "plugins.no_config.x: unknown key: this plugin has no keys of its own",
    )


def test_errors_show_no_secret() -> None:
    [problem] = problems(GreeterPlugin, {"token": ["made-up-token-for-this-test"]})
    assert "made-up" not in problem


def test_what_yaml_does_not_have_is_rejected_with_its_place() -> None:
    with pytest.raises(TypeError, match=r"config\.names\.0: write SecretStr as in a YA"):
        make_plugin(GreeterPlugin, {"names": [SecretStr("x")]})


def test_the_extra_of_the_daemon_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("platformdirs", "structlog", "cyclopts"):
        monkeypatch.setitem(sys.modules, name, None)

    assert make_plugin(GreeterPlugin).config.greeting == "Hello"


def test_a_plugin_whose_class_raises_cannot_be_made() -> None:
    class Refusing:
        def __init__(self) -> None:
            raise LookupError("no dice")

    with pytest.raises(PluginLoadError, match="'refusing': cannot be made .*no dice"):
        make_plugin(Refusing)


def test_a_plugin_is_found_by_the_name_of_its_entry_point(tmp_path: Path) -> None:
    made = make_plugin("log", {"path": tmp_path / "events.jsonl"})
    assert type(made).__name__ == "LogPlugin"
    with pytest.raises(PluginNotFound, match="did you mean 'log'"):
        make_plugin("lok")


def test_errors_name_the_key_that_was_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"plugins\.audit\.pth: unknown key"):
        make_plugin("log", {"pth": "x"}, name="audit")


async def test_a_single_file_is_a_plugin(bus: CheckedBus, tmp_path: Path) -> None:
    file = tmp_path / "welcome.py"
    file.write_text(
        "from lanrage_events import PeerJoined, hookimpl\n"
        "said = []\n"
        "@hookimpl\n"
        "def peer_joined(event: PeerJoined) -> None:\n"
        "    said.append(event.peer_name)\n",
        "utf-8",
    )
    async with running(bus, file) as welcome:
        assert list(bus.plugins) == ["welcome"]
        await bus.publish(sample(PeerJoined, peer_name="Ann"))

    assert isinstance(welcome, ModuleType)
    assert welcome.said == ["Ann"]


async def test_a_module_and_a_file_with_a_class_are_plugins(
    bus: CheckedBus, tmp_path: Path
) -> None:
    file = tmp_path / "polite.py"
    file.write_text(
        "from lanrage_events import Event, hookimpl\n"
        "from lanrage_events.config import ConfigModel\n"
        "class Plugin:\n"
        "    class Config(ConfigModel):\n"
        "        word: str\n"
        "    def __init__(self, config):\n"
        "        self.word = config.word\n"
        "    @hookimpl\n"
        "    def event(self, event: Event) -> None:\n"
        "        pass\n",
        "utf-8",
    )
    async with running(bus, file, {"word": "please"}) as polite:
        assert polite.word == "please"

    module = ModuleType("some.listening")
    module.event = hookimpl(lambda event: None)  # type: ignore[attr-defined]
    async with running(bus, module):
        assert list(bus.plugins) == ["listening"]


async def test_a_plugin_that_is_made_already_runs_within_the_block(bus: CheckedBus) -> None:
    made = GreeterPlugin(GreeterConfig())
    async with running(bus, made) as greeter:
        assert greeter is made
        assert list(bus.plugins.values()) == [made]

    assert bus.plugins == {}
    with pytest.raises(TypeError, match="already exists, so it takes no config"):
        async with running(bus, made, {"greeting": "Hi"}):
            pass


def test_what_is_made_already_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="expected a plugin's class, module, file or name"):
        make_plugin(GreeterPlugin(GreeterConfig()))  # type: ignore[call-overload]


def test_a_class_without_a_file_is_a_plugin_too() -> None:
    namespace: dict[str, object] = {"__name__": "typed_in"}
    exec("class Typed: pass", namespace)
    made = make_plugin(namespace["Typed"])  # type: ignore[call-overload]
    assert type(made).__name__ == "Typed"
    assert "typed_in" not in sys.modules
