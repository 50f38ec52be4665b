"""The reference is whole: a setting, hook, event, command, route, metric or exception is in it."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import operator
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_args

import blocks
import command_reference
import event_reference
import http_reference
import pytest
import settings_reference
from cyclopts import App
from pydantic import BaseModel

import lanrage_events
from lanrage_events import EventBus, config, hookspecs, outbox, templates, testing
from lanrage_events._daemon import check
from lanrage_events._discovery import Catalog
from lanrage_events.cli import ExitCode
from lanrage_events.config._models import CommonConfig, Settings
from lanrage_events.events import COMMON_FIELDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SETTINGS = DOCS / "examples" / "settings"
BUILT_IN = ("discord", "http", "log", "logfile", "parties", "presence", "webhook")
PARTS = ("daemon", "every-plugin", *BUILT_IN)
SECRET = "https://discord.com/api/webhooks/123456789012345678/made-up-token-" + "x" * 54


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def parts(name: str, kind: str) -> list[str]:
    """Return the arguments of the parts of a page that are generated and of one kind."""
    words = [words.partition(" ") for words, _ in blocks.generated(page(name))]
    return [arguments for first, _, arguments in words if first == kind]


def keys_of(annotation: object) -> Iterator[str]:
    """Yield the keys of a model and of all models within."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, info in annotation.model_fields.items():
            yield info.alias or name
            yield from keys_of(info.annotation)

    for argument in get_args(annotation):
        yield from keys_of(argument)


@pytest.mark.slow
@pytest.mark.real_clock
def test_what_is_generated_is_up_to_date() -> None:
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    result = subprocess.run(
        command, check=False, capture_output=True, encoding="utf-8", timeout=120
    )

    assert (result.stdout, result.returncode) == ("", 0), result.stderr


