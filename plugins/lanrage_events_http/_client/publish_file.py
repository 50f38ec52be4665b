"""Publishing a file of events in a running daemon."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Iterable, Sequence
from functools import partial
from typing import Any

from lanrage_events.cli import ExitCode, Line, StatusLine, counted, progress_bar

from .answers import DaemonError
from .client import DaemonClient
from .delivery import Delivery, deliver
from .lines import InputError
from .publish import Task, new_ids, run_in_task, write_json

BATCH_MAX_EVENTS = 100
# A daemon accepts 1 MiB in a request, unless its configuration says otherwise.
BATCH_MAX_BYTES = 512 * 1024
TOO_LARGE = 413

Group = Sequence[Line]
Batch = Sequence[tuple[Line, dict[str, Any]]]


class FilePublisher:
    """Publishes events from JSON lines, in batches.

    Bad lines are reported, and the others are published.

    :param task: how to publish
    :param name: of the input, for messages
    :param skip: the number of lines to skip at its beginning
    :param size: bytes of the input, None for a pipe, whose lines are published without waiting for
        a full batch
    """

    def __init__(self, task: Task, name: str, *, skip: int = 0, size: int | None = None) -> None:
        self.published = 0
        """events that the daemon has"""
        self.repeated = 0
        """those that the daemon had before"""
        self.bad_lines = 0
        """lines that are not events, except blank ones, and lines that the daemon rejected"""
        self.done = 0
        """how many lines from the first on are finished"""
        self._task = task
        self._console = StatusLine(task.err)
        self._name = name
        self._skip = skip
        self._size = size
        self._ids = new_ids()
        self._position = 0
        self._lines = 0
        self._is_complete = False
        self._batch: list[tuple[Line, dict[str, Any]]] = []
        self._batch_bytes = 0
        self._current: tuple[Delivery, Batch] | None = None

    async def run(self, groups: AsyncIterable[Group]) -> int:
        """Publish all events and return the exit code.

        :param groups: the lines, grouped by read
        """
        return await run_in_task(partial(self._run, groups))

    def report_interruption(self) -> int:
        """Report after Ctrl-C how much was published, and return the exit code."""
        self._console.clear()
        self._report_rest("interrupted")
        self._summarize()
        return ExitCode.INTERRUPTED

    async def _run(self, groups: AsyncIterable[Group]) -> int:
        problem: str | None = None
        try:
            async with self._task.make_client() as client:
                await self._publish(client, groups)
        except DaemonError as error:
            problem = str(error)
        except InputError as error:
            problem = f"cannot read {self._name}: {error}"

        self._console.clear()
        self._is_complete = problem is None
        if problem is not None:
            self._console.write(problem)
            self._report_rest("not everything is published")

        self._summarize()
        return ExitCode.DONE if self._is_complete and not self.bad_lines else ExitCode.FAILED

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
            self._report_bad_line(line, [str(error)])
            event = None

        if event is not None:
            event.setdefault("id", next(self._ids))
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
            [event for _, event in batch],
            timeout=self._task.timeout,
            on_retry=self._console.write,
        )
        self._current = delivery, batch
        try:
            await deliver(client, delivery)
        except DaemonError as error:
            if error.status != TOO_LARGE:
                raise

            self._current = None
            if len(batch) == 1:
                self._report_bad_line(batch[0][0], ["larger than the daemon takes"])
                self.done = batch[0][0].number
                return

            middle = len(batch) // 2
            await self._deliver(client, batch[:middle])
            await self._deliver(client, batch[middle:])
        else:
            self._finish_batch()
            self._show()

    def _finish_batch(self) -> list[int]:
        """Count the results of the current batch.

        :return: the numbers of the lines that were published after one that was not
        """
        if self._current is None:
            return []

        delivery, batch = self._current
        self._current = None
        self.published += len(delivery.taken)
        self.repeated += delivery.repeated
        for position, errors in sorted(delivery.rejected.items()):
            self._report_bad_line(batch[position][0], errors)

        early: list[int] = []
        is_complete = True
        for position, (line, _) in enumerate(batch):
            is_done = position in delivery.taken or position in delivery.rejected
            is_complete = is_complete and is_done
            if is_complete:
                self.done = line.number
                self._position = line.end
            elif position in delivery.taken:
                early.append(line.number)

        return early

    def _report_rest(self, what: str) -> None:
        """Report where to go on, and what is not known for certain."""
        doubtful = ""
        if self._current is not None and self._current[0].is_in_doubt:
            lines = [line.number for line, _ in self._current[1]]
            doubtful = f"; lines {lines[0]} to {lines[-1]} may have been published nevertheless"

        early = self._finish_batch()
        if early:
            doubtful += f"; published after that: {', '.join(map(str, early))}"

        rest = f"{self._name} is done up to line {self.done}, go on with --skip {self.done}"
        if not self.done:
            rest = f"nothing of {self._name} is done"

        self._console.write(f"{what}: {rest}{doubtful}")

    def _report_bad_line(self, line: Line, errors: Iterable[object]) -> None:
        self.bad_lines += 1
        for error in errors:
            self._console.write(f"{self._name}:{line.number}: {error}")

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

        if self.bad_lines:
            parts.append(counted(self.bad_lines, "bad line"))

        return ", ".join(parts)

    def _summarize(self) -> None:
        if self._task.as_json:
            summary = {
                "published": self.published,
                "repeated": self.repeated,
                "refused": self.bad_lines,
                "complete": self._is_complete,
                "done": self._lines if self._is_complete else self.done,
            }
            write_json(self._task.out, summary)
        else:
            StatusLine(self._task.out).write(self._counts())


def parse_line(line: Line) -> dict[str, Any] | None:
    """Return the JSON object in a line, None if it is blank.

    :raises ValueError: if it is anything else
    """
    text = line.text()
    if not text.strip():
        return None

    try:
        data = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON: {error}") from None

    if not isinstance(data, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004

    return data


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
