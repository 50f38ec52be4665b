from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events import PluginLoadError, Redactor
from lanrage_events._discovery import Catalog
from lanrage_events._redaction import SECRET_MASK
from lanrage_events.cli import install_command
from lanrage_events.config import ConfigError
from lanrage_events.config._load import default_file, load_config
from lanrage_events.config._models import CommonConfig, DaemonConfig, LogConfig, Settings
from lanrage_events.config._types import MailboxConfig, format_duration

WEBHOOK = f"https://discord.com/api/webhooks/123456789012345678/{'made-up_' * 8}"
SECRET = "made-up-token-0123456789"

Load = Callable[..., DaemonConfig]

GREETER = """
    from lanrage_events import hookimpl
    from lanrage_events.config import ConfigModel

    class Config(ConfigModel):
        word: str = "Welcome"

    class Greeter:
        def __init__(self, config):
            self.config = config

        @hookimpl
        def peer_joined(self, event):
            pass
    """
PLUGINS = {
    "sample": '''
        """The plugin of the tests."""
        from typing import Literal

        from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

        from lanrage_events import hookimpl
        from lanrage_events.config import ConfigPath, Duration

        class Batch(BaseModel):
            window: Duration = Field(0.5, gt=0, le=60)
            style: Literal["digest", "embeds"] = "digest"

        class Route(BaseModel):
            key: SecretStr
            events: list[str] = []

        class Plugin:
            class Config(BaseModel):
                token: SecretStr | None = None
                batch: Batch = Batch()
                size: int = 5
                ratio: float = Field(0.5, ge=0.25, le=1)
                target: Batch | Route | None = None
                pair: tuple[int, str] = (1, "x")
                loud: bool = False
                name: str = Field("x", min_length=1, max_length=20)
                port: int = Field(8080, ge=1, le=65535)
                path: ConfigPath | None = None
                either: bool | Duration = False
                routes: list[Route] = Field([], max_length=3)
                webhooks: dict[str, Route] = {}

                @field_validator("token")
                @classmethod
                def check_token(cls, value):
                    if value is not None and "bad" in value.get_secret_value():
                        raise ValueError(f"no token: {value.get_secret_value()}")
                    return value

                @model_validator(mode="after")
                def check_all(self):
                    if self.name == "assert":
                        assert self.size == 0
                    if self.name == "conflict":
                        raise ValueError("at most one of 'token' and 'path'")
                    if self.name == "crash":
                        raise RuntimeError("crashed,\\nbadly")
                    return self

            def __init__(self, config):
                self.config = config

            @hookimpl
            def event(self, event):
                pass
        ''',
    "plain": """
        from lanrage_events import hookimpl

        class Plugin:
            @hookimpl
            def event(self, event):
                pass
        """,
    "module": """
        from lanrage_events import hookimpl

        @hookimpl
        def event(event):
            pass
        """,
    "hookless": "x = 1",
    "needy": """
        from pydantic import BaseModel, SecretStr
        from lanrage_events import hookimpl

        class Plugin:
            class Config(BaseModel):
                url: SecretStr
                needed: int

            def __init__(self, config):
                raise RuntimeError(f"cannot use {config.url.get_secret_value()}")

            @hookimpl
            def event(self, event):
                pass
        """,
    "broken": "import os\n1 / 0\n",
    "open": """
        from pydantic import BaseModel, ConfigDict
        from lanrage_events import hookimpl

        class Inner(BaseModel):
            x: int = 1

        class Plugin:
            class Config(BaseModel):
                model_config = ConfigDict(extra="allow")
                inner: Inner = Inner()

            def __init__(self, config):
                self.config = config

            @hookimpl
            def event(self, event):
                pass
        """,
}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    folder = tmp_path / "catalog"
    folder.mkdir()
    for name, source in PLUGINS.items():
        (folder / f"{name}.py").write_text(dedent(source), encoding="utf-8")

    return Catalog(()).with_folder(folder)


