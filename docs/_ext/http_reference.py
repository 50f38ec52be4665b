"""Describes every route of the HTTP API and every metric, from a daemon that serves them."""

from __future__ import annotations

import logging
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import anyio
import httpx
from pydantic import SecretStr

from lanrage_events import EventBus, Notification
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import Journal, StandInDiscord
from lanrage_events_http import HTTPConfig, HTTPPlugin
from lanrage_events_logfile import LogfileConfig, LogfilePlugin
from lanrage_events_parties import PartiesConfig, PartiesPlugin
from lanrage_events_presence import PresenceConfig, PresencePlugin

# What any request can be answered with; the page about the API explains them once.
_COMMON_STATUSES = frozenset({"400", "401", "403", "408", "413", "415", "421", "429", "431", "500"})
_TIMEOUT_SECONDS = 20
_TOKEN = secrets.token_urlsafe()


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric, as Prometheus reads it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


@dataclass(frozen=True, slots=True)
class Described:
    """What a daemon with every built-in plugin says about itself."""

    openapi: Mapping[str, Any]
    metrics: str

    def routes(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yield method, path and description of each route."""
        for path, operations in self.openapi["paths"].items():
            for method, operation in operations.items():
                yield method.upper(), path, operation

    def figures(self) -> Iterator[Figure]:
        """Yield the metrics in the order of their names."""
        helps = dict(re.findall(r"^# HELP (\w+) (.*)$", self.metrics, re.MULTILINE))
        kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", self.metrics, re.MULTILINE))
        samples = re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", self.metrics, re.MULTILINE)
        labels: dict[str, list[str]] = {}
        for series, text in samples:
            name = series if series in kinds else re.sub(r"_(bucket|sum|count)$", "", series)
            found = re.findall(r'(\w+)="', text)
            labels[name] = [label for label in found if label != "le"]

        for name, kind in sorted(kinds.items()):
            if not name.endswith("_created"):
                yield Figure(name, kind, tuple(labels.get(name, ())), helps[name])


@cache
def described() -> Described:
    """Run a daemon for a moment, on the loopback address, and ask it."""
    # The rejection that is provoked needs no log line.
    logging.disable(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return anyio.run(_describe, Path(folder))
    finally:
        logging.disable(logging.NOTSET)


async def _describe(folder: Path) -> Described:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    log = folder / "server.log"
    log.touch()
    http = HTTPPlugin(HTTPConfig(port=0, token=SecretStr(_TOKEN)))
    async with httpx.AsyncClient(transport=discord.transport()) as to_discord:
        bus = EventBus()
        config = DiscordConfig.model_validate({"webhook_url": webhook.url, "cards": True})
        bus.register(DiscordPlugin(config, http=to_discord), "discord")
        # Looking now and then needs no thread, which would hold up the end.
        logfile = LogfileConfig(path=log, preset="minecraft", poll=60.0)
        bus.register(LogfilePlugin(logfile), "logfile")
        presence = PresenceConfig(client_id="123456789012345678")
        bus.register(PresencePlugin(presence), "presence")
        bus.register(PartiesPlugin(PartiesConfig()), "parties")
        bus.register(http, "http")
        async with bus, _client(http) as client:
            # Metrics of rejections have labels only after one. The second message is sent
            # when the rejection of the first is written down.
            discord.faults.fail(400)
            with anyio.fail_after(_TIMEOUT_SECONDS):
                for number in (1, 2):
                    await bus.publish(Notification(title="Hello", message=f"It works: {number}"))
                    await discord.journal.wait_for(partial(_has, number))

            openapi = (await client.get("/api/openapi.json")).raise_for_status().json()
            metrics = (await client.get("/metrics")).raise_for_status().text

    return Described(openapi, metrics)


def _has(count: int, journal: Journal) -> bool:
    return len(journal) >= count


@asynccontextmanager
async def _client(http: HTTPPlugin) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {_TOKEN}"}
    async with httpx.AsyncClient(
        base_url=http.url or "", headers=headers, trust_env=False
    ) as client:
        yield client


def route_lines() -> Iterator[str]:
    """Yield the description of all routes, in Markdown.

    :raises ValueError: if one has no description
    """
    for method, path, operation in described().routes():
        if not operation.get("description"):
            raise ValueError(f"{method} {path} has no description")

        yield f"### `{method} {path}`"
        yield ""
        yield from operation["description"].splitlines()
        yield ""
        parameters = operation.get("parameters", ())
        for parameter in parameters:
            kind = "in the path" if parameter["in"] == "path" else f"in the {parameter['in']}"
            name, text = parameter["name"], parameter.get("description", "")
            if name == "plugin":
                text = text or "the name of the instance"

            yield f"- `{name}`, {kind}{': ' if text else ''}{text}"

        yield from [""] * bool(parameters)
        body = operation.get("requestBody")
        if body:
            yield from _body(body["content"])
            yield ""

        yield _scope(operation)
        yield ""
        yield "Answers:"
        yield ""
        for status, answer in operation["responses"].items():
            if status not in _COMMON_STATUSES or status.startswith("2"):
                yield f"- **{status}**: {answer['description']}"

        yield ""


def _scope(operation: Mapping[str, Any]) -> str:
    if not operation["security"]:
        return "It needs no token."

    (requirement,) = operation["security"]
    scopes = [f"`{scope}`" for scope in requirement["token"]]
    return f"A token needs the scope {' and '.join(scopes)}." if scopes else "Any token will do."


def _body(content: Mapping[str, Any]) -> Iterator[str]:
    reference = content["application/json"]["schema"].get("$ref", "")
    if not reference:
        kinds = ", ".join(f"`{kind}`" for kind in content)
        yield f"The body is an event or several, as {kinds}."
        return

    schema = described().openapi["components"]["schemas"][reference.rpartition("/")[2]]
    yield "The body is JSON:"
    yield ""
    for name, field in schema["properties"].items():
        needed = "required" if name in schema.get("required", ()) else "optional"
        text = field.get("description", "")
        yield f"- `{name}`, {needed}{': ' if text else ''}{' '.join(text.split())}"


def metric_lines() -> Iterator[str]:
    """Yield a table of all metrics, in Markdown."""
    yield "| Metric | Kind | Labels | What it counts |"
    yield "|---|---|---|---|"
    for figure in described().figures():
        labels = ", ".join(f"`{label}`" for label in figure.labels)
        yield f"| `{figure.name}` | {figure.kind} | {labels} | {figure.help} |"

    yield ""
