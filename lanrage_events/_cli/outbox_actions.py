"""What ``lanrage-events outbox`` does with an outbox, whether the daemon runs or not."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import anyio

from ..cli import (
    ExitCode,
    StatusLine,
    counted,
    progress_bar,
    table,
    write_errors,
    write_json,
    write_lines,
)
from ..outbox import UNTIL_RESUMED, DeadLetter, Outbox, OutboxAdmin, OutboxEntry, OutboxLane
from ..outbox._tables import Which
from .errors import UsageError
from .options import Place
from .outbox_views import views_beside

AT_ONCE = 1000
"""entries that are changed between two updates of the progress bar"""


def run(place: Place, action: Callable[[OutboxAdmin], Awaitable[int]]) -> int:
    """Open an outbox, run an action on it, and return the exit code.

    :raises OutboxError: if it cannot be opened or changed
    """
    file = place.find()

    async def act() -> int:
        async with Outbox.administer(file) as outbox:
            return await action(outbox)

    return anyio.run(act)


async def list_entries(outbox: OutboxAdmin, which: Which, limit: int, *, as_json: bool) -> int:
    """Print the lanes and their entries."""
    from ..delivery._waits import waits_beside  # slow to import

    lanes = await outbox.lanes()
    waits = {} if outbox.path is None else waits_beside(outbox.path)
    views = [] if outbox.path is None or which != "all" else [*views_beside(outbox.path, limit)]
    problems = [view.problem for view in views if view.problem]
    write_errors(problems)
    code = ExitCode.FAILED if problems else ExitCode.DONE
    entries: list[OutboxEntry] = []
    if which != "dead":
        entries += await outbox.pending(limit=limit)

    if which != "pending":
        entries += await outbox.dead_letters(limit=limit)

    if as_json:
        write_json(
            {
                **{view.name: view.data() for view in views if not view.problem},
                "lanes": [_lane_data(lane, waits) for lane in lanes],
                "entries": [*map(_data, entries)],
            }
        )
        return code

    if lanes:
        rows = [
            ("LANE", "PENDING", "DEAD", "OLDEST", "WAITS UNTIL", "LAST ERROR"),
            *(_lane_row(lane, waits) for lane in lanes),
        ]
        write_lines(table(rows))
    else:
        write_lines(["the outbox is empty"])

    if entries:
        header = ("ID", "LANE", "TYPE", "PUT", "STATUS", "REASON")
        write_lines(["", *table([header, *map(_row, entries)])])

    left = _held(lanes, which) - len(entries)
    if left > 0:
        write_lines(["", f"{left:,} more: give a higher --limit"])

    for view in views:
        write_lines(view.lines())

    return code


async def show_entry(outbox: OutboxAdmin, number: int) -> int:
    """Print one entry with its body."""
    entry = await outbox.show(number)
    if entry is None:
        write_errors([f"there is no entry {number}: it was delivered or dropped, or never existed"])
        return ExitCode.FAILED

    data = _data(entry)
    if not isinstance(entry, DeadLetter):
        errors = {lane.name: lane.last_error for lane in await outbox.lanes()}
        data["last_error"] = entry.last_error or errors.get(entry.lane, "")

    write_json(data)
    return ExitCode.DONE


async def retry(outbox: OutboxAdmin, numbers: Sequence[int], *, every: bool) -> int:
    """Retry dead letters and postponed entries."""
    if every:
        lanes = await outbox.lanes()
        total = _held(lanes, "dead")
        count = await _in_steps(lanes, total, lambda lane: outbox.retry_lane(lane, limit=AT_ONCE))
    else:
        count = await outbox.retry(numbers)

    code = _done(count, "to be tried again", numbers)
    if count:
        answered = await outbox.notify_owner()
        when = "now, by the daemon that runs" if answered else "when the daemon starts"
        write_lines([f"they are sent {when}"])

    return code


async def drop(
    outbox: OutboxAdmin, numbers: Sequence[int], *, kind: Which | None, sure: bool
) -> int:
    """Remove entries for ever."""
    if kind is None:
        return _done(await outbox.drop(numbers), "dropped", numbers)

    lanes = await outbox.lanes()
    total = _held(lanes, kind)
    if not sure:
        raise UsageError(
            f"this would drop {counted(total, 'event')} for ever: confirm it with --yes"
        )

    count = await _in_steps(lanes, total, lambda lane: outbox.drop_lane(lane, kind, limit=AT_ONCE))
    return _done(count, "dropped")


async def _in_steps(
    lanes: Sequence[OutboxLane], total: int, step: Callable[[str], Awaitable[int]]
) -> int:
    """Repeat a step for each lane until it changes nothing, with a progress bar on a terminal."""
    line = StatusLine(sys.stderr)
    done = 0
    for lane in lanes:
        while count := await step(lane.name):
            done += count
            if total > AT_ONCE:
                line.show(f"{progress_bar(done / total, 30)} {done:,} of {max(total, done):,}")

            if count < AT_ONCE:
                break

    line.clear()
    return done


def _held(lanes: Sequence[OutboxLane], which: Which) -> int:
    pending = 0 if which == "dead" else sum(lane.pending for lane in lanes)
    return pending + (0 if which == "pending" else sum(lane.dead for lane in lanes))


def _done(count: int, what: str, numbers: Sequence[int] = ()) -> int:
    write_lines([f"{counted(count, 'event')} {what}"])
    if count < len(set(numbers)):
        write_errors([f"{len(set(numbers)) - count} of the IDs do not exist or need nothing"])
        return ExitCode.FAILED

    return ExitCode.DONE


def _time(time: datetime | None) -> str:
    if time == UNTIL_RESUMED:
        return "resumed"

    return "-" if time is None else f"{time:%Y-%m-%d %H:%M:%S}Z"


def _lane_row(lane: OutboxLane, waits: Mapping[str, datetime]) -> tuple[str, ...]:
    return (
        lane.name,
        f"{lane.pending:,}",
        f"{lane.dead:,}",
        _time(lane.oldest),
        _time(lane.postponed_until or waits.get(lane.name)),
        lane.last_error or "-",
    )


def _row(entry: OutboxEntry) -> tuple[str, ...]:
    status, reason = "pending", entry.last_error
    if isinstance(entry, DeadLetter):
        status, reason = "dead", entry.reason
    elif entry.postponed_until is not None:
        status = "postponed"

    return (str(entry.id), entry.lane, entry.label, _time(entry.put_time), status, reason or "-")


def _lane_data(lane: OutboxLane, waits: Mapping[str, datetime]) -> dict[str, object]:
    asked = waits.get(lane.name)
    return {
        "name": lane.name,
        "pending": lane.pending,
        "dead": lane.dead,
        "bytes": lane.bytes,
        "oldest": lane.oldest and lane.oldest.isoformat(),
        "postponed_until": lane.postponed_until and lane.postponed_until.isoformat(),
        "asked_to_wait_until": asked and asked.isoformat(),
        "last_error": lane.last_error,
    }


def _data(entry: OutboxEntry) -> dict[str, object]:
    try:
        body: object = json.loads(entry.body)
    except ValueError:
        body = entry.body

    data: dict[str, object] = {
        "id": entry.id,
        "lane": entry.lane,
        "type": entry.label,
        "put": entry.put_time.isoformat(),
        "status": "dead" if isinstance(entry, DeadLetter) else "pending",
        "attempts": entry.attempts,
        "last_error": entry.last_error,
        "expires": entry.expires and entry.expires.isoformat(),
    }
    if isinstance(entry, DeadLetter):
        data |= {
            "died": entry.failed_time.isoformat(),
            "reason": entry.reason,
            "detail": entry.detail,
        }

    return {**data, "body": body}