@pytest.fixture
def load(tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that writes a configuration file and loads it."""
    monkeypatch.chdir(tmp_path)

    def load(
        text: str | bytes,
        environment: Mapping[str, str] | None = None,
        *,
        redactor: Redactor | None = None,
        limit: str | None = None,
    ) -> DaemonConfig:
        file = Path("lanrage.yaml")
        file.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        known = catalog
        if limit is not None:
            known = Catalog(catalog.sources, limit=frozenset(limit.split(",")))

        return load_config(file, known, redactor=redactor, environment=environment or {})

    return load


@pytest.fixture
def problems(load: Load) -> Callable[..., list[str]]:
    """Return a function that gives what is wrong with a configuration, without the file's name."""

    def problems(text: str | bytes, environment: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, environment)

        assert str(caught.value) == "\n".join(caught.value.problems)
        assert caught.value.__cause__ is None
        assert all(problem.startswith("lanrage.yaml:") for problem in caught.value.problems)
        return [problem.removeprefix("lanrage.yaml:") for problem in caught.value.problems]

    return problems


Problems = Callable[..., list[str]]


def test_the_smallest_file_has_only_plugins(load: Load) -> None:
    config = load("plugins:\n  module:\n")
    assert config.file == Path("lanrage.yaml")
    assert [plugin.name for plugin in config.plugins] == ["module"]
    assert config.settings.model_dump() == {
        "state_folder": None,
        "backend": "asyncio",
        "drain_timeout": 10.0,
        "watch": False,
        "log": {"level": "info", "format": "console"},
        "templates": (),
        "plugins_folder": None,
        "rules": (),
    }
    assert config.warnings == ()


def test_every_key_has_its_effect(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "extra.py").write_text(dedent(PLUGINS["module"]), encoding="utf-8")
    config = load(
        """
        state_folder: /var/lib/lanrage
        backend: trio
        drain_timeout: 1m30s
        log: {level: debug, format: json}
        templates: [./one, /two]
        plugins_folder: ./mine
        plugins:
          sample:
            token: a-token-in-the-file
            batch: {window: 250ms}
            path: events.jsonl
            either: 5m
            mailbox: {size: 7, when_full: block}
            hook_timeout: 2s
            start_timeout: 3s
          audit: {use: sample, either: true, loud: on, path: /var/x}
          extra:
        """
    )
    settings = config.settings
    assert config.state_folder == settings.state_folder == Path("/var/lib/lanrage")
    assert (settings.backend, settings.drain_timeout) == ("trio", 90.0)
    assert (settings.log.level, settings.log.format) == ("debug", "json")
    assert settings.templates == (tmp_path / "one", Path("/two"))
    assert settings.plugins_folder == tmp_path / "mine"

    sample, audit, extra = config.plugins
    assert (sample.name, audit.name, extra.name) == ("sample", "audit", "extra")
    assert (sample.mailbox_size, sample.when_full, sample.hook_timeout) == (7, "block", 2.0)
    assert sample.options().get("start_timeout") == 3.0
    assert (audit.mailbox_size, audit.when_full, audit.hook_timeout) == (None, None, None)
    assert sample.place == "lanrage.yaml:9:3: plugins.sample"
    assert audit.plugin is sample.plugin
    assert sample.config is not None
    values = sample.config.model_dump()
    assert values["batch"]["window"] == 0.25
    assert values["path"] == tmp_path / "events.jsonl"
    assert values["either"] == 300.0
    assert audit.config is not None
    assert audit.config.model_dump()["either"] is True
    assert audit.config.model_dump()["loud"] is True
    assert extra.config is None


def test_a_plugin_is_made_from_its_section(load: Load) -> None:
    sample, plain, module = load("plugins:\n  sample: {size: 7}\n  plain:\n  module: {}\n").plugins
    made = sample.make()
    assert type(made) is sample.plugin.target
    assert made.config is sample.config  # type: ignore[attr-defined]
    assert type(plain.make()) is plain.plugin.target
    assert module.make() is module.plugin.target


def test_a_plugin_that_cannot_be_made_is_reported_by_its_name_without_secrets(load: Load) -> None:
    (plugin,) = load(f"plugins: {{mine: {{use: needy, url: {SECRET}, needed: 1}}}}").plugins
    with pytest.raises(PluginLoadError) as caught:
        plugin.make()

    assert caught.value.plugin == "mine"
    assert caught.value.reason.startswith("cannot be made (the file ")
    assert caught.value.reason.endswith(f"RuntimeError: cannot use {SECRET_MASK}")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_configuration_can_be_shown(load: Load) -> None:
    assert SECRET not in repr(load(f"plugins: {{sample: {{token: {SECRET}}}}}"))


def test_everything_wrong_is_reported_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    found = problems(
        """\
        # a comment
        backnd: trio
        backend: tri
        drain_timeout: 10
        log: {level: loud, colour: x}
        templates: ./x
        plugins:
          sample:
            batch:
              windw: 5s
              window: 5
              style: digst
            size: 1.5
            ratio: much
            loud: perhaps
            name: 2024
            port: 0
            either: what
            routes: [{events: x}, 5]
            mailbx: 3
            mailbox: {size: 0}
            hook_timeout: 0s
          smple:
          other: {use: module}
          plain: {color: 1, hooktimeout: 2s}
          needy: {url: 5}
          broken: {anything: 1}
          m d:
          four: 5
          five: {use: [x]}
        """
    )
    assert found == [
        "2:1: backnd: unknown key, did you mean 'backend'?",
        "3:10: backend: expected 'asyncio' or 'trio', did you mean 'trio'?",
        "4:16: drain_timeout: a number alone is not a duration, add a unit: '500ms' or '2s'",
        "5:14: log.level: expected 'debug', 'info', 'warning' or 'error'",
        "5:20: log.colour: unknown key, known are format and level",
        "6:12: templates: expected a list, found a text",
        "10:7: plugins.sample.batch.windw: unknown key, did you mean 'window'?",
        (
            "11:15: plugins.sample.batch.window: "
            "a number alone is not a duration, add a unit: '500ms' or '2s'"
        ),
        "12:14: plugins.sample.batch.style: expected 'digest' or 'embeds', did you mean 'digest'?",
        "13:11: plugins.sample.size: expected a whole number, found a number that is not whole",
        "14:12: plugins.sample.ratio: expected a number, found a text",
        "15:11: plugins.sample.loud: expected true or false, found a text",
        "16:11: plugins.sample.name: expected a text, found a number: put it in quotes",
        "17:11: plugins.sample.port: must be at least 1",
        (
            "18:13: plugins.sample.either: expected true or false, found a text, "
            "or expected a duration, such as '500ms', '2s', '5m' or '1h30m'"
        ),
        "19:14: plugins.sample.routes.0.key: required, but missing",
        "19:23: plugins.sample.routes.0.events: expected a list, found a text",
        (
            "19:27: plugins.sample.routes.1: expected keys with values, found a number: its keys are events "
            "and key"
        ),
        "20:5: plugins.sample.mailbx: unknown key, did you mean 'mailbox'?",
        "21:21: plugins.sample.mailbox.size: must be at least 1",
        "22:19: plugins.sample.hook_timeout: must be more than 0s",
        "23:3: plugins.smple: no such plugin is installed, did you mean 'sample'?",
        (
            "24:11: plugins.other.use: "
            "'module' is a module, which runs once and under its own name: no 'use' for it"
        ),
        "25:11: plugins.plain.color: unknown key: this plugin has no keys of its own",
        "25:21: plugins.plain.hooktimeout: unknown key, did you mean 'hook_timeout'?",
        "26:3: plugins.needy.needed: required, but missing",
        "26:16: plugins.needy.url: expected a text, found a number: put it in quotes",
        found[27],
        "28:3: plugins.m d: a plugin's name consists of letters, digits, '_', '-' and '.'",
        "29:3: plugins.four: expected keys with values below it, or nothing",
        "30:15: plugins.five.use: expected a text, found a list",
    ]
    assert found[27].startswith("27:3: plugins.broken: the plugin cannot be imported: ")
    assert found[27].endswith("broken.py:2: ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("batch:", "3:11: batch: expected keys with values, found nothing: its keys are style and window"),
        ("batch: {window: 2m}", "3:21: batch.window: must be at most 1m"),
        ("port: 70000", "3:11: port: must be at most 65535"),
        ("name: ''", "3:11: name: expected at least 1 character"),
        ("name: aaaaaaaaaaaaaaaaaaaaaaa", "3:11: name: expected at most 20 characters"),
        ("name: true", "3:11: name: expected a text, found true or false: put it in quotes"),
        ("name: [a]", "3:11: name: expected a text, found a list"),
        ("size: {a: 1}", "3:5: size: expected a whole number, found keys with values"),
        ("routes: [{key: a}, {key: a}, {key: a}, {key: a}]", "3:13: routes: expected at most 3 items"),
        ("webhooks: {main: {ky: 1, key: x}}", "3:23: webhooks.main.ky: unknown key, did you mean 'key'?"),
        ("webhooks: {main: {}}", "3:16: webhooks.main.key: required, but missing"),
        ("path: [$HOME]", "3:11: path: expected a path, found a list"),
        ("size: $SIZE", "3:11: size: expected a whole number, found a text (a variable is written ${SIZE})"),
        ("batch: {a: 1}", "3:13: batch.a: unknown key, known are style and window"),
        ("pair: {a: 1}", "3:5: pair: expected a list, found keys with values: begin each with '- '"),
        ("ratio: 2", "3:12: ratio: must be at most 1"),
        ("ratio: 0.2", "3:12: ratio: must be at least 0.25"),
        ("pair: [1]", "3:5: pair.1: required, but missing"),
        ("pair: [x, y]", "3:12: pair.0: expected a whole number, found a text"),
        ("path: ''", "3:11: path: expected a path, found an empty text"),
        ("path: 5", "3:11: path: expected a path, found a number"),
    ],
)  # fmt: skip
def test_each_mistake_is_reported_in_words(problems: Problems, section: str, problem: str) -> None:
    place, _, message = problem.partition(": ")
    assert problems(f"plugins:\n  sample:\n    {section}\n") == [
        f"{place}: plugins.sample.{message}"
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("conflict", "at most one of 'token' and 'path'"),
        ("crash", "cannot be checked: RuntimeError: crashed, badly"),
    ],
)
def test_a_mistake_of_the_whole_section_is_reported_at_its_key(
    problems: Problems, name: str, problem: str
) -> None:
    assert problems(f"plugins:\n  sample:\n    name: {name}\n") == [
        f"2:3: plugins.sample: {problem}"
    ]


