"""Publishing one event in a running daemon."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import anyio

from lanrage_events.cli import ExitCode, StatusLine, did_you_mean, safe_text
from lanrage_events.events import parse_event_fields

from .answers import DaemonError
from .client import DaemonClient
from .delivery import Delivery, deliver


@dataclass(frozen=True, slots=True)
class Task:
    """How to publish."""

    make_client: Callable[[], DaemonClient]
    timeout: float
    """seconds for which it retries"""
    as_json: bool
    out: TextIO
    err: TextIO


def new_ids() -> Iterator[str]:
    """Generate ids that no other process generates."""
    prefix = secrets.token_hex(8)
    return (f"{prefix}-{number}" for number in itertools.count(1))


class SinglePublisher:
    """Publishes an event that is given on the command line.

    :param task: how to publish
    :param event_type: its type
    :param words: its fields, each as ``name=value``
    """

    def __init__(self, task: Task, event_type: str, words: Sequence[str]) -> None:
        self._task = task
        self._console = StatusLine(task.err)
        self._type = event_type
        self._words = words
        self._delivery: Delivery | None = None

    async def run(self) -> int:
        """Publish the event and return the exit code."""
        return await run_in_task(self._run)

    def report_interruption(self) -> int:
        """Report after Ctrl-C whether the event was published, and return the exit code."""
        delivery = self._delivery
        if delivery is None or not (delivery.taken or delivery.is_in_doubt):
            self._console.write("interrupted: the event was not published")
        elif delivery.taken:
            self._console.write("interrupted, but the event was published")
        else:
            self._console.write("interrupted: the event may or may not have been published")

        return ExitCode.INTERRUPTED

    async def _run(self) -> int:
        try:
            async with self._task.make_client() as client:
                return await self._publish(client)
        except DaemonError as error:
            self._console.write(str(error))
            return ExitCode.FAILED

    async def _publish(self, client: DaemonClient) -> int:
        types = await client.event_types()
        try:
            event = self._event(types)
        except ValueError as error:
            self._console.write(str(error))
            return ExitCode.MISUSE

        self._delivery = delivery = Delivery(
            [event], timeout=self._task.timeout, on_retry=self._console.write
        )
        await deliver(client, delivery)
        if delivery.rejected:
            for problem in delivery.rejected[0]:
                self._console.write(str(problem))

            return ExitCode.MISUSE

        if self._task.as_json:
            ids = [event["id"]]
            write_json(self._task.out, {"ids": ids, "repeated": ids[: delivery.repeated]})
        else:
            known = ", which the daemon had already" if delivery.repeated else ""
            StatusLine(self._task.out).write(f"published {self._type} {event['id']}{known}")

        return ExitCode.DONE

    def _event(self, types: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        if self._type not in types:
            hint = did_you_mean(self._type, types) or f", known are {', '.join(types)}"
            raise ValueError(f"unknown event type '{self._type}'{hint}")

        fields = parse_event_fields(types[self._type], self._words)
        return {"id": next(new_ids()), **fields, "type": self._type}


async def run_in_task(function: Callable[[], Awaitable[int]]) -> int:
    """Call a function in a task of its own, and return its exit code.

    Ctrl-C interrupts the main task anywhere, but other tasks only at checkpoints.
    """
    outcome: int | Exception = ExitCode.FAILED

    async def run() -> None:
        nonlocal outcome
        try:
            outcome = await function()
        except Exception as error:  # noqa: BLE001 - raised below, not in a group
            outcome = error

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)

    if isinstance(outcome, Exception):
        raise outcome

    return outcome


def write_json(out: TextIO, data: object) -> None:
    """Write data as one line of JSON."""
    out.write(safe_text(json.dumps(data, ensure_ascii=False)) + "\n")
