from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
import yaml
from pydantic import BaseModel

from lanrage_events.events import EventRegistry, format_event
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord._api.models import MessageTestResult
from lanrage_events_http import HTTPConfig, commands
from lanrage_events_http._api import (
    DEFAULT_SIZE,
    MAX_EVENTS,
    MAX_PARTS,
    MAX_VALUE_BYTES,
    Count,
    EntriesQuery,
    EventsProblem,
    EventsTaken,
    ProblemDetails,
    Readiness,
)
from lanrage_events_http._client import BATCH_MAX_EVENTS
from lanrage_events_http._feed import CLIENT_BUFFER, HEARTBEAT_SECONDS, RING_SIZE
from lanrage_events_http._server import (
    FAILURE_SECONDS,
    MAX_FAILURES,
    MAX_HEAD_BYTES,
    MAX_SESSIONS,
    SESSION_SECONDS,
    Timeouts,
)

Serve: TypeAlias = Callable[..., Any]

TIMEOUTS = Timeouts()
TEXT = (Path(__file__).parents[3] / "docs" / "http.md").read_text("utf-8")
KEYS_OF_EVERY_PLUGIN = {"use", "mailbox", "hook_timeout", "start_timeout"}
MODELS: tuple[type[BaseModel], ...] = (
    EventsTaken,
    EventsProblem,
    ProblemDetails,
    Readiness,
    Count,
    MessageTestResult,
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def documented_configurations() -> list[dict[str, Any]]:
    loaded = [yaml.safe_load(block) for block in blocks("yaml")]
    return [data["plugins"]["http"] or {} for data in loaded if "plugins" in data]


def test_every_configuration_on_the_page_is_valid() -> None:
    configurations = documented_configurations()

    assert len(configurations) >= 4
    for settings in configurations:
        own = {key: value for key, value in settings.items() if key not in KEYS_OF_EVERY_PLUGIN}
        HTTPConfig.model_validate(own)


def test_the_page_has_every_key_with_its_default() -> None:
    complete = max(documented_configurations(), key=len)

    assert set(complete) == set(HTTPConfig.model_fields)
    assert HTTPConfig.model_validate(complete) == HTTPConfig()


def test_every_answer_on_the_page_is_one_that_the_api_gives() -> None:
    found = [json.loads(block) for block in blocks("json")]

    kinds = [[model for model in MODELS if fits(model, data)] for data in found]
    assert all(kinds)
    assert {model for some in kinds for model in some} == set(MODELS)


def fits(model: type[BaseModel], data: dict[str, Any]) -> bool:
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    if not required <= set(data) <= set(model.model_fields):
        return False

    model.model_validate(data)
    return True


def test_every_event_on_the_page_is_valid() -> None:
    posted = re.findall(r"/api/events --json '(.*?)'", TEXT)
    streamed = re.findall(r"^data: (.*)$", TEXT, re.MULTILINE)

    assert len(posted) >= 2
    assert len(streamed) >= 1
    for text in [*posted, *streamed]:
        EventRegistry().from_json(text)


def test_the_line_of_the_stream_command_is_as_it_prints_it() -> None:
    [line] = re.findall(r"^20\S+Z peer_joined .*$", TEXT, re.MULTILINE)
    event = {
        "type": "peer_joined",
        "id": "2d0e6c1f7ab95384-1",
        "time": "2026-03-06T19:30:00.123456Z",
        "party_id": None,
        "peer_name": "Ann",
        "party_name": "Friday LAN",
    }
    assert format_event(event) == line


def test_every_option_on_the_page_exists_and_all_are_there() -> None:
    section = TEXT.partition("## From the command line")[2].partition("\n## ")[0]
    named = set(re.findall(r"--([a-z][a-z-]*)", section))
    names = {
        parameter.name
        for function in (commands.publish, commands.stream)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    names |= {field.name for field in fields(commands.Daemon)}
    names = names - {"daemon", "types"} | {"type"}
    assert named == {name.replace("_", "-") for name in names}


@pytest.mark.parametrize(
    "sentence",
    [
        f"up to {MAX_EVENTS:,} events in a request",
        f"| events in a request | {MAX_EVENTS:,} |",
        f"| head of a request | {MAX_HEAD_BYTES // 1024} KiB |",
        f"| time for a request to arrive | {TIMEOUTS.first_request:g} seconds for the first of a ",
        f" for the first of a connection, {TIMEOUTS.next_request:g} for the next |",
        f"| time for an answer to begin | {TIMEOUTS.first_answer:g} seconds |",
        f"| events kept for clients that reconnect | {RING_SIZE} |",
        f"| events that wait for one client | {CLIENT_BUFFER} |",
        f"| ids that are remembered | {DEFAULT_SIZE:,}, for `repeat_window` |",
        f"The last {RING_SIZE} events are kept",
        f"Up to {CLIENT_BUFFER} events wait for a client",
        f"a comment arrives every {HEARTBEAT_SECONDS:g} seconds",
        f"The daemon remembers the last {DEFAULT_SIZE:,} ids",
        f"| one event | {MAX_VALUE_BYTES // 1_024**2} MiB, and {MAX_PARTS:,} values |",
        f"never more than {MAX_VALUE_BYTES // 1_024**2} MiB and {MAX_PARTS:,} values |",
        f"| sessions of one token | {MAX_SESSIONS}, for seven days |",
        f"A list has {EntriesQuery().limit} entries",
        f"closes a connection that has sent no request within {TIMEOUTS.first_request:g} seconds,",
        f"and one whose reader takes nothing for {TIMEOUTS.write:g} seconds",
        f"posts them in arrays of {BATCH_MAX_EVENTS}",
    ],
)
def test_the_numbers_on_the_page_are_those_of_the_code(sentence: str) -> None:
    assert " ".join(sentence.split()) in " ".join(TEXT.split())


def test_the_words_for_numbers_on_the_page_are_those_of_the_code() -> None:
    assert (SESSION_SECONDS, MAX_FAILURES, FAILURE_SECONDS) == (7 * 86_400, 10, 60)
    assert "a session of seven days" in " ".join(TEXT.split())
    assert "makes an address wait after ten wrong tokens within a minute" in TEXT


@pytest.mark.slow
@pytest.mark.real_clock
async def test_every_path_on_the_page_exists_and_every_metric_is_there(serve: Serve) -> None:
    url = f"https://discord.com/api/webhooks/42/made-up-token-{'x' * 54}"
    config = DiscordConfig.model_validate({"webhook_url": url, "alerts": {"webhook": "default"}})
    async with (
        serve({"discord": DiscordPlugin(config)}) as served,
        httpx.AsyncClient(base_url=served.url, trust_env=False) as client,
    ):
        described = (await client.get("/api/openapi.json")).json()["paths"]
        metrics = (await client.get("/metrics")).text

    named = set(re.findall(r"(/(?:api/[a-z./_-]+|healthz|readyz|metrics))\b", TEXT))
    known = {path.replace("{plugin}", "discord") for path in described} | {"/api/openapi.json"}
    known |= {path.partition("{")[0] for path in known}
    assert named <= known

    families = re.findall(r"^# TYPE (lanrage_\w+) (\w+)$", metrics, re.MULTILINE)
    table = re.findall(r"^\| `(lanrage_\w+)` \| (\w+) \|", TEXT, re.MULTILINE)
    assert sorted(table) == sorted(families)