def test_what_fits_no_member_of_a_union_is_reported_for_each(problems: Problems) -> None:
    assert problems("plugins:\n  sample:\n    target: {events: []}\n") == [
        "3:5: plugins.sample.target.key: required, but missing",
        "3:14: plugins.sample.target.events: not allowed here",
    ]


def test_a_failed_assertion_is_reported(problems: Problems) -> None:
    (problem,) = problems("plugins:\n  sample: {name: assert}\n")
    assert problem.startswith("2:3: plugins.sample: ")


def test_a_missing_or_unreadable_file_is_reported(tmp_path: Path) -> None:
    for file, reason in {
        tmp_path / "missing.yaml": "the file does not exist",
        tmp_path: "cannot be read: Is a directory",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load_config(file, Catalog(()))

        assert caught.value.problems == (f"{file}: {reason}",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1: plugins: required, but missing: it names the plugins to run"]),
        ("# nothing\n", ["1:1: plugins: required, but missing: it names the plugins to run"]),
        ("backend: trio", ["1:1: plugins: required, but missing: it names the plugins to run"]),
        ("- a", ["1:1: expected keys with values at the top, such as 'plugins:'"]),
        ("text", ["1:1: expected keys with values at the top, such as 'plugins:'"]),
        (
            "plugins: [module]",
            ["1:1: plugins: expected the names of plugins as keys, such as 'log:'"],
        ),
        (
            "plugin: {module: }",
            [
                "1:1: plugin: unknown key, did you mean 'plugins'?",
                "1:1: plugins: required, but missing: it names the plugins to run",
            ],
        ),
        ("plugins:\n\tlog:\n", ["2:1: a tab cannot stand here: use spaces"]),
        (b"\xff", ["1:1: this is not UTF-8 (byte 0xFF): save the file as UTF-8"]),
        ("a: 1\n---\nb: 1", ["2:1: a second document starts here: a file holds only one"]),
    ],
)
def test_a_file_of_another_shape_is_reported(
    problems: Problems, text: str | bytes, expected: list[str]
) -> None:
    assert problems(text) == expected


