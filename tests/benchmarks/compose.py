"""The cost of making embeds of events, and messages of embeds.

Run it with ``python -m tests.benchmarks.compose``, or as a part of ``python -m tests.benchmarks``.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import jinja2
import yaml

import lanrage_events_templates
from lanrage_events import (
    Event,
    EventBus,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PeerJoined,
    PeerLeft,
)
from lanrage_events_discord._rendering import Entry, Renderer, compose

from ._figures import Check, ratio_at_most
from ._parts import Cell, Panel, Part, Table
from ._rounds import interleave, median_ratio

_OURS = "lanrage-events"
TIMES = 5_000
SMOKE_TIMES = 50
SIZES = (100, 300, 1_000, 3_000, 10_000)
SMOKE_SIZES = (20, 60)
STYLES = ("digest", "embeds")
INVITE = "https://discord.gg/made-up"

EMBED_MICROSECONDS_MAX = 40.0
"""of CPU time for an embed with its digest parts, everything escaped"""
JINJA_MAX = 1.5
"""times what Jinja2 alone takes for the same leaves, which neither escapes nor contains anything"""
GROWTH_MAX = 1.3
"""times the cost of an embed in the smaller batch: it does not depend on the others"""

PLAIN: dict[str, Event] = {
    "peer_joined": PeerJoined(peer_name="Ann", party_name="Friday LAN"),
    "peer_left": PeerLeft(peer_name="Ann", party_name="Friday LAN"),
    "party_created": PartyCreated(party_id="1a2b", party_name="Friday LAN", host="Ann"),
    "game_started": GameStarted(game_name="Quake", players=("Ann", "Bob", "Cid")),
    "game_ended": GameEnded(game_name="Quake", duration=1830.0, avg_latency=12.4),
    "notification": Notification(title="Food", message="Pizza is here", color=0x4CAF50),
}
_HOSTILE = "**[x](http://y.z)** <@&1> `_~|"
HOSTILE: dict[str, Event] = {
    "peer_joined": PeerJoined(peer_name=_HOSTILE, party_name=_HOSTILE),
    "notification": Notification(title=_HOSTILE, message=_HOSTILE),
}


_EMBED_ALONE = "the embed alone"
_FIELDS = "with three fields"
EXTRAS = {
    _EMBED_ALONE: "",
    "with a text": "content: '**{{ game_name }}** begins'",
    "with a name and a picture": "username: '{{ game_name }}'\navatar_url: https://example.org/a.png",
    "with two buttons": "buttons:\n- {label: '{{ game_name }}', url: 'https://example.org/{{ game_name }}'}\n"
    "- {label: Voice, url: '{{ invite }}'}",
    _FIELDS: "fields:\n" + "- {name: Seat, value: '{{ game_name }}'}\n" * 3,
    "with three fields by a loop": "fields: [{for: p in players, name: Seat, value: '{{ p }}'}]",
}
"""by name, the template"""
EXTRAS_MAX = 4.0
"""times what rendering the embed alone takes"""
LOOP_MAX = 2.0
"""times what the same fields take without a loop"""


def renderer() -> Renderer:
    """Return what the plugin renders with."""
    return Renderer(EventBus().template_folders(), invite_url=lambda: INVITE)


def jinja_alone(event: Event) -> Callable[[], object]:
    """Return what renders the leaves of an event's template with nothing but Jinja2."""
    environment = jinja2.Environment(autoescape=False)
    environment.filters |= {
        "duration": str,
        "humanize": str,
        "lines": str,
        "plural": lambda count, one, other: one if count == 1 else other,
    }
    environment.tests["empty"] = lambda value: value in (None, "", ())
    folder = Path(next(iter(lanrage_events_templates.__path__))) / "discord"
    leaves: dict[str, str] = {}
    for name in ("event", event.type):
        leaves |= _texts(yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8")))

    templates = [environment.from_string(text) for text in leaves.values() if "{" in text]
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    values |= {"type": event.type, "fields": values, "count": 1, "invite": INVITE}
    return lambda: [template.render(values) for template in templates]


def _texts(tree: dict[str, object], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _texts(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = str(value)

    return found


def seconds(call: Callable[[], object], times: int) -> float:
    """Return how many seconds of CPU time one call takes."""
    call()
    started = process_time()
    for _ in range(times):
        call()

    return (process_time() - started) / times


def rendering(rounds: int, smoke: bool) -> Table:
    """Measure embeds of the bundled templates."""
    times = SMOKE_TIMES if smoke else TIMES
    render = renderer().render
    events = {**PLAIN, **{f"{name}, all of it escaped": event for name, event in HOSTILE.items()}}
    contenders = {
        (name, who): partial(seconds, call, times)
        for name, event in events.items()
        for who, call in (("ours", partial(render, event)), ("jinja", jinja_alone(event)))
    }
    taken = interleave(contenders, rounds, compared=lambda key: key[0])
    rows: list[Sequence[Cell]] = []
    checks: list[Check] = []
    for name in events:
        ours, jinja = taken[name, "ours"], taken[name, "jinja"]
        microseconds = statistics.median(ours) * 1e6
        ratio = median_ratio(ours, jinja)
        rows.append((name, 1e6 / microseconds, microseconds, ratio))
        limit = EMBED_MICROSECONDS_MAX
        text = f"{name}: {microseconds:.1f} µs an embed (at most {limit:g})"
        checks.append(Check(text, microseconds <= limit, is_time=True))
        checks.append(ratio_at_most(f"{name}, to Jinja2 alone", ratio, JINJA_MAX))

    return Table(
        ["event", "embeds a second", "µs an embed", "times Jinja2 alone"],
        rows,
        "Embeds and their digest parts from the bundled templates, in CPU time. Jinja2 alone fills "
        "in the same leaves without a sandbox, and escapes, checks, inherits and shortens nothing.",
        checks,
        [
            Panel(
                "an embed",
                "µs of CPU time",
                bars={name: statistics.median(taken[name, "ours"]) * 1e6 for name in events},
            )
        ],
    )


def extras(rounds: int, smoke: bool) -> Table:
    """Measure what a template adds to the message of an event besides its embed."""
    times = SMOKE_TIMES if smoke else TIMES
    event = PLAIN["game_started"]
    with TemporaryDirectory() as folder:
        renders = {name: _renderer_with(folder, name, text) for name, text in EXTRAS.items()}
        contenders = {
            name: partial(seconds, partial(render, event), times)
            for name, render in renders.items()
        }
        taken = interleave(contenders, rounds)

    rows: list[Sequence[Cell]] = []
    checks: list[Check] = []
    for name, values in taken.items():
        ratio = median_ratio(values, taken[_EMBED_ALONE])
        rows.append((name, statistics.median(values) * 1e6, ratio))
        if name != _EMBED_ALONE:
            checks.append(ratio_at_most(f"{name}, to {_EMBED_ALONE}", ratio, EXTRAS_MAX))

    loop = median_ratio(taken["with three fields by a loop"], taken[_FIELDS])
    checks.append(ratio_at_most("three fields by a loop, to three fields", loop, LOOP_MAX))

    return Table(
        ["message of game_started", "µs", "times the embed alone"],
        rows,
        "What a template adds to the message besides its embed, in CPU time.",
        checks,
    )


def _renderer_with(folder: str, name: str, text: str) -> Callable[[Event], Entry]:
    own = Path(folder, name, "discord")
    own.mkdir(parents=True)
    (own / "game_started.yaml").write_text(text, encoding="utf-8")
    folders = [own.parent, *EventBus().template_folders()]
    return Renderer(folders, invite_url=lambda: INVITE).render


def composing(rounds: int, smoke: bool) -> Table:
    """Measure messages of batches of different sizes."""
    sizes = SMOKE_SIZES if smoke else SIZES
    plain = renderer()
    render, wording = plain.render, plain.wording
    kinds = [event for name, event in PLAIN.items() if name != "notification"]
    entries = [render(event) for event in islice(cycle(kinds), sizes[-1])]
    counts: dict[tuple[str, int], int] = {}

    def timed(style: str, batch: Sequence[Entry]) -> float:
        started = process_time()
        made = list(
            compose(batch, wording=wording, style="digest" if style == "digest" else "embeds")
        )
        taken = process_time() - started
        counts[style, len(batch)] = len(made)
        if sum(message.entries for message in made) != len(batch):
            raise RuntimeError("embeds were lost, so the time means nothing")

        return taken / len(batch)

    taken = interleave(
        {
            (style, size): partial(timed, style, entries[:size])
            for style in STYLES
            for size in sizes
        },
        rounds,
    )
    rows: list[Sequence[Cell]] = [
        (
            style,
            size,
            counts[style, size],
            statistics.median(values) * size * 1000,
            statistics.median(values) * 1e6,
        )
        for (style, size), values in taken.items()
    ]
    checks = [
        ratio_at_most(
            f"an embed in a batch of {sizes[-1]:,}, style {style}, to one of {sizes[-3 % len(sizes)]:,}",
            median_ratio(taken[style, sizes[-1]], taken[style, sizes[-3 % len(sizes)]]),
            GROWTH_MAX,
        )
        for style in STYLES
    ]
    return Table(
        ["style", "embeds", "messages", "ms", "µs an embed"],
        rows,
        "Messages that Discord takes, made of a batch at once, in CPU time.",
        checks,
        [
            Panel(
                "messages of a batch",
                "µs an embed",
                lines={
                    f"{_OURS}, {style}": [
                        (size, statistics.median(taken[style, size]) * 1e6) for size in sizes
                    ]
                    for style in STYLES
                },
                x="embeds in the batch",
            )
        ],
    )


def run(rounds: int, smoke: bool) -> Iterator[Table]:
    """Measure all of them."""
    yield rendering(rounds, smoke)
    yield extras(rounds, smoke)
    yield composing(rounds, smoke)


PART = Part("compose", "embeds of events, and messages of embeds", run, ["jinja2"])


if __name__ == "__main__":
    from .__main__ import main

    sys.exit(main([PART.name, *sys.argv[1:]]))
