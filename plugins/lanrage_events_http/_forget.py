"""Forgetting a person, in a running daemon or in the files of one that does not run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lanrage_events import EventBus, StateInUse
from lanrage_events.cli import ExitCode, write_errors, write_json, write_lines
from lanrage_events.forgetting import find_traces, forget

from ._client import DaemonClient, DaemonError

REPLY_SECONDS = 120.0
_UNREACHED = (
    "not reached: messages that were sent, the daemon's log, backups, and other programs that got "
    "the events"
)


class PersonForgetter:
    """Removes a person from what a daemon keeps, whether it runs or not.

    :param bus: of the daemon's configuration, not started
    :param make_client: returns a client of the daemon, for one that runs
    """

    def __init__(self, bus: EventBus, make_client: Callable[[], DaemonClient]) -> None:
        self._bus = bus
        self._make_client = make_client

    async def run(self, name: str, *, as_json: bool) -> int:
        """Remove a person, print what was removed and what was not, and return the exit code.

        :raises ValueError: if the name would be anyone's
        :raises DaemonError: if the daemon runs, and does not do it
        """
        try:
            report: Mapping[str, Any] = asdict(await forget(self._bus, name))
        except StateInUse as error:
            report = await self._ask_daemon(name, error)

        written = [
            file
            for files in self._bus.query("written_files").values()
            for file in files
            if isinstance(file, Path)
        ]
        traces = [str(path) for path in find_traces(name, self._bus.state_folder, written)]
        if as_json:
            write_json({**report, "left": traces})
        else:
            write_lines(_lines(name, report))
            write_errors(_problems(report, traces))
            write_errors([_UNREACHED])

        failed = any(one["problem"] for one in report["found"])
        return ExitCode.FAILED if failed or traces else ExitCode.DONE

    async def _ask_daemon(self, name: str, in_use: StateInUse) -> Mapping[str, Any]:
        async with self._make_client() as client:
            try:
                return await client.send("api/forget", {"name": name}, limit=REPLY_SECONDS)
            except DaemonError as error:
                raise DaemonError(
                    f"{in_use}, so that has to do it: {error}; or stop it, and run this again",
                    status=error.status,
                ) from None


def _lines(name: str, report: Mapping[str, Any]) -> Iterator[str]:
    found = [one for one in report["found"] if one["removed"]]
    if not found:
        yield f"nothing of {name} was found"

    for one in found:
        counts = ", ".join(f"{what}: {count:,}" for what, count in one["removed"].items())
        yield f"{one['place']}: {counts}"


def _problems(report: Mapping[str, Any], traces: list[str]) -> Iterator[str]:
    for one in report["found"]:
        if one["problem"]:
            yield f"{one['place']}: {one['problem']}"

    for plugin in report["unasked"]:
        yield f"plugin '{plugin}' has no hook 'forget': ask its author whether it keeps people"

    for path in traces:
        yield f"{path} still has the name: edit or delete it"