def test_duplicate_keys_are_reported_beside_other_problems(problems: Problems) -> None:
    assert problems("plugins:\n  module:\n  module:\nbackend: x\n") == [
        "3:3: duplicate key 'module', first at 2:3",
        "4:10: backend: expected 'asyncio' or 'trio'",
    ]


def test_a_built_in_set_of_templates_is_named_and_not_a_path(load: Load) -> None:
    config = load("templates: [builtin:de, 'builtin:en']\nplugins: {sample: }")
    german, english = config.settings.templates

    assert (german / "discord" / "peer_joined.yaml").is_file()
    assert (english / "discord" / "peer_joined.yaml").is_file()
    assert config.warnings == ()


def test_an_unknown_set_of_templates_is_reported_with_those_that_there_are(
    problems: Problems,
) -> None:
    unknown = "there is no built-in set of templates"
    known = "There are builtin:en and builtin:de"
    assert problems("templates: [builtin:dw, 'builtin:', builtin:german]\nplugins: {sample: }") == [
        f"1:13: templates.0: {unknown} 'builtin:dw', did you mean 'builtin:de'? {known}",
        f"1:25: templates.1: {unknown} 'builtin:', did you mean 'builtin:en'? {known}",
        f"1:37: templates.2: {unknown} 'builtin:german'. {known}",
    ]


def test_empty_keys_are_as_good_as_absent(load: Load) -> None:
    config = load(
        """
        state_folder:
        log:
        templates:
        drain_timeout:
        plugins_folder:
        plugins:
          sample:
            mailbox:
            hook_timeout:
            use:
        """
    )
    assert config.settings.log.level == "info"
    assert config.plugins[0].mailbox_size is None


def test_no_plugins_at_all_is_a_warning(load: Load) -> None:
    for text in ("plugins:", "plugins: {}"):
        assert load(text).warnings == (
            "lanrage.yaml:1:1: plugins: no plugin is named, so events go nowhere",
        )


def test_a_plugin_without_hooks_is_a_warning(load: Load) -> None:
    assert load("plugins:\n  hookless:\n").warnings == (
        "lanrage.yaml:2:3: plugins.hookless: the plugin implements no hook: is @hookimpl missing?",
    )


def test_what_the_limit_excludes_is_skipped_with_a_warning(load: Load) -> None:
    config = load(
        "plugins:\n  broken: {unchecked: 1}\n  mine: {use: sample}\n  module:\n",
        limit="module,typo",
    )
    assert [plugin.name for plugin in config.plugins] == ["module"]
    assert config.warnings == (
        "lanrage.yaml:1:1: plugins: LANRAGE_EVENTS_PLUGINS names 'typo', which is not installed",
        (
            "lanrage.yaml:2:3: plugins.broken: "
            "skipped, because LANRAGE_EVENTS_PLUGINS does not name 'broken'"
        ),
        (
            "lanrage.yaml:3:3: plugins.mine: "
            "skipped, because LANRAGE_EVENTS_PLUGINS does not name 'sample'"
        ),
    )


def test_what_hides_names_is_not_skipped(tmp_path: Path) -> None:
    (tmp_path / "privacy.py").write_text("import nothing\n\ntransform_required = True\n")
    (tmp_path / "lanrage.yaml").write_text("plugins:\n  hidden: {use: privacy}\n")
    catalog = Catalog((), limit=frozenset({"log"})).with_folder(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "lanrage.yaml", catalog)

    [problem] = [one for one in caught.value.problems if "plugins.hidden" in one]
    assert problem.endswith(
        "lanrage.yaml:2:3: plugins.hidden: LANRAGE_EVENTS_PLUGINS does not name 'privacy', whose transform "
        "is required, so that events would pass without it: name it there, too, or remove this section"
    )


