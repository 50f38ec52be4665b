"""Draws what ``lanrage-events demo`` prints as a picture for the README.

``python docs/_ext/demo_picture.py`` writes it. A test sees that it is what the demo prints.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from xml.sax.saxutils import escape

import anyio
import httpx
from rich.console import Console

from lanrage_events.testing import virtual_time
from lanrage_events_discord._demo import load_parts, play
from lanrage_events_discord._demo.scenes import GROUP
from lanrage_events_discord.testing import StandInDiscord

PICTURE = Path(__file__).parents[1] / "_static" / "demo.svg"

_SCENES = ("12 friends come", "funny name", "last ones go", "quiet hours end")
_SUMMARY_LINES = 2
_COLUMNS = 76
_LINE_HEIGHT = 20
_CHARACTER_WIDTH = 8.43
_MARGIN = 20
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# Of the evening and the next morning.
_DATES = "2026-03-06", "2026-03-07"
_PAINTED = re.compile(r"\x1b\[([\d;]*)m")
_INK = "#dbdee1"
# What the demo's other colours are, by their codes for terminals.
_CODES = {"1": "#ffffff", "2": "#949ba4", "34": "#7aa2ff", "36": "#7aa2ff", "4": "#7aa2ff"}


def draw() -> str:
    """Return the picture as SVG."""
    text = anyio.run(_play, backend="asyncio", backend_options=virtual_time("asyncio")[1])
    lines = list(_chosen(text))
    columns = max(len(_PAINTED.sub("", line)) for line in lines)
    width = round(columns * _CHARACTER_WIDTH) + 2 * _MARGIN
    height = len(lines) * _LINE_HEIGHT + 2 * _MARGIN
    rows = "\n".join(_row(line, number) for number, line in enumerate(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">The demo: twelve arrivals become one message</title>\n'
        f'<rect width="100%" height="100%" rx="8" fill="#1e1f22"/>\n'
        f"<g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', "
        f'monospace" font-size="14" fill="{_INK}" xml:space="preserve">\n{rows}\n</g>\n</svg>\n'
    )


async def _play() -> str:
    discord = StandInDiscord()
    out = io.StringIO()
    console = Console(file=out, width=_COLUMNS, color_system="truecolor")
    # What other distributions would add is none of ours.
    ours = [e for e in entry_points(group=GROUP) if e.dist and e.dist.name == "lanrage-events"]
    parts = list(load_parts(sys.exit, ours))
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        summary = await play(discord, console, parts=parts, http=http)

    return f"{out.getvalue()}{summary}\n"


def _chosen(text: str) -> Iterator[str]:
    """Yield the lines of the scenes that show most, and what came of the evening."""
    yield "$ lanrage-events demo"
    dates = dict(zip(sorted(set(_DATE.findall(text))), _DATES, strict=True))
    lines = _DATE.sub(lambda found: dates[found[0]], text).splitlines()
    is_chosen = False
    for line in lines[:-_SUMMARY_LINES]:
        if "▸" in line:
            is_chosen = any(words in line for words in _SCENES)

        # A terminal needs the gaps between messages and in them more than a picture.
        if is_chosen and _PAINTED.sub("", line).strip(" ▌") and "Rich Presence" not in line:
            if "▸" in line or "APP" in line:
                yield ""

            yield line

    yield ""
    yield from lines[-_SUMMARY_LINES:]


def _row(line: str, number: int) -> str:
    y = _MARGIN + (number + 0.75) * _LINE_HEIGHT
    pieces = _PAINTED.split(line)
    color = _INK
    spans: list[str] = []
    # Texts and codes come by turns.
    for index, piece in enumerate(pieces):
        if index % 2:
            color = _color(piece)
        elif piece:
            spans.append(f'<tspan fill="{color}">{escape(piece)}</tspan>')

    return f'<text x="{_MARGIN}" y="{y:g}">{"".join(spans)}</text>'


def _color(code: str) -> str:
    found = re.search(r"38;2;(\d+);(\d+);(\d+)", code)
    if found:
        return "#" + "".join(f"{int(part):02x}" for part in found.groups())

    return _CODES.get(code, _INK)


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
