"""What ``check`` accepts, the JSON Schema accepts, and what it rejects, the schema rejects.

There are things that only ``check`` can know:

- what a text must be, such as an address, the name of a webhook, a duration within its bounds, a
  pattern, or a number of which a placeholder is the text;
- what the keys of one section say together, such as exactly one of ``path`` and ``files``;
- which plugins a folder has, and what is in files.

So a problem counts only if it is about a key, the kind of a value, a word of a list, or the bounds
of a number that is not written as text, which are the messages in ``STRUCTURAL``, and if the value
has no placeholder. Besides, 5.0 is a whole number for a JSON Schema.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from lanrage_events import Redactor
from lanrage_events._discovery import Catalog
from lanrage_events.config import ConfigError
from lanrage_events.config._load import check_config
from lanrage_events.config._schema import json_schema
from lanrage_events.yaml import parse

Path_ = tuple[str | int, ...]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "settings"
WEBHOOK_URL = (
    "https://discord.com/api/webhooks/123456789012345678/"
    "made-up-token-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"
)
ENVIRONMENT = {
    "DISCORD_WEBHOOK_URL": WEBHOOK_URL,
    "GAMES_WEBHOOK_URL": WEBHOOK_URL.replace("678/", "679/"),
    "FORUM_WEBHOOK_URL": WEBHOOK_URL.replace("678/", "670/"),
    "LANRAGE_EVENTS_TOKEN": "made-up-token-0123",
    "GAMEBOX_TOKEN": "made-up-token-4567",
    "NTFY_TOKEN": "made-up-token-8901",
    "API_KEY": "made-up-key",
    "SIGNING_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "FIVE": "5",
    "TRUE": "true",
    "SOON": "5s",
    "WORD": "trio",
    "EMPTY": "",
}
# What the examples do not show, and the docs do.
MORE = """\
watch: "yes"
plugins:
  discord:
    webhook_url: "${DISCORD_WEBHOOK_URL}"
    webhooks:
      games: {url: "${GAMES_WEBHOOK_URL}", thread_id: "", username: " ", batch: {max_messages: "2"}}
    routes:
      - {events: game_started, webhook: games, silent: "${TRUE}"}
      - {where: {party_name: [a, 5, 0.5, true]}, webhook: , mention: {users: ["1"]}}
    alerts: {webhook: games, silent_after: {http: 5m}}
  http: {port: "8666", tokens: {box: {token: "${GAMEBOX_TOKEN}", scopes: publish}}}
  log: {levels: {event: info}, include: [peer_joined], mailbox: {size: "5"}, hook_timeout: " 5s "}
  second: {use: log, path: ./a.jsonl}
  logfile:
    files: {a.log: minecraft, b.log: {patterns: {peer_joined: x, peer_left: [y]}}, c.log: }
    patterns: {peer_joined: }
    server_begins: x
    fields: {peer_joined: {party_name: 5, peer_name: , party_id: true}}
  other: {use: logfile, files: [a.log, {path: b.log, start: beginning}, ]}
  webhook:
    targets:
      a: {url: "https://example.org", headers: {x: "5"}, body: {a: [1, "{{ type }}"]}, batch: "5"}
      b: {preset: telegram, to: "-100", token: "1:a", timeout: 5s}
    routes: [{events: "peer_*", where: {party_name: [a, 5]}, target: a, stop: "${TRUE}"}]
  presence: {client_id: 123456789012345678, max_party_size: "${FIVE}", invite_url: ""}
"""

# Values of every kind, most of them wrong wherever they are put, and some almost right.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 5, 65_536, 10**12, 0.5, 5.0, 1e12),
    *("", " ", "x", "5", " 5 ", "+5", "5.0", "5_0", "5.5", "1e3", "true", "Yes", "off", "1", "t"),
    *("5s", "10m", " 5s ", "0s", "1h30m", "5 s", "m5", "event", "peer_*", "default", "games"),
    *("trio", "info", "json", "embeds", "block", "publish", "minecraft", "builtin:de", "log"),
    *("123456789012345678", "https://discord.gg/abc123", "x" * 101, "ä" * 81),
    *("${FIVE}", "${TRUE}", "${SOON}", "${WORD}", "${EMPTY:-5s}", "${EMPTY:-a\nb}", "$${x}"),
    *([], {}, ["x"], [5], [None], [[]], {"x": "y"}, {"x": None}, {"url": "x"}, ["1", "2"]),
]
KEYS = ["x", "use", "path", "size", "webhook", "batch", "token", "mailbox", "Path"]

STRUCTURAL = re.compile(
    r": (unknown key|not allowed here|required, but missing"
    r"|expected (a text|a list|keys with values|true or false|a whole number|a number|a path)"
    r"(, found|\b.*, or )|must be (at least|at most|more than|less than) [0-9.]+$"
    r"|expected '[^']*'(, '| or '|$))"
)


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of everything within a value."""
    inside: Any = ()
    if isinstance(value, dict):
        inside = value
    elif isinstance(value, list):
        inside = range(len(value))

    for key in inside:
        yield (*path, key)
        yield from paths(value[key], (*path, key))


