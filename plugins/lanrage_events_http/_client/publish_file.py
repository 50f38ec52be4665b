"""Publishes a file of events in a running daemon."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Sequence
from functools import partial
from typing import Any

from lanrage_events.cli import ExitCode, Line, StatusLine, counted, progress_bar

from .answers import DaemonError
from .client import DaemonClient
from .delivery import Delivery
from .lines import InputBroken
from .publish import Ids, Task, run_apart, write_json

BATCH_MAX_EVENTS = 100
# A daemon takes 1 MiB in a request unless it is told otherwise.
BATCH_MAX_BYTES = 512 * 1024
TOO_LARGE = 413

Group = Sequence[Line]
Batch = Sequence[tuple[Line, dict[str, Any]]]


class FilePublisher:
    """Publishes the events of JSON lines, in arrays.

    A line that is bad is told and does not keep the others from being published.

    :param task: how
    :param name: what the input is called
    :param skip: how many lines at its begin to leave out
    :param size: how many bytes the input has, if that is known: then it is also worth waiting until
        an array is full
    """

    def __init__(self, task: Task, name: str, *, skip: int = 0, size: int | None = None) -> None:
        self.published = 0
        """events that the daemon has"""
        self.repeated = 0
        """those that it had before"""
        self.refused = 0
        """lines that are no event, blank ones aside, and those that the daemon refused"""
        self.done = 0
        """how many lines from the first need no more attention"""
        self._task = task
        self._console = StatusLine(task.err)
        self._name = name
        self._skip = skip
        self._size = size
        self._ids = Ids()
        self._position = 0
        self._lines = 0
        self._is_complete = False
        self._batch: list[tuple[Line, dict[str, Any]]] = []
        self._batch_bytes = 0
        self._in_hand: tuple[Delivery, Batch] | None = None

    async def run(self, groups: AsyncIterable[Group]) -> int:
        """Publish all events, and return the exit code.

        :param groups: the lines, as many together as came together
        """
        return await run_apart(partial(self._run, groups))

    def tell_interruption(self) -> int:
        """Say how far it got when it was interrupted, and return the exit code."""
        self._console.clear()
        self._tell_rest("interrupted")
        self._summarize()
        return ExitCode.INTERRUPTED

    async def _run(self, groups: AsyncIterable[Group]) -> int:
        try:
            async with self._task.make_client() as client:
                await self._publish(client, groups)
        except DaemonError as error:
            self._console.clear()
            self._console.write(error.reason)
            self._tell_rest("not everything is published")
        except InputBroken as error:
            self._console.clear()
            self._console.write(f"cannot read {self._name}: {error}")
            self._tell_rest("not everything is published")
        else:
            self._console.clear()
            self._is_complete = True

        self._summarize()
        return ExitCode.DONE if self._is_complete and not self.refused else ExitCode.FAILED

    async def _publish(self, client: DaemonClient, groups: AsyncIterable[Group]) -> None:
        async for group in groups:
            for line in group:
                self._lines = line.number
                if line.number <= self._skip:
                    self.done = line.number
                else:
                    await self._take(client, line)

            if self._size is None:
                await self._flush(client)

        await self._flush(client)
        if self._lines < self._skip:
            self._console.write(
                f"{self._name} has only {counted(self._lines, 'line')}, and all were skipped"
            )

    async def _take(self, client: DaemonClient, line: Line) -> None:
        size = len(line.data or b"")
        if self._batch_bytes + size > BATCH_MAX_BYTES:
            await self._flush(client)

        try:
            event = parse_line(line)
        except ValueError as error:
            self._refuse(line, [("", str(error))])
            event = None

        if event is not None:
            event.setdefault("id", self._ids.next())
            self._batch.append((line, event))
            self._batch_bytes += size
            if len(self._batch) == BATCH_MAX_EVENTS:
                await self._flush(client)
        elif not self._batch:
            self.done = line.number

    async def _flush(self, client: DaemonClient) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if batch:
            await self._deliver(client, batch)

    async def _deliver(self, client: DaemonClient, batch: Batch) -> None:
        delivery = Delivery(
            client,
            [event for _, event in batch],
            timeout=self._task.timeout,
            tell_trouble=self._tell_trouble,
        )
        self._in_hand = delivery, batch
        try:
            await delivery.run()
        except DaemonError as error:
            if error.status != TOO_LARGE:
                raise

            self._in_hand = None
            if len(batch) == 1:
                self._refuse(batch[0][0], [("", "larger than the daemon takes")])
                self.done = batch[0][0].number
                return

            middle = len(batch) // 2
            await self._deliver(client, batch[:middle])
            await self._deliver(client, batch[middle:])
        else:
            self._settle()
            self._show()

    def _settle(self) -> list[int]:
        """Count what became of the batch in hand.

        :return: the numbers of lines that were published although one before them was not
        """
        if self._in_hand is None:
            return []

        delivery, batch = self._in_hand
        self._in_hand = None
        self.published += len(delivery.taken)
        self.repeated += delivery.repeated
        for position, errors in sorted(delivery.refused.items()):
            self._refuse(batch[position][0], errors)

        early: list[int] = []
        is_complete = True
        for position, (line, _) in enumerate(batch):
            is_settled = position in delivery.taken or position in delivery.refused
            is_complete = is_complete and is_settled
            if is_complete:
                self.done = line.number
                self._position = line.end
            elif position in delivery.taken:
                early.append(line.number)

        return early

    def _tell_rest(self, what: str) -> None:
        """Say where to go on, and what is not known for sure."""
        doubtful = ""
        if self._in_hand is not None and self._in_hand[0].is_in_doubt:
            lines = [line.number for line, _ in self._in_hand[1]]
            doubtful = f"; lines {lines[0]} to {lines[-1]} may have been published nevertheless"

        early = self._settle()
        if early:
            doubtful += f"; published after that: {', '.join(map(str, early))}"

        rest = f"{self._name} is done up to line {self.done}, go on with --skip {self.done}"
        if not self.done:
            rest = f"nothing of {self._name} is done"

        self._console.write(f"{what}: {rest}{doubtful}")

    def _refuse(self, line: Line, errors: Sequence[tuple[str, str]]) -> None:
        self.refused += 1
        for path, message in errors:
            where = f"{path}: " if path else ""
            self._console.write(f"{self._name}:{line.number}: {where}{message}")

    def _tell_trouble(self, problem: DaemonError) -> None:
        self._console.write(f"{problem.reason}; trying again")

    def _show(self) -> None:
        part = ""
        if self._size:
            done = self._position / self._size
            part = f"{progress_bar(done)} {100 * min(done, 1):3.0f} % "

        self._console.show(f"{self._name} {part}{self._counts()}")

    def _counts(self) -> str:
        parts = [f"{counted(self.published, 'event')} published"]
        if self.repeated:
            parts.append(f"of which the daemon had {self.repeated:,} already")

        if self.refused:
            parts.append(counted(self.refused, "bad line"))

        return ", ".join(parts)

    def _summarize(self) -> None:
        if self._task.as_json:
            summary = {
                "published": self.published,
                "repeated": self.repeated,
                "refused": self.refused,
                "complete": self._is_complete,
                "done": self._lines if self._is_complete else self.done,
            }
            write_json(self._task.out, summary)
        else:
            StatusLine(self._task.out).write(self._counts())


def parse_line(line: Line) -> dict[str, Any] | None:
    """Return the JSON object in a line, None if it is blank.

    :raises ValueError: if it holds anything else
    """
    text = line.text()
    if not text.strip():
        return None

    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON: {error}") from None

    if not isinstance(data, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004

    return data


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
