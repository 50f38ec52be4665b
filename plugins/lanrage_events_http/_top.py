"""The live view of a running daemon: its plugins, and the lanes to where they deliver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import anyio
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lanrage_events.backoff import Backoff, in_words
from lanrage_events.cli import safe_text

from ._client import DaemonClient, DaemonError

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 5.0
_SILENT_STATUSES = frozenset({404, 405})
_MAX_CHARACTERS = 200
"""of a text from the daemon"""
_GOOD = frozenset({"ok", "idle", "running", "sending", "gathering"})
_BAD = frozenset({"failed", "dead", "down", "stopped"})


@dataclass(frozen=True, slots=True)
class Lane:
    """A way from a plugin to where it delivers, such as a webhook."""

    plugin: str
    name: str
    state: str
    pending: int
    sent: int | None
    """None if the plugin does not say"""
    dead: int
    reason: str
    """why it waits"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a daemon says of itself at one time."""

    plugins: tuple[Mapping[str, Any], ...]
    lanes: tuple[Lane, ...]


class Top:
    """Shows a daemon in a terminal until Ctrl-C, or once without a terminal.

    When the daemon goes away, what was seen last stays, and it is asked again until it is back.

    :param make_client: returns a client of the daemon
    :param out: where it is shown
    :param seconds: between two looks
    """

    def __init__(
        self, make_client: Callable[[], DaemonClient], *, out: TextIO, seconds: float = 1.0
    ) -> None:
        self._make_client = make_client
        self._seconds = seconds
        self._console = Console(file=out, highlight=False, markup=False, emoji=False)
        self._backoff = Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        self._seen: Snapshot | None = None
        self._seen_at = ""

    async def run(self) -> None:
        """Show the daemon.

        :raises DaemonError: if it does not answer at the first time, or never will
        """
        async with self._make_client() as client:
            self._see(await look(client))
            if not self._console.is_terminal:
                self._console.print(self._view(""), soft_wrap=True)
                return

            # In a screen of its own, which is left as it was; only what changed is drawn.
            with Live(
                self._view(client.url), console=self._console, screen=True, auto_refresh=False
            ) as live:
                wait = self._seconds
                while True:
                    await anyio.sleep(wait)
                    wait = await self._refresh(client, live)

    async def _refresh(self, client: DaemonClient, live: Live) -> float:
        """Look once, and return the seconds until the next time."""
        try:
            self._see(await look(client))
        except DaemonError as error:
            if not error.is_transient:
                raise

            wait = self._backoff.next(error.retry_after)
            live.update(self._view(client.url, problem=error, wait=wait), refresh=True)
            return wait

        self._backoff.reset()
        live.update(self._view(client.url), refresh=True)
        return self._seconds

    def _see(self, snapshot: Snapshot) -> None:
        self._seen = snapshot
        self._seen_at = f"{datetime.now(UTC).astimezone():%H:%M:%S}"

    def _view(self, url: str, *, problem: DaemonError | None = None, wait: float = 0.0) -> Group:
        seen = self._seen or Snapshot((), ())
        parts: list[Text | Table] = []
        if url:
            parts += [Text(f"{safe_text(url)}  {self._seen_at}  Ctrl-C ends", "bold"), Text()]

        if problem is not None:
            again = f"trying again in {in_words(wait)}"
            note = f"{safe_text(str(problem))}; {again}; below is how it was at {self._seen_at}"
            parts += [Text(note, "bold red"), Text()]

        style = "" if problem is None else "dim"
        parts += [_plugin_table(seen.plugins, style), Text(), _lane_table(seen.lanes, style)]
        return Group(*parts)


async def look(client: DaemonClient) -> Snapshot:
    """Ask a daemon for its plugins and lanes.

    :raises DaemonError: if it does not answer, or rejects the request
    """
    plugins = _dicts((await client.get("api/plugins")).get("plugins"))
    outboxes = _dicts((await client.get("api/outbox")).get("outboxes"))
    lanes: list[Lane] = []
    for outbox in outboxes:
        lanes += await _lanes_of(client, outbox)

    return Snapshot(tuple(plugins), tuple(lanes))


async def _lanes_of(client: DaemonClient, outbox: Mapping[str, Any]) -> list[Lane]:
    """Return the lanes as their plugin describes them, or else as its outbox does."""
    plugin = _text(outbox.get("plugin"))
    try:
        status = await client.get(f"api/{plugin}/status")
    except DaemonError as error:
        if error.status not in _SILENT_STATUSES:
            raise

        status = {}

    described = _dicts(status.get("lanes"))
    stored = {_text(lane.get("name")): lane for lane in _dicts(outbox.get("lanes"))}
    lanes = [
        Lane(
            plugin,
            _text(lane.get("name")),
            _text(lane.get("state")),
            _number(lane.get("pending")),
            _number(lane.get("sent")),
            _number(stored.get(_text(lane.get("name")), {}).get("dead")),
            _text(lane.get("reason")),
        )
        for lane in described
    ]
    named = {lane.name for lane in lanes}
    lanes += [_stored_lane(plugin, lane) for name, lane in stored.items() if name not in named]
    problem = _text(outbox.get("problem"))
    if problem:
        lanes.append(Lane(plugin, "", "failed", 0, None, 0, problem))

    return lanes


def _stored_lane(plugin: str, lane: Mapping[str, Any]) -> Lane:
    pending = _number(lane.get("pending"))
    waits = lane.get("until_resumed") or lane.get("postponed_until")
    state = "waiting" if waits or pending else "idle"
    return Lane(
        plugin,
        _text(lane.get("name")),
        state,
        pending,
        None,
        _number(lane.get("dead")),
        _text(lane.get("last_error")),
    )


def _plugin_table(plugins: tuple[Mapping[str, Any], ...], style: str) -> Table:
    table = _table("PLUGIN", "STATE", "PENDING", "HANDLED", "FAILED", "DROPPED", "WHY", style=style)
    for plugin in plugins:
        state, status = _text(plugin.get("state")), _text(plugin.get("status"))
        shown = status if state == "running" else state
        numbers = (_number(plugin.get(key)) for key in ("pending", "handled", "failed", "dropped"))
        table.add_row(
            Text(_text(plugin.get("name"))),
            Text(shown, _color(shown)),
            *(Text(f"{number:,}") for number in numbers),
            Text(_text(plugin.get("detail"))),
        )

    return table


def _lane_table(lanes: tuple[Lane, ...], style: str) -> Table:
    table = _table("LANE", "STATE", "WAITING", "SENT", "DEAD", "WHY", style=style)
    for lane in lanes:
        table.add_row(
            Text(f"{lane.plugin} {lane.name}".rstrip()),
            Text(lane.state, _color(lane.state)),
            Text(f"{lane.pending:,}"),
            Text("" if lane.sent is None else f"{lane.sent:,}"),
            Text(f"{lane.dead:,}"),
            Text(lane.reason),
        )

    return table


def _table(*titles: str, style: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", style=style)
    for title in titles:
        is_number = title in ("PENDING", "HANDLED", "FAILED", "DROPPED", "WAITING", "SENT", "DEAD")
        table.add_column(
            title,
            justify="right" if is_number else "left",
            overflow="fold" if title == "WHY" else "ellipsis",
            no_wrap=title != "WHY",
        )

    return table


def _color(state: str) -> str:
    return "green" if state in _GOOD else "red" if state in _BAD else "yellow"


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    """Return a text of the daemon in one line, which cannot steer the terminal."""
    text = safe_text(value) if isinstance(value, str) else ""
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
