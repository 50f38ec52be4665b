"""Publishes one event in a running daemon."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import anyio

from lanrage_events.cli import ExitCode, StatusLine, did_you_mean, escape_controls
from lanrage_events.events import parse_event_fields

from .answers import DaemonError
from .client import DaemonClient
from .delivery import Delivery


@dataclass(frozen=True, slots=True)
class Task:
    """How to publish."""

    make_client: Callable[[], DaemonClient]
    timeout: float
    """seconds after which a request is given up"""
    as_json: bool
    out: TextIO
    err: TextIO


class Ids:
    """Makes ids that no other process makes."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(8)
        self._count = 0

    def next(self) -> str:
        """Return one that was not returned before."""
        self._count += 1
        return f"{self._prefix}-{self._count}"


class SinglePublisher:
    """Publishes one event that is given in words.

    :param task: how
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
        """Publish it, and return the exit code."""
        return await run_apart(self._run)

    def tell_interruption(self) -> int:
        """Say what is known when it was interrupted, and return the exit code."""
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
            self._console.write(error.reason)
            return ExitCode.FAILED

    async def _publish(self, client: DaemonClient) -> int:
        event = self._event(await client.event_types())
        if event is None:
            return ExitCode.MISUSE

        self._delivery = delivery = Delivery(
            client, [event], timeout=self._task.timeout, tell_trouble=self._tell_trouble
        )
        await delivery.run()
        for errors in delivery.refused.values():
            for path, message in errors:
                self._console.write(f"{path}: {message}" if path else message)

            return ExitCode.MISUSE

        if self._task.as_json:
            ids = [event["id"]]
            write_json(self._task.out, {"ids": ids, "repeated": ids[: delivery.repeated]})
        else:
            known = ", which the daemon had already" if delivery.repeated else ""
            StatusLine(self._task.out).write(f"published {self._type} {event['id']}{known}")

        return ExitCode.DONE

    def _event(self, types: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
        schema = types.get(self._type)
        if schema is None:
            hint = did_you_mean(self._type, types) or f", known are {', '.join(types)}"
            self._console.write(f"unknown event type '{self._type}'{hint}")
            return None

        try:
            fields = parse_event_fields(schema, self._words)
        except ValueError as error:
            self._console.write(str(error))
            return None

        return {"id": Ids().next(), **fields, "type": self._type}

    def _tell_trouble(self, problem: DaemonError) -> None:
        self._console.write(f"{problem.reason}; trying again")


async def run_apart(function: Callable[[], Awaitable[int]]) -> int:
    """Run a function in a task of its own, and return or raise what it does.

    A signal interrupts the first task in the middle of anything, and all others where they let it.

    :param function: it returns the exit code
    """
    outcome: int | Exception = ExitCode.FAILED

    async def run() -> None:
        nonlocal outcome
        try:
            outcome = await function()
        except Exception as error:  # noqa: BLE001 - it is raised below, and not in a group
            outcome = error

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)

    if isinstance(outcome, Exception):
        raise outcome

    return outcome


def write_json(out: TextIO, data: object) -> None:
    """Write data as one line of JSON."""
    out.write(escape_controls(json.dumps(data, ensure_ascii=False)) + "\n")