def at(value: Any, path: Path_) -> Any:
    for key in path:
        value = value[key]

    return value


@cache
def corpus() -> list[dict[str, Any]]:
    """Return configurations in which every key of every plugin is used."""
    texts = [path.read_text("utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))]
    found = [parse(text).data for text in (*texts, MORE)]
    assert len(found) == 10
    return [data for data in found if isinstance(data, dict)]


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a configuration that is right or nearly right."""
    data: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(corpus())))
    plugins = list(data["plugins"])
    for name in draw(st.lists(st.sampled_from(plugins), max_size=len(plugins) - 1, unique=True)):
        del data["plugins"][name]

    for _ in range(draw(st.integers(0, 4))):
        change(draw, data)

    return data


def change(draw: st.DrawFn, data: dict[str, Any]) -> None:
    found = list(paths(data))
    if not found:
        return

    path = draw(st.sampled_from(found))
    around, key = at(data, path[:-1]), path[-1]
    value = around[key]
    match draw(st.sampled_from(["value", "other", "delete", "add", "wrap", "unwrap", "text"])):
        case "value":
            around[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        case "other":
            # A value that is right elsewhere.
            other = draw(st.sampled_from(corpus()))
            around[key] = copy.deepcopy(at(other, draw(st.sampled_from(list(paths(other))))))
        case "delete":
            del around[key]
        case "add" if isinstance(value, dict):
            value[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        case "wrap":
            around[key] = [value]
        case "unwrap" if isinstance(value, list) and len(value) == 1:
            around[key] = value[0]
        case "text" if isinstance(value, (bool, int, float)):
            around[key] = json.dumps(value)


@cache
def catalog() -> Catalog:
    return Catalog.discover(environment={})


@cache
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json_schema(catalog()))


def problems(data: dict[str, Any], folder: Path) -> list[str]:
    """Return what ``check`` says about the file alone, before it starts plugins."""
    (folder / "plugins").mkdir(exist_ok=True)
    document = parse(json.dumps(data), str(folder / "lanrage.yaml"))
    assert document.problems == []
    try:
        check_config(
            document,
            catalog(),
            redactor=Redactor(),
            environment=ENVIRONMENT,
            file=folder / "lanrage.yaml",
        )
    except ConfigError as error:
        return list(error.problems)

    return []


def is_known_to_schema(problem: str, data: dict[str, Any]) -> bool:
    """Return whether the schema, too, should have a problem."""
    if not STRUCTURAL.search(problem):
        return False

    placed = {".".join(map(str, path)): at(data, path) for path in paths(data)}
    value = placed.get(problem.split(": ")[1])
    if isinstance(value, str):
        return ": must be " not in problem and "${" not in value

    return not (isinstance(value, float) and value.is_integer())


def compare(data: dict[str, Any], folder: Path) -> str:
    found = problems(data, folder)
    rejected = [error.message for error in validator().iter_errors(data)]
    if not found:
        assert rejected == []
        return "accepted"

    known = [problem for problem in found if is_known_to_schema(problem, data)]
    if known:
        assert rejected, known
        return "rejected"

    return "rejected by the check alone" if not rejected else "rejected, by the schema too"


@pytest.mark.slow
@given(configurations())
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_schema_and_the_check_agree(tmp_path: Path, data: dict[str, Any]) -> None:
    event(compare(data, tmp_path))


@pytest.mark.parametrize("data", corpus(), ids=lambda data: "-".join(data["plugins"]))
def test_what_is_not_changed_is_right(tmp_path: Path, data: dict[str, Any]) -> None:
    assert compare(data, tmp_path) == "accepted"
