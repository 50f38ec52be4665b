from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema
import pytest

from lanrage_events._discovery import Catalog
from lanrage_events.config import ConfigError
from lanrage_events.config._load import load_config
from lanrage_events.config._schema import json_schema
from lanrage_events.yaml import parse

PLUGINS = {
    "sample": '''
        from collections.abc import Callable
        from datetime import date
        from typing import Literal

        from pydantic import BaseModel, Field, SecretStr

        from lanrage_events import hookimpl
        from lanrage_events.config import ConfigModel, ConfigPath, Duration

        class Batch(ConfigModel):
            window: Duration = Field(0.5, gt=0)
            """how long embeds are gathered
            before they are sent, see ``style``

            In seconds.
            """
            style: Literal["digest", "embeds"] = "digest"

        class Tree(BaseModel):
            name: str = ""
            children: "list[Tree]" = []

        class Plugin:
            """Sends samples.

            And nothing else.
            """

            class Config(ConfigModel):
                """What it sends."""

                token: SecretStr
                """where it goes"""
                batch: Batch = Batch()
                """how it is gathered"""
                count: int = Field(5, ge=1)
                pause: Duration | None = 90
                either: bool | Duration = True
                path: ConfigPath = Field("events.jsonl", validate_default=True)
                code: str = Field("abc", pattern="^[a-z]+$")
                webhooks: dict[str, Batch] = {}
                tree: Tree = Tree()
                pair: tuple[int, str] = (1, "x")
                size: float | None = Field(None, description="in metres", examples=[1.5])
                kind: Literal[1, 2] = 1
                limited: Duration | None = Field(None, ge=0.05)
                names: set[str] = set()
                since: date | None = None
                weight: float = 1.5
                loud: bool = False
                format: str = ""

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
    "module": '''
        """Counts."""
        from lanrage_events import hookimpl

        @hookimpl
        def event(event):
            pass
        ''',
    "open": """
        from pydantic import BaseModel, ConfigDict
        from lanrage_events import hookimpl

        class Plugin:
            class Config(BaseModel):
                "Takes everything."

                model_config = ConfigDict(extra="allow")

            def __init__(self, config):
                pass

            @hookimpl
            def event(self, event):
                pass
        """,
    "recursive": """
        from __future__ import annotations
        from pydantic import BaseModel
        from lanrage_events import hookimpl

        class Folder(BaseModel):
            name: str
            inside: Folder | None = None

        class Plugin:
            Config = Folder

            def __init__(self, config):
                pass

            @hookimpl
            def event(self, event):
                pass
        """,
    "wordless": """
        from typing import Any, Callable
        from pydantic import BaseModel
        from lanrage_events import hookimpl

        class Plugin:
            class Config(BaseModel):
                call: Callable[[], None]
                name: str = ""

            def __init__(self, config):
                pass

            @hookimpl
            def event(self, event):
                pass
        """,
    "broken": "1 / 0",
    "bad name": "x = 1",
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("catalog")
    for name, source in PLUGINS.items():
        (folder / f"{name}.py").write_text(dedent(source), encoding="utf-8")

    return Catalog(()).with_folder(folder)


@pytest.fixture(scope="module")
def schema(catalog: Catalog) -> dict[str, Any]:
    return json_schema(catalog)


@pytest.fixture
def errors(schema: dict[str, Any]) -> Callable[[str], list[str]]:
    """Return a function that gives what an editor would complain about in a file."""
    validator = jsonschema.Draft7Validator(schema)
    return lambda text: [error.message for error in validator.iter_errors(parse(text).data)]


GOOD = [
    "plugins:",
    "plugins: {}",
    "plugins: {module: }",
    "plugins: {module: {}, plain: {mailbox: {size: 5, when_full: block}, hook_timeout: 1m}}",
    "plugins: {module: {mailbox: , hook_timeout: , use: }}",
    "plugins: {module: {use: module}}",
    "plugins: {sample: {token: x}}",
    "plugins: {mine: {use: sample, token: x}, other: {use: plain}}",
    "plugins: {plain: {use: sample, token: x}}",
    "plugins: {sample: {token: x, batch: {window: 250ms, style: embeds}, count: 3, pause: 5m}}",
    "plugins: {sample: {token: x, pause: , either: true}}",
    "plugins: {sample: {token: x, either: 1h30m, path: ./x, code: abc, kind: 2, size: 1}}",
    "plugins: {sample: {token: x, webhooks: {main: {window: 1s}}, pair: [1, a]}}",
    "plugins: {sample: {token: x, tree: {name: a, children: [{name: b, children: []}]}}}",
    "plugins: {open: {anything: [1, {}]}}",
    "plugins: {recursive: {name: a, inside: {name: b, inside: }}}",
    "plugins: {sample: {token: x, limited: 5s, names: [a, a], since: 2026-03-06}}",
    "plugins: {sample: {token: x, since: 86400, format: x}}",
    "plugins: {sample: {token: x, count: '5', pause: ' 5m ', size: 1e3, weight: '1e3'}}",
    "plugins: {sample: {token: x, count: ' +1_000.0', weight: '-.5'}}",
    "plugins: {sample: {token: x, loud: 'yes'}, plain: {mailbox: {size: '5'}}}",
    "plugins: {sample: {token: x, loud: 0}}",
    "plugins: {sample: {token: x, loud: oFF}}",
    "state_folder: x\nbackend: trio\ndrain_timeout: 500ms\nplugins:",
    "log: {level: debug, format: json}\ntemplates: [a, b]\nplugins:",
    "templates: [./mine, builtin:de]\nplugins:",
    "log:\ntemplates:\nplugins_folder:\nstate_folder:\nbackend:\ndrain_timeout:\nplugins:",
]

PLACEHOLDERS = [
    "backend: '${B:-trio}'\ndrain_timeout: ${D:-5s}\nplugins:",
    "plugins: {sample: {token: '${T:-x}', count: '${C:-3}', batch: {window: '${W:-1s}'}}}",
    "plugins: {sample: {token: x, either: '${E:-false}', code: '${C:-abc}'}}",
    "plugins: {plain: {mailbox: {size: '${S:-5}'}}}",
    'plugins: {plain: {hook_timeout: "${A:-${B:-\\n5s}}"}}',
    "plugins: {mine: {use: '${U:-plain}'}, plain: {use: '${V:-plain}'}}",
]

BAD = [
    "",
    "backend: trio",
    "plugins: []",
    "backnd: x\nplugins:",
    "backend: tri\nplugins:",
    "drain_timeout: 5\nplugins:",
    "drain_timeout: '5'\nplugins:",
    "drain_timeout: ''\nplugins:",
    "log: {level: loud}\nplugins:",
    "log: {colour: x}\nplugins:",
    "templates: x\nplugins:",
    "plugins: {unknown: }",
    "plugins: {unknown: {mailbox: {size: 1}}}",
    "plugins: {mine: {use: nothing}}",
    "plugins: {mine: {use: module}}",
    "plugins: {mine: {use: sample}}",
    "plugins: {'m d': {use: plain}}",
    "plugins: {sample: }",
    "plugins: {sample: {}}",
    "plugins: {sample: {token: x, cuont: 3}}",
    "plugins: {sample: {token: x, count: many}}",
    "plugins: {sample: {token: x, count: 0}}",
    "plugins: {sample: {token: x, batch: {window: 5}}}",
    "plugins: {sample: {token: x, batch: {windw: 5s}}}",
    "plugins: {sample: {token: x, code: ABC}}",
    "plugins: {sample: {token: x, tree: {nam: 1}}}",
    "plugins: {sample: {token: x, either: 5}}",
    "plugins: {sample: {token: 5}}",
    "plugins: {sample: {token: x, pair: [1, a, 2]}}",
    "plugins: {sample: {token: x, pair: [a, 1]}}",
    "plugins: {sample: {token: x, path: ''}}",
    "plugins: {sample: {token: x, count: '5.5'}}",
    "plugins: {sample: {token: x, count: true}}",
    "plugins: {sample: {token: x, weight: 1e}}",
    "plugins: {sample: {token: x, loud: 2}}",
    "plugins: {sample: {token: x, loud: ' yes'}}",
    "plugins: {sample: {use: 5, token: x}}",
    "plugins: {plain: {use: module}}",
    "plugins: {plain: {color: red}}",
    "plugins: {plain: {mailbox: {size: 0}}}",
    "plugins: {plain: {mailbox: {when_full: wait}}}",
    "plugins: {plain: {hook_timeout: 5}}",
    "plugins: {recursive: {inside: {}}}",
]


def load(text: str, catalog: Catalog, folder: Path) -> None:
    file = folder / "x.yaml"
    file.write_text(text, encoding="utf-8")
    load_config(file, catalog, environment={})


def test_it_is_a_valid_schema_and_plain_json(schema: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    references = set(re.findall(r'"#/definitions/([^"]+)"', json.dumps(schema)))
    assert references <= schema["definitions"].keys()


@pytest.mark.parametrize("text", GOOD + PLACEHOLDERS)
def test_what_can_be_loaded_fits_the_schema(
    text: str, errors: Callable[[str], list[str]], catalog: Catalog, tmp_path: Path
) -> None:
    load(text, catalog, tmp_path)
    assert errors(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "plugins: {mine: }",
        "plugins: {mine: {anything: 1}, other: {use: mine}}",
        "plugins: {plain: {use: mine, anything: 1}}",
    ],
)
def test_a_folder_may_have_plugins_that_are_not_known(
    text: str, errors: Callable[[str], list[str]]
) -> None:
    assert errors(text)
    assert errors(f"plugins_folder:\n{text}")
    assert errors(f"plugins_folder: ./plugins\n{text}") == []


def test_known_plugins_are_checked_beside_those_of_a_folder(
    errors: Callable[[str], list[str]],
) -> None:
    for section in ("plain: {x: 1}", "mine: {use: plain, x: 1}", "'m d': {use: plain}", "mine: 5"):
        assert errors(f"plugins_folder: ./plugins\nplugins: {{{section}}}"), section


def test_it_has_no_keyword_of_another_dialect(schema: dict[str, Any]) -> None:
    known = {*jsonschema.Draft7Validator.VALIDATORS, "$schema", "then", "else", "definitions"}
    known |= {"title", "description", "default", "examples", "writeOnly"}

    def unknown(schema: object) -> set[str]:
        if not isinstance(schema, dict):
            return set()

        found = set(schema) - known
        for key, value in schema.items():
            if key in ("properties", "patternProperties", "definitions"):
                found |= set().union(*map(unknown, value.values()))
            elif isinstance(value, list) and key not in ("enum", "examples", "default"):
                found |= set().union(*map(unknown, value))
            elif key not in ("const", "default"):
                found |= unknown(value)

        return found

    assert unknown(schema) == set()
    assert '"format": "' not in json.dumps(schema)
    assert "format" in schema["definitions"]["plugin.sample"]["properties"]


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_loaded_does_not_fit_the_schema(
    text: str, errors: Callable[[str], list[str]], catalog: Catalog, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        load(text, catalog, tmp_path)

    assert errors(text)


def properties(schema: dict[str, Any], definition: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["definitions"][definition]["properties"]
    return found


def test_the_sections_are_the_plugins_that_can_be_used(schema: dict[str, Any]) -> None:
    assert sorted(schema["properties"]["plugins"]["properties"]) == [
        "module",
        "open",
        "plain",
        "recursive",
        "sample",
        "wordless",
    ]


def test_descriptions_come_from_docstrings(schema: dict[str, Any]) -> None:
    sample = properties(schema, "plugin.sample")
    assert sample["token"]["description"] == "where it goes"
    assert sample["batch"]["description"] == "how it is gathered"
    assert sample["size"]["description"] == "in metres"
    assert sample["size"]["examples"] == [1.5]
    assert schema["definitions"]["plugin.sample"]["description"] == "Sends samples."
    assert schema["definitions"]["plugin.module"]["description"] == "Counts."
    assert schema["definitions"]["plugin.open"]["description"] == "Takes everything."
    assert properties(schema, "plugin.sample:Batch")["window"]["description"] == (
        "how long embeds are gathered before they are sent, see `style`\n\nIn seconds."
    )
    for key, property_ in schema["properties"].items():
        assert property_["description"], key

    for definition in ("settings:LogConfig", "common:MailboxConfig"):
        for key, property_ in properties(schema, definition).items():
            assert property_["description"], key

    for key in ("use", "mailbox", "hook_timeout", "start_timeout"):
        assert properties(schema, "plugin.plain")[key]["description"], key


def test_defaults_are_written_as_in_a_file(schema: dict[str, Any]) -> None:
    sample = properties(schema, "plugin.sample")
    assert sample["count"]["default"] == 5
    assert sample["pause"]["default"] == "1m30s"
    assert sample["either"]["default"] is True
    assert "default" not in sample["batch"]
    assert "default" not in sample["token"]
    assert properties(schema, "plugin.sample:Batch")["window"]["default"] == "500ms"
    assert schema["properties"]["drain_timeout"]["default"] == "10s"


def test_a_secret_stays_marked_as_one(schema: dict[str, Any]) -> None:
    token = properties(schema, "plugin.sample")["token"]
    assert (token["type"], token["writeOnly"]) == ("string", True)


def test_keys_have_no_titles(schema: dict[str, Any]) -> None:
    assert schema.pop("title") == "lanrage-events"
    assert '"title"' not in json.dumps(schema)
    schema["title"] = "lanrage-events"


def test_a_model_that_json_cannot_describe_allows_everything(
    errors: Callable[[str], list[str]],
) -> None:
    assert errors("plugins: {wordless: {call: x, more: 1}}") == []


def test_without_any_class_no_other_names_are_possible() -> None:
    schema = json_schema(Catalog(()))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    assert validator.is_valid({"plugins": {}})
    assert not validator.is_valid({"plugins": {"x": {"use": "y"}}})


def test_what_the_environment_excludes_is_neither_imported_nor_described(catalog: Catalog) -> None:
    limited = Catalog(catalog.sources, limit=frozenset({"plain"}))
    schema = json_schema(limited)
    assert list(schema["properties"]["plugins"]["properties"]) == ["plain"]