def test_a_module_under_its_own_name_may_say_so(load: Load) -> None:
    assert load("plugins: {module: {use: module}}").plugins[0].name == "module"


def test_one_module_under_two_names_is_reported(
    problems: Problems, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = tmp_path / "site" / "twins-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: twins\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[lanrage_events]\none = twins_module\ntwo = twins_module\n", encoding="utf-8"
    )
    (tmp_path / "site" / "twins_module.py").write_text(dedent(PLUGINS["module"]), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    file = tmp_path / "twins.yaml"
    file.write_text("plugins:\n  one:\n  two:\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)

    assert caught.value.problems == (
        f"{file}:3:3: plugins.two: this is the same module as 'one', and can run once",
    )


def test_unknown_keys_are_allowed_where_the_model_allows_them(load: Load) -> None:
    (plugin,) = load("plugins: {open: {more: 1}}").plugins
    assert plugin.config is not None
    assert plugin.config.model_extra == {"more": 1}


def test_a_plugins_folder_that_is_not_there_is_reported_once(
    problems: Problems, tmp_path: Path
) -> None:
    assert problems("plugins_folder: ./nope\nplugins:\n  of_the_folder:\n") == [
        f"1:17: plugins_folder: there is no folder {tmp_path / 'nope'}"
    ]


@pytest.mark.parametrize(
    ("folder", "problem"),
    [
        ("[x]", "1:17: plugins_folder: expected a path, found a list"),
        ("${NOT_SET}", "1:17: plugins_folder: the environment variable NOT_SET is not set"),
        (
            "~nobody-has-this-name/x",
            "1:17: plugins_folder: the home folder '~' is not known",
        ),
    ],
)
def test_plugins_of_a_folder_that_is_not_known_are_not_called_missing(
    problems: Problems, folder: str, problem: str
) -> None:
    assert problems(f"plugins_folder: {folder}\nplugins:\n  of_the_folder:\n") == [problem]


def test_plugins_of_the_folder_are_checked_though_another_key_is_wrong(
    problems: Problems, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "other.py").write_text(dedent(PLUGINS["sample"]), encoding="utf-8")
    assert problems("backend: x\nplugins_folder: mine\nplugins:\n  other: {size: y}\n") == [
        "1:10: backend: expected 'asyncio' or 'trio'",
        "4:17: plugins.other.size: expected a whole number, found a text",
    ]


def test_values_from_the_environment_fit_every_kind_of_key(load: Load) -> None:
    environment = {
        "PORT": "9000",
        "LOUD": "true",
        "RATIO": "0.25",
        "WINDOW": "2s",
        "BACKEND": "trio",
        "NAME": "8080",
        "USE": "sample",
    }
    config = load(
        """
        backend: ${BACKEND}
        plugins:
          mine:
            use: ${USE}
            port: ${PORT}
            loud: ${LOUD}
            ratio: ${RATIO}
            batch: {window: "${WINDOW}"}
            name: ${NAME}
            mailbox: {size: "${SIZE:-7}"}
        """,
        environment,
    )
    (plugin,) = config.plugins
    assert config.settings.backend == "trio"
    assert plugin.mailbox_size == 7
    assert plugin.config is not None
    values = plugin.config.model_dump()
    assert (values["port"], values["loud"], values["ratio"]) == (9000, True, 0.25)
    assert (values["batch"]["window"], values["name"]) == (2.0, "8080")


def test_bounds_hold_for_values_from_the_environment(problems: Problems) -> None:
    assert problems("plugins: {sample: {port: '${PORT}'}}", {"PORT": "0"}) == [
        "1:26: plugins.sample.port: must be at least 1"
    ]


def test_a_value_that_is_missing_is_reported_once_and_only_as_missing(problems: Problems) -> None:
    text = """\
        plugins:
          sample: {port: "${PORT}", size: x, token: "${file:nowhere}"}
          other: {use: "${USE}"}
        """
    found = problems(text)
    assert found == [
        "2:18: plugins.sample.port: the environment variable PORT is not set",
        "2:35: plugins.sample.size: expected a whole number, found a text",
        f"2:45: plugins.sample.token: the file {Path.cwd() / 'nowhere'} does not exist",
        "3:16: plugins.other.use: the environment variable USE is not set",
    ]


def test_an_environment_cannot_add_keys(problems: Problems) -> None:
    environment = {"NAME": "x\n    size: 99", "BATCH": "{window: 2s}"}
    assert problems("plugins: {sample: {batch: '${BATCH}'}}", environment) == [
        "1:27: plugins.sample.batch: expected keys with values, found a text: its keys are style and window"
    ]


def test_the_process_environment_is_the_default(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANRAGE_EVENTS_TEST_NAME", "from-outside")
    file = tmp_path / "x.yaml"
    file.write_text("plugins: {sample: {name: '${LANRAGE_EVENTS_TEST_NAME}'}}", encoding="utf-8")
    (plugin,) = load_config(file, catalog).plugins
    assert plugin.config is not None
    assert plugin.config.model_dump()["name"] == "from-outside"


def test_secrets_reach_the_redactor_wherever_they_come_from(load: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file-456\n", encoding="utf-8")
    (tmp_path / "not-secret").write_text("name-by-file", encoding="utf-8")
    redactor = Redactor()
    load(
        """
        plugins:
          sample:
            token: literal-in-the-file
            name: ${file:not-secret}
            webhooks: {main: {key: "https://h.example/${PART}/x"}, two: {key: "${file:secret}"}}
            path: ${PATH_OF_LOG}
        """,
        {"PART": "from-environment-123", "PATH_OF_LOG": "visible-path"},
        redactor=redactor,
    )
    shown = redactor.redact(
        "literal-in-the-file from-environment-123 from-a-file-456 name-by-file visible-path"
    )
    assert shown == " ".join([SECRET_MASK] * 4) + " visible-path"


def test_no_problem_shows_a_secret(load: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"bad-{SECRET}-file", encoding="utf-8")
    redactor = Redactor()
    with pytest.raises(ConfigError) as caught:
        load(
            f"""
            plugins:
              sample: {{token: "${{TOKEN}}", routes: [{{key: 5}}, {{key: [{SECRET}]}}]}}
              two: {{use: sample, token: bad-{SECRET}, size: "${{file:secret}}"}}
              three: {{use: sample, token: "${{file:secret}}"}}
              four: {{use: sample, tokn: {SECRET}, webhooks: {{a: {SECRET}}}}}
            """,
            {"TOKEN": f"bad-{SECRET}-env"},
            redactor=redactor,
        )

    assert SECRET not in str(caught.value)
    assert f"plugins.sample.token: no token: {SECRET_MASK}" in str(caught.value)
    assert f"plugins.three.token: no token: {SECRET_MASK}" in str(caught.value)
    assert redactor.redact(f"bad-{SECRET}-env") == SECRET_MASK


def test_the_default_state_folder_belongs_to_the_file(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    first = load("plugins: {module: }").state_folder
    assert first.name.startswith("lanrage-")
    assert first == load("plugins: {plain: }").state_folder
    if sys.platform == "linux":
        assert first.parent == tmp_path / "state" / "lanrage-events"

    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "lanrage.yaml"
    other.write_text("plugins: {module: }", encoding="utf-8")
    assert load_config(other, catalog).state_folder != first
    assert load_config(tmp_path / "lanrage.yaml", catalog).state_folder == first
    assert not first.exists()


def test_a_file_that_ends_in_yml_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    before = load_config(None, Catalog.discover()).state_folder
    Path("lanrage.yml").write_text("plugins: {plain: }")
    config = load_config(None, catalog)
    assert config.file == default_file() == Path("lanrage.yml")
    assert not config.warnings
    # What was saved before there was a file is still there, and a later name changes nothing.
    assert config.state_folder == before
    Path("lanrage.yml").rename("lanrage.yaml")
    assert load_config(None, catalog).state_folder == before


def test_a_file_that_ends_in_yml_keeps_the_state_folder_of_earlier_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    Path("lanrage.yml").write_text("plugins: {plain: }")
    identity = hashlib.sha256(bytes(Path("lanrage.yml").resolve())).hexdigest()[:8]
    earlier = tmp_path / "state" / "lanrage-events" / f"lanrage-{identity}"
    earlier.mkdir(parents=True)
    assert load_config(None, catalog).state_folder == earlier


def test_of_two_files_the_one_that_is_not_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lanrage.yaml").write_text("plugins: {plain: }")
    Path("lanrage.yml").write_text("plugins: {module: }")
    config = load_config(None, catalog)
    assert config.file == Path("lanrage.yaml")
    assert config.warnings == (
        "lanrage.yaml:1:1: lanrage.yml is not read, because there is lanrage.yaml, too",
    )


def test_without_platformdirs_the_state_folder_must_be_named(
    load: Load, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert problems("plugins: {module: }") == [
        (
            "1:1: state_folder: give a folder: the package 'platformdirs' is missing: "
            + install_command("daemon")
        )
    ]
    assert load("state_folder: x\nplugins: {module: }").state_folder.name == "x"


def test_without_a_home_folder_the_state_folder_must_be_named(
    load: Load, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    def raise_error(*args: object, **options: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(platformdirs, "user_state_path", raise_error)
    text = (
        "1:1: state_folder: give a folder that is kept, such as /var/lib/lanrage-events: the user "
        "who runs this has no home folder"
    )
    assert problems("plugins: {module: }") == [text]
    assert load("state_folder: x\nplugins: {module: }").state_folder.name == "x"
    assert problems("state_folder: true\nplugins: {module: }") == [
        "1:15: state_folder: expected a path, found true or false"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size: true", "size: expected a whole number, found true or false"),
        ("ratio: false", "ratio: expected a number, found true or false"),
        ("port: true", "port: expected a whole number, found true or false"),
        ("batch: {window: true}", "batch.window: expected a duration, such as"),
        ("mailbox: {size: true}", "mailbox.size: expected a whole number, found true or false"),
        ("hook_timeout: true", "hook_timeout: expected a duration, such as"),
        ("pair: [true, x]", "pair.0: expected a whole number, found true or false"),
    ],
)
def test_a_boolean_is_no_number(problems: Problems, text: str, expected: str) -> None:
    column = len("plugins: {sample: {") + len(
        text.rpartition("true")[0] or text.rpartition("false")[0]
    )
    (problem,) = problems(f"plugins: {{sample: {{{text}}}}}")

    assert problem.startswith(f"1:{column + 1}: plugins.sample.{expected}")


def test_a_boolean_may_stand_where_one_belongs(load: Load) -> None:
    (plugin,) = load("plugins: {sample: {either: true, loud: true}}").plugins

    assert plugin.config is not None
    assert (plugin.config.either, plugin.config.loud) == (True, True)  # type: ignore[attr-defined]


def test_equal_sections_are_equal_wherever_they_stand(load: Load) -> None:
    text = "plugins:\n  sample: {token: made-up-1, size: 3}\n  module:\n"
    before = load(text)
    after = load("# one line more\n" + text)
    assert before.plugins == after.plugins
    assert before.plugins[0].place != after.plugins[0].place
    assert load(text.replace("made-up-1", "made-up-2")).plugins[0] != before.plugins[0]
    assert (
        load(text.replace("module:", "module: {hook_timeout: 1s}")).plugins[1]
        != (before.plugins[1])
    )


def test_merge_keys_share_settings_between_plugins(load: Load) -> None:
    config = load(
        """
        plugins:
          sample: &base {size: 3, mailbox: {size: 9}}
          second: {<<: *base, use: sample, name: two}
        """
    )
    second = config.plugins[1]
    assert second.mailbox_size == 9
    assert second.config is not None
    assert second.config.model_dump()["size"] == 3


def test_the_file_is_named_as_it_was_given(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("plugins: 5", encoding="utf-8")
    with pytest.raises(ConfigError, match="bad.yaml:1:1: plugins: expected"):
        load_config(file, Catalog(()))

    relative = Path(os.path.relpath(file))
    with pytest.raises(ConfigError) as caught:
        load_config(relative, Catalog(()))

    assert caught.value.problems[0].startswith(f"{relative}:1:1: ")


WORDS = st.sampled_from(
    ["plugins", "log", "sample", "use", "mailbox", "size", "batch", "window", "routes", "key"]
    + ["webhooks", "pair", "target", "events", "either", "token", "x", "2s", "${X}", "true"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.slow
@given(VALUES, VALUES, st.dictionaries(WORDS, VALUES, max_size=6))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_a_file_it_is_loaded_or_reported(
    catalog: Catalog, tmp_path: Path, top: object, plugins: object, section: dict[str, object]
) -> None:
    file = tmp_path / "any.yaml"
    named = {"plugins": {"sample": section, "other": {**section, "use": "sample"}}}
    for data in (top, {"plugins": plugins}, named):
        file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        problems: tuple[str, ...] = ()
        try:
            config = load_config(file, catalog, environment={})
        except ConfigError as error:
            problems = error.problems
        else:
            assert isinstance(data, dict)
            sections = data["plugins"] or {}
            assert isinstance(sections, dict)
            assert [plugin.name for plugin in config.plugins] == list(sections)

        for problem in problems:
            assert re.fullmatch(r".*any\.yaml:\d+:\d+: .+", problem)


DOCUMENTATION = Path(__file__).parents[2] / "docs" / "daemon.md"


def yaml_blocks() -> list[str]:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    return [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]


def test_the_documentation_has_every_key_with_its_default() -> None:
    (block,) = [block for block in yaml_blocks() if "state_folder:" in block]
    lines = {line.split(":")[0].strip(): line for line in block.splitlines()}
    fields = {
        **Settings.model_fields,
        **LogConfig.model_fields,
        **CommonConfig.model_fields,
        **MailboxConfig.model_fields,
    }
    assert fields.keys() - lines.keys() == set()
    for name, info in fields.items():
        if isinstance(info.default, str):
            assert f"default: {info.default}" in lines[name]
        elif isinstance(info.default, float):
            assert f"default: {format_duration(info.default)}" in lines[name]


@pytest.mark.parametrize("block", yaml_blocks())
def test_the_examples_of_the_documentation_can_be_used(block: str, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "counter.py").write_text(dedent(PLUGINS["module"]), encoding="utf-8")
    (tmp_path / "plugins" / "greeter.py").write_text(dedent(GREETER), encoding="utf-8")
    (tmp_path / "secret").write_text(WEBHOOK, encoding="utf-8")
    (tmp_path / "my-templates" / "discord").mkdir(parents=True)
    file = tmp_path / "lanrage.yaml"
    file.write_text(block.replace("/run/secrets/discord", "secret"), encoding="utf-8")
    config = load_config(file, environment={"DISCORD_WEBHOOK_URL": WEBHOOK})
    assert config.plugins
    assert config.warnings == ()


@pytest.mark.slow
def test_checking_a_file_needs_neither_httpx_nor_jinja2(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("plugins:", encoding="utf-8")
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lanrage_events.config._load import load_config\n"
        f"load_config(Path({str(file)!r}))\n"
        "print({'httpx', 'jinja2'} & set(sys.modules))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"


# Without a file


def catalog_of_a_lan_host(folder: Path) -> Catalog:
    plugins = folder / "plugins"
    plugins.mkdir()
    fields = {"http": "port: int = 1", "parties": "", "discord": "allow_hosts: list[str] = []"}
    for name, field in fields.items():
        (plugins / f"{name}.py").write_text(
            "from lanrage_events import hookimpl\nfrom lanrage_events.config import ConfigModel\n"
            "class Plugin:\n"
            f"    class Config(ConfigModel):\n        {field or '...'}\n"
            "    def __init__(self, config): ...\n"
            "    @hookimpl\n    def event(self, event): ...\n",
            encoding="utf-8",
        )

    return Catalog(()).with_folder(plugins)


def test_without_a_file_the_page_the_parties_and_discord_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = catalog_of_a_lan_host(tmp_path)
    config = load_config(None, catalog, environment={})
    assert config.is_default
    assert [plugin.name for plugin in config.plugins] == ["http", "discord", "parties"]
    assert config.plugins[0].config is not None
    assert config.plugins[0].config.model_dump() == {"port": 8666}
    variables = {"LANRAGE_EVENTS_PORT": "8777", "LANRAGE_EVENTS_DISCORD_HOST": "127.0.0.1:9"}
    http, discord, _ = load_config(None, catalog, environment=variables).plugins
    assert http.config is not None
    assert http.config.model_dump() == {"port": 8777}
    assert discord.config is not None
    assert discord.config.model_dump() == {"allow_hosts": ["127.0.0.1:9"]}


def test_a_file_that_is_made_later_has_the_state_of_the_time_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = catalog_of_a_lan_host(tmp_path)
    before = load_config(None, catalog, environment={})
    Path("lanrage.yaml").write_text("plugins: {discord: }\n", encoding="utf-8")
    after = load_config(None, catalog, environment={})
    assert not after.is_default
    assert [plugin.name for plugin in after.plugins] == ["discord"]
    assert after.state_folder == before.state_folder


def test_what_is_wrong_without_a_file_says_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(None, Catalog(()), environment={})

    assert caught.value.problems[0].startswith("(no lanrage.yaml):2:3: plugins.http: ")


def test_each_key_of_a_plugin_has_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lanrage.yaml").write_text("plugins:\n  http:\n    port: 9\n", encoding="utf-8")
    [plugin] = load_config(None, catalog_of_a_lan_host(tmp_path), environment={}).plugins
    assert plugin.places == {"port": "lanrage.yaml:3:5"}
    assert plugin.options().get("locations") == plugin.places


def test_a_plugin_that_hangs_is_reported_at_its_place_with_everything_else(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "hangs.py").write_text("import threading\nthreading.Event().wait()")
    file = tmp_path / "lanrage.yaml"
    file.write_text(
        "plugins_folder: mine\nplugins:\n  hangs: {start_timeout: 50ms}\n  log: {pth: x}\n", "utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file, bounded=True)

    hangs, log = caught.value.problems
    assert hangs.startswith(f"{file}:3:3: plugins.hangs: the plugin cannot be imported: ")
    assert hangs.endswith("it takes longer than 0.05 seconds")
    assert log.startswith(f"{file}:4:9: plugins.log.pth: unknown key")


@pytest.mark.parametrize("error", ["SystemExit(3)", "BaseException(3)"])
@pytest.mark.parametrize("bounded", [False, True])
def test_a_validator_that_would_end_the_program_is_reported(
    tmp_path: Path, error: str, bounded: bool
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ends.py").write_text(
        "from pydantic import field_validator\nfrom lanrage_events.config import ConfigModel\n"
        "class Plugin:\n    class Config(ConfigModel):\n        a: int\n"
        f"        @field_validator('a')\n        def check(cls, value): raise {error}\n"
        "    def __init__(self, config): pass\n"
    )
    file = tmp_path / "lanrage.yaml"
    file.write_text("plugins_folder: mine\nplugins: {ends: {a: 1}}\n", "utf-8")
    with pytest.raises(ConfigError, match=rf"2:11: plugins.ends: cannot be checked: {error[:-3]}"):
        load_config(file, bounded=bounded)


@pytest.mark.slow
def test_a_file_with_ever_so_many_problems_is_reported_in_part(tmp_path: Path) -> None:
    file = tmp_path / "lanrage.yaml"
    file.write_text("plugins: {}\n" + "".join(f"k{n}: 1\n" for n in range(2_000)), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)

    assert len(caught.value.problems) == 501
    assert caught.value.problems[-1] == f"{file}: and 1,500 more problems"


def test_ever_so_many_plugins_are_rejected_at_once(tmp_path: Path) -> None:
    file = tmp_path / "lanrage.yaml"
    file.write_text("plugins:\n" + "".join(f"  p{n}:\n" for n in range(1_001)), "utf-8")
    with pytest.raises(ConfigError, match="1:1: plugins: 1,001 plugins, at most 1,000"):
        load_config(file)


def test_an_endless_line_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "lanrage.yaml"
    file.write_text("plugins: {}\n" + "x" * 50_000 + ": 1\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)

    assert all(len(problem) < 2_200 for problem in caught.value.problems)
