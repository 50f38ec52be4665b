"""Every configuration in the documentation fits the JSON Schema, as validators of others read it."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
import yaml

from lanrage_events._cli import main
from lanrage_events._discovery import Catalog
from lanrage_events.config._models import Settings
from lanrage_events.config._schema import json_schema
from lanrage_events.yaml import parse

pytestmark = [pytest.mark.slow, pytest.mark.real_clock]

ROOT = Path(__file__).parents[2]
PAGES = (*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^( *)```yaml[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
KEYS = frozenset((*Settings.model_fields, "plugins"))
THEIRS = frozenset(("lan-bingo", "motd"))
"""plugins of the reader's, which are not installed here"""
MODULES = os.environ.get("LANRAGE_EVENTS_NODE_MODULES")
"""the folder node_modules with ajv, which the gate installs"""
WRONG = [
    "plugins: []",
    "plugins: {lgo: }",
    "plugins: {http: {port: many}}",
    "plugins: {http: {port: 65536}}",
    "plugins: {http: {tokens: {box: {token: x, scopes: write}}}}",
    "plugins: {discord: {batch: {window: 5}}}",
    "plugins: {discord: {routes: [{evnts: peer_joined}]}}",
    "plugins: {discord: {webhooks: {a: {thread_id: 5}}}}",
    "plugins: {log: {mailbox: {size: true}}}",
    "plugins: {presence: {client_id: abc}}",
    "drain_timeout: 5 s\nplugins:",
]
"""what is wrong as ``check`` says, too"""


@cache
def schema() -> dict[str, Any]:
    return json_schema(Catalog.discover(environment={}))


def configurations() -> Iterator[tuple[str, str]]:
    """Yield every configuration of the pages, the examples and ``init``, with where it is."""
    found = {
        f"{page.relative_to(ROOT)} {number}": textwrap.dedent(match[2])
        for page in PAGES
        for number, match in enumerate(FENCE.finditer(page.read_text("utf-8")))
    }
    examples = (ROOT / "docs" / "examples").rglob("*.yaml")
    found |= {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in examples}
    for place, text in found.items():
        data = yaml.safe_load(text)
        # The others are templates, and files of other programs.
        if isinstance(data, dict) and data.keys() <= KEYS:
            yield place, text if "plugins" in data else f"{text}\nplugins: {{log: }}\n"

    starter = (ROOT / "lanrage_events" / "_cli" / "starter.yaml").read_text("utf-8")
    yield "init", starter
    # As it says: a line that begins with # and no space is an example.
    yield "init, all examples", re.sub(r"^( *)#(?=\S)", r"\1", starter, flags=re.MULTILINE)


@cache
def texts() -> dict[str, str]:
    """Return the configurations of plugins that are installed, by where they are."""
    return {
        place: text
        for place, text in configurations()
        if THEIRS.isdisjoint(yaml.safe_load(text)["plugins"] or ())
    }


def check_jsonschema(folder: Path, *arguments: str | Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "check_jsonschema", *map(str, arguments)]
    result = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, encoding="utf-8", timeout=120
    )
    return result.returncode, result.stdout + result.stderr


def write(folder: Path, files: dict[str, str]) -> list[str]:
    (folder / "schema.json").write_text(json.dumps(schema()), "utf-8")
    names = [f"{re.sub(r'[^A-Za-z0-9]+', '-', name)}.yaml" for name in files]
    for name, text in zip(names, files.values(), strict=True):
        (folder / name).write_text(text, "utf-8")

    return names


def test_all_pages_and_files_with_configurations_are_read(tmp_path: Path) -> None:
    assert len(texts()) > 60
    assert main(["init", str(tmp_path / "lanrage.yaml")]) == 0
    assert (tmp_path / "lanrage.yaml").read_text("utf-8") == texts()["init"]


def test_check_jsonschema_accepts_the_documentation(tmp_path: Path) -> None:
    names = write(tmp_path, texts())

    assert check_jsonschema(tmp_path, "--check-metaschema", "schema.json") == (
        0,
        "ok -- validation done\n",
    )
    code, output = check_jsonschema(tmp_path, "--schemafile", "schema.json", *names)
    assert code == 0, output


def test_check_jsonschema_rejects_what_is_wrong(tmp_path: Path) -> None:
    names = write(tmp_path, {f"wrong {number}": text for number, text in enumerate(WRONG)})

    code, output = check_jsonschema(
        tmp_path, "--schemafile", "schema.json", "--output-format", "json", *names
    )
    found = {Path(error["filename"]).name for error in json.loads(output)["errors"]}
    assert (code, found) == (1, set(names))


def ajv(instances: list[Any]) -> list[list[str]]:
    """Return the errors of each instance."""
    node = shutil.which("node")
    if MODULES is None or node is None:
        pytest.skip("needs Node and LANRAGE_EVENTS_NODE_MODULES, a folder with ajv")

    result = subprocess.run(
        [node, Path(__file__).with_name("ajv.js"), MODULES],
        input=json.dumps({"schema": schema(), "instances": instances}),
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (result.stderr, result.returncode) == ("", 0)  # it warns there of what it does not know
    errors: list[list[str]] = json.loads(result.stdout)
    return errors


def test_ajv_accepts_the_documentation() -> None:
    found = ajv([parse(text).data for text in texts().values()])
    assert dict(zip(texts(), found, strict=True)) == {place: [] for place in texts()}


def test_ajv_rejects_what_is_wrong() -> None:
    found = ajv([parse(text).data for text in WRONG])
    assert [text for text, errors in zip(WRONG, found, strict=True) if not errors] == []


def test_ajv_and_python_agree() -> None:
    random = Random(16)
    values = [None, True, 0, 5, 5.0, 0.5, "", " ", "x", " 5 ", "5s", "1h30m\n", "yes", "${X:-\n}"]
    instances = [
        change(copy.deepcopy(parse(random.choice(list(texts().values()))).data), values, random)
        for _ in range(1_500)
    ]
    validator = jsonschema.Draft7Validator(schema())
    wanted = [validator.is_valid(instance) for instance in instances]
    assert 200 < sum(wanted) < 1_300

    found = [not errors for errors in ajv(instances)]
    assert [i for i, f, w in zip(instances, found, wanted, strict=True) if f != w] == []


def change(value: Any, values: list[Any], random: Random) -> Any:
    """Replace something within a value."""
    if isinstance(value, (dict, list)) and value and random.random() < 0.9:
        key = random.choice(list(value)) if isinstance(value, dict) else 0
        value[key] = change(value[key], values, random)
        return value

    return random.choice(values)
