"""Post events to the HTTP API, durably, beside an outbox that is given entries as large.

Run it with ``python -m tests.benchmarks.http_events``; it prints a Markdown table of the median
rates and of the median ratio, which is what counts; see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter

import anyio
import httpx
from anyio.streams.buffered import BufferedByteReceiveStream

from ._figures import ratio_at_least
from ._parts import BACKENDS, Part, Table
from ._process import Line, start
from ._render import markdown

BATCH = 100
REQUESTS = 200
SMOKE_REQUESTS = 2
WARM_UP = 10
ROUNDS = 5
CONNECTIONS = 2
# What the HTTP API has to reach of the rate of the outbox alone.
RATIO_MIN = 0.1
COLUMNS = (
    "backend",
    "POST /api/events, events a second",
    "Outbox.put_many, entries a second",
    f"ratio (at least {RATIO_MIN:g})",
)
_HEAD = (
    "POST /api/events HTTP/1.1\r\n"
    "Host: {}:{}\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: {}\r\n\r\n"
)


def bodies(requests: int) -> list[bytes]:
    """Return what is posted: arrays of events, each with an id as ``publish --file`` gives it."""
    return [
        json.dumps(
            [
                {
                    "type": "peer_joined",
                    "id": f"5f0c2b7e9d13a846-{request * BATCH + number}",
                    "peer_name": f"player{number:05}",
                    "party_name": "Friday LAN",
                }
                for number in range(BATCH)
            ]
        ).encode()
        for request in range(requests)
    ]


async def post(url: str, contents: list[bytes], connections: int) -> float:
    """Post everything, and return how many seconds that took.

    By hand: what the client costs is missing to the daemon on a machine with two CPUs.
    """
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    waiting = iter(contents)

    async def post_some() -> None:
        async with await anyio.connect_tcp(host, int(port)) as connection:
            stream = BufferedByteReceiveStream(connection)
            for content in waiting:
                await connection.send(_HEAD.format(host, port, len(content)).encode() + content)
                head = (await stream.receive_until(b"\r\n\r\n", 10_000)).decode("latin-1")
                found = re.search(r"^content-length: (\d+)\r?$", head, re.IGNORECASE | re.MULTILINE)
                answer = await stream.receive_exactly(int(found[1]) if found else 0)
                if not head.startswith("HTTP/1.1 202 "):
                    raise RuntimeError(f"{head}\n{answer.decode()}")

    started = perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(connections):
            tasks.start_soon(post_some)

    return perf_counter() - started


async def http_rate(job: Line, folder: Path, connections: int) -> tuple[float, str]:
    """Return how many events a second are taken, and what an entry in the outbox looks like."""
    errors = folder / "stderr.txt"
    contents = bodies(job["warm_up"] + job["requests"])
    async with start("_stand_in", errors, webhooks=1, latency=0) as discord:
        place = await discord.receive()
        async with start("_http_daemon", errors, **job, **place) as daemon:
            url = (await daemon.receive())["url"]
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
                body = ""
                for content in contents[: job["warm_up"]]:
                    await post(url, [content], 1)
                    # Some of what was just posted still waits for the end of Discord's window.
                    answer = await client.get("/api/outbox/discord/entries?limit=1")
                    body = next((entry["body"] for entry in answer.json()["entries"]), body)

            seconds = await post(url, contents[job["warm_up"] :], connections)

            counts = await daemon.ask(do="count")
            if not body or counts != {"handled": len(contents) * BATCH, "failed": 0}:
                raise RuntimeError(f"events were lost, so the time means nothing: {counts}")

    return job["requests"] * BATCH / seconds, body


async def outbox_rate(job: Line, folder: Path, body: str) -> float:
    """Return how many entries a second the outbox alone takes."""
    errors = folder / "stderr.txt"
    async with start("_outbox_alone", errors, **job, body=body, batch=BATCH) as outbox:
        answer = await outbox.receive()

    return float(job["requests"] * BATCH / answer["seconds"])


async def compare(
    backend: str, requests: int, rounds: int, connections: int
) -> tuple[float, float, float]:
    """Return the rates, the API's and the outbox's, and the ratio."""
    theirs: list[float] = []
    ours: list[float] = []
    # In turn, so that a machine whose speed drifts is fair to both.
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            job = {
                "backend": backend,
                "state_folder": name,
                "requests": requests,
                "warm_up": min(WARM_UP, requests),
            }
            rate, body = await http_rate(job, Path(name), connections)
            ours.append(rate)
            theirs.append(await outbox_rate(job, Path(name), body))

    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return statistics.median(ours), statistics.median(theirs), ratio


def table(backends: Iterable[str], requests: int, rounds: int, connections: int) -> Table:
    """Measure on some backends."""
    found = {
        backend: anyio.run(compare, backend, requests, rounds, connections) for backend in backends
    }
    return Table(
        COLUMNS,
        [(backend, *rates) for backend, rates in found.items()],
        checks=[
            ratio_at_least(f"events by HTTP on {backend}, to the outbox alone", ratio, RATIO_MIN)
            for backend, (_, _, ratio) in found.items()
        ],
    )


def run_part(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure on both backends."""
    yield table(BACKENDS, SMOKE_REQUESTS if smoke else REQUESTS, rounds, CONNECTIONS)


PART = Part(
    "http_events",
    "how many events the HTTP API takes if each has to be safe before it is answered",
    run_part,
    ["anycorn", "starlette"],
    ROUNDS,
)


def main(words: list[str] | None = None) -> int:
    """Print the table; return 1 if the bound was missed."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.http_events", description=__doc__)
    parser.add_argument("--backend", choices=BACKENDS, help="only this one")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of 100 events, a round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument(
        "--smoke", action="store_true", help="once and small; the ratio is not judged"
    )
    options = parser.parse_args(words)
    requests, rounds = (SMOKE_REQUESTS, 1) if options.smoke else (options.requests, options.rounds)
    backends = [options.backend] if options.backend else BACKENDS
    found = table(backends, requests, rounds, options.connections)
    sys.stdout.write(f"{markdown(found)}\n")
    return 0 if options.smoke or all(check.passed for check in found.checks) else 1


if __name__ == "__main__":
    sys.exit(main())
