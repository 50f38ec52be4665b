"""The cost of making an event, and of its JSON.

Run it with ``python -m tests.benchmarks.events``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import process_time
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, TypeAdapter

from lanrage_events import PeerJoined
from lanrage_events.events import EventRegistry

from ._figures import ratio_at_most
from ._parts import Cell, Panel, Part, Table
from ._rounds import interleave, median_ratio

TIMES = 20_000
SMOKE_TIMES = 100
OURS = "lanrage-events"

# How many times the cost of the others ours is at most.
CONSTRUCTION_MAX = 0.8
"""of a frozen dataclass whose fields are all given"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bare:
    """The fields of an event, without an id and a time that make themselves."""

    id: str
    time: datetime
    parent_id: str | None
    party_id: str | None
    peer_name: str
    party_name: str
    peer_id: str | None
    first_time: bool | None
    count: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Handmade:
    """What one writes by hand."""

    id: str = field(default_factory=lambda: str(uuid4()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    party_id: str | None = None
    peer_name: str
    party_name: str
    peer_id: str | None = None
    first_time: bool | None = None
    count: int | None = None


class Model(BaseModel):
    """The same as a model, which validates what it is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = ""
    time: datetime | None = None
    party_id: str | None = None
    peer_name: str
    party_name: str
    peer_id: str | None = None
    first_time: bool | None = None
    count: int | None = None


def operations() -> dict[str, dict[str, Callable[[], object]]]:
    """Return what is measured, and who does it."""
    registry = EventRegistry()
    event = PeerJoined(peer_name="Ann", party_name="Friday LAN")
    moment = event.time
    text = event.to_json()
    bare_text = text.replace('"type":"peer_joined",', "")
    handmade = Handmade(peer_name="Ann", party_name="Friday LAN")
    adapter = TypeAdapter(Handmade)
    return {
        "make": {
            OURS: lambda: PeerJoined(peer_name="Ann", party_name="Friday LAN"),
            "dataclass, all fields given": lambda: Bare(
                id="1",
                time=moment,
                parent_id=None,
                party_id=None,
                peer_name="Ann",
                party_name="Friday LAN",
                peer_id=None,
                first_time=None,
                count=None,
            ),
            "lanrage-events, all fields given": lambda: PeerJoined(
                id="1",
                time=moment,
                parent_id=None,
                party_id=None,
                peer_name="Ann",
                party_name="Friday LAN",
                peer_id=None,
                first_time=None,
                count=None,
            ),
            "dataclass with uuid4() and now()": lambda: Handmade(
                peer_name="Ann", party_name="Friday LAN"
            ),
            "pydantic model, no id, no time": lambda: Model(
                peer_name="Ann", party_name="Friday LAN"
            ),
        },
        "decode and validate": {
            OURS: lambda: registry.from_json(text),
            "pydantic's TypeAdapter of a dataclass": lambda: adapter.validate_json(bare_text),
            "json.loads() and a dataclass, not validated": lambda: Handmade(
                **json.loads(bare_text)
            ),
        },
        "encode": {
            OURS: event.to_json,
            "pydantic's TypeAdapter of a dataclass": lambda: adapter.dump_json(handmade).decode(),
            "json.dumps() of asdict()": lambda: json.dumps(asdict(handmade), default=str),
        },
    }


def seconds(operation: Callable[[], object], times: int) -> float:
    """Return how many seconds of CPU time one call takes."""
    operation()
    repeated = range(times)
    started = process_time()
    for _ in repeated:
        operation()

    return (process_time() - started) / times


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure everything."""
    times = SMOKE_TIMES if smoke else TIMES
    kinds = operations()
    costs = interleave(
        {
            (kind, who): partial(seconds, operation, times)
            for kind, contenders in kinds.items()
            for who, operation in contenders.items()
        },
        rounds,
        compared=lambda key: key[0],
    )
    rows: list[Sequence[Cell]] = []
    for (kind, who), values in costs.items():
        ratio = median_ratio(values, costs[kind, OURS])
        rows.append((kind, who, statistics.median(values) * 1e6, ratio))

    def ratio_to(kind: str, who: str, ours: str = OURS) -> float:
        return median_ratio(costs[kind, ours], costs[kind, who])

    bare, filled = "dataclass, all fields given", f"{OURS}, all fields given"
    yield Table(
        ["what", "by", "µs of CPU time", "times ours"],
        rows,
        "An event of type `peer_joined`.",
        [
            ratio_at_most(
                "construction, to a bare dataclass of the same fields",
                ratio_to("make", bare, filled),
                CONSTRUCTION_MAX,
            ),
            ratio_at_most(
                "construction with id and time, to a dataclass with uuid4() and now()",
                ratio_to("make", "dataclass with uuid4() and now()"),
                1.0,
            ),
        ],
        [
            Panel(
                kind,
                "µs of CPU time",
                bars={who: statistics.median(costs[kind, who]) * 1e6 for who in contenders},
            )
            for kind, contenders in kinds.items()
        ],
    )


PART = Part(
    "events", "what it costs to make an event, to read and to write its JSON", run, ["pydantic"]
)


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