def test_every_plugin_has_its_settings_on_the_page() -> None:
    ours = {
        name
        for name in settings_reference.plugin_names()
        if Catalog.discover().load(name).source.distribution == "lanrage-events"
    }
    assert ours == set(BUILT_IN)
    assert parts("settings", "settings") == list(PARTS)
    assert {path.stem for path in SETTINGS.glob("*.yaml")} == set(PARTS)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_key_is_described_with_type_default_and_example(part: str) -> None:
    model = {"daemon": Settings, "every-plugin": CommonConfig}.get(part)
    model = model or Catalog.discover().load(part).config_class
    described = settings_reference.settings_of(part)
    paths = {re.split(r"[.\]]", setting.path)[-1] for setting in described}

    assert paths == set(keys_of(model))
    text = "\n".join(settings_reference.lines(part, SETTINGS))
    for block in text.split("### ")[1:]:
        facts = block.splitlines()[2]
        is_section = "section" in facts
        assert facts.startswith("*"), block
        assert is_section or "; default: " in facts or facts.endswith(", required"), block
        assert is_section or "Example: `" in block, block


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_the_examples_of_settings_are_valid(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISCORD", "GAMES", "FORUM"):
        monkeypatch.setenv(f"{name}_WEBHOOK_URL", SECRET)

    monkeypatch.setenv("LANRAGE_EVENTS_TOKEN", "made-up-token-0123")
    monkeypatch.setenv("GAMEBOX_TOKEN", "made-up-token-4567")
    monkeypatch.setenv("NTFY_TOKEN", "made-up-token-8901")
    monkeypatch.setenv("API_KEY", "made-up-key")
    monkeypatch.setenv("SIGNING_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    for folder in ("my-templates/discord", "plugins"):
        (tmp_path / folder).mkdir(parents=True)

    # The files that they name exist on the reader's machine.
    for name in ("quake/server.log", "mc/logs/latest.log", "tf2/tf/logs/1.log", "lanrage/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    path = tmp_path / "lanrage.yaml"
    text = (SETTINGS / f"{part}.yaml").read_text("utf-8")
    path.write_text(re.sub(r"/(srv|var/log)/", f"{tmp_path}/", text), "utf-8")
    checked = check(path)
    config, bus = checked.draft.config(), checked.bus

    # The example of one plugin may name another one.
    assert [text for text in config.warnings if "no plugin is named" not in text] == []
    assert bus.plugins.validate() == []


def test_a_key_without_an_example_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log.yaml").write_text("plugins:\n  log: {path: a}\n", "utf-8")

    with pytest.raises(ValueError, match=r"plugins\.log\.format has no example"):
        list(settings_reference.lines("log", tmp_path))


def test_every_environment_variable_is_on_the_page_of_settings() -> None:
    sources = [*(ROOT / "lanrage_events").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    named = {
        name
        for path in sources
        for name in re.findall(r"\b(LANRAGE_EVENTS_[A-Z_]+)\b", path.read_text("utf-8"))
    }

    assert len(named) >= 6
    for name in named:
        assert f"`{name}`" in page("settings"), name


def test_every_hook_is_on_the_page_of_hooks() -> None:
    # They yield all there are, in two parts.
    assert parts("hooks", "hooks") == ["events", "others"]
    assert any(hasattr(value, "lanrage_events_spec") for value in vars(hookspecs).values())


def test_every_event_is_described_with_an_example_that_is_one() -> None:
    assert parts("events", "events") == [""]
    text = "\n".join(event_reference.lines())
    registry = EventBus().events
    examples = re.findall(r"^(\{.*\})$", text, re.MULTILINE)

    assert [json.loads(line)["type"] for line in examples] == [cls.type for cls in registry.types()]
    for cls, line in zip(registry.types(), examples, strict=True):
        assert type(registry.from_json(line)) is cls
        assert f"### `{cls.type}`\n" in text
        for name in registry.json_schema(cls.type)["properties"]:
            assert name in COMMON_FIELDS or f"- `{name}`: " in text


@pytest.mark.slow
def test_every_command_is_described_with_its_options() -> None:
    described = parts("commands", "command")
    assert sorted(described) == sorted(command_reference.commands())
    for name in described:
        app = functools.reduce(operator.getitem, name.split(), command_reference.make_app())
        text = "\n".join(command_reference.lines(name))
        arguments = app.assemble_argument_collection().filter_by(show=True)
        assert re.findall(r"^\* `(?:CONFIG, )?([\w-]+)", text, re.MULTILINE) == [
            argument.name.removeprefix("*") for argument in arguments
        ]


def test_a_parameter_without_a_description_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fly(*, high: bool = False) -> None:
        """Fly away."""

    app = App("lanrage-events")
    app.command(fly)
    monkeypatch.setattr(command_reference, "make_app", lambda: app)

    with pytest.raises(ValueError, match="fly: --high, --no-high has no description"):
        list(command_reference.lines("fly"))


@pytest.mark.slow
def test_a_command_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no command 'fly'"):
        list(command_reference.lines("fly"))


def test_every_exit_code_is_on_the_page_of_commands() -> None:
    assert re.findall(r"^\| (\d+) \|", page("commands"), re.MULTILINE) == [
        str(code.value) for code in ExitCode
    ]


@pytest.mark.slow
@pytest.mark.real_clock
def test_every_route_and_every_metric_is_described() -> None:
    assert parts("http-reference", "routes") == [""]
    assert parts("http-reference", "metrics") == [""]
    described = http_reference.described()
    routes = "\n".join(http_reference.route_lines())
    metrics = "\n".join(http_reference.metric_lines())

    for method, path, _ in described.routes():
        assert f"### `{method} {path}`\n" in routes

    for plugin in ("discord", "outbox", "events"):
        assert f"/api/{plugin}" in routes

    figures = {figure.name: figure for figure in described.figures()}
    for prefix in ("lane", "outbox", "plugin", "http", "logfile", "party", "presence"):
        assert any(name.startswith(f"lanrage_{prefix}_") for name in figures)

    for name, figure in figures.items():
        assert f"| `{name}` |" in metrics
        assert figure.help

    assert figures["lanrage_lane_failed_total"].labels == ("lane", "plugin", "reason")


def public(module: ModuleType) -> dict[str, object]:
    """Return what a module offers of ours."""
    values = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    return {
        name: value
        for name, value in values.items()
        if not inspect.ismodule(value)
        and name not in ("TYPE_CHECKING", "annotations")
        and getattr(value, "__module__", module.__name__).startswith("lanrage_events")
    }


def test_every_exception_is_on_the_page_of_errors() -> None:
    modules = [importlib.import_module(f"lanrage_events_{name}") for name in BUILT_IN]
    found = {
        name
        for module in (lanrage_events, config, outbox, templates, testing, *modules)
        for name, value in public(module).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }

    assert len(found) >= 20
    for name in found:
        assert re.search(
            rf"^{{exc}}`~lanrage_events\.(?:\w+\.)?{name}`\n: |`{name}`",
            page("errors"),
            re.MULTILINE,
        ), name


def test_the_page_of_the_api_lists_the_packages_of_its_sections() -> None:
    text = page("api")
    listed = re.findall(r"^\| `(lanrage_events[\w.]*)` \|", text, re.MULTILINE)
    packages = re.findall(r"^<!-- generated: api (\S+) ", text, re.MULTILINE)
    assert sorted(listed) == sorted({*packages, "lanrage_events.testing"})
    for package in packages:
        assert f"*Import from* `{package}`*:*" in text
