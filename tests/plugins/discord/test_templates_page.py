"""The page about templates names all that there is, and its examples work."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from lanrage_events.events import EventRegistry
from lanrage_events.templates import TemplateError
from lanrage_events_discord._embeds import COLORS
from lanrage_events_discord._preview import sample_event
from lanrage_events_discord._rendering import ALERT_LEAVES, DIGEST_LEAVES, FILTERS, LEAVES, Renderer

BrokenLimits = Callable[[list[Any]], list[str]]

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^```yaml\n# (my-templates/discord/(\w+)\.yaml)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
)
# Put around values by where they stand, so nobody needs to write them.
AUTOMATIC_FILTERS = {"code_text", "link_text"}


def test_every_filter_is_documented() -> None:
    for name in {*FILTERS, "duration", "humanize", "join", "lines", "plural"} - AUTOMATIC_FILTERS:
        assert re.search(rf"^\| `{name}\b", PAGE, re.MULTILINE), name


def test_every_leaf_is_in_an_example() -> None:
    for path in (*LEAVES, *DIGEST_LEAVES, *ALERT_LEAVES):
        for part in re.split(r"\[\]\.|\.", path):
            assert re.search(rf"\b{part}: ", PAGE) or f"\n{part}:\n" in PAGE, path


def test_every_colour_is_documented() -> None:
    paragraph = PAGE[PAGE.index("Write colours as") : PAGE.index("## Names and filters")]

    for name in COLORS:
        assert re.search(rf"\b{name}\b", paragraph), name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "event_type", "text"), EXAMPLES)
def test_the_examples_are_good_templates(
    broken_limits: BrokenLimits, tmp_path: Path, name: str, event_type: str, text: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    for picture in re.findall(r"fallback: (\S+\.png)", text):
        (path.parent / picture).write_bytes(b"\x89PNG\r\n\x1a\n")

    registry = EventRegistry()
    faults: list[TemplateError] = []
    folders = [tmp_path / "my-templates", files("lanrage_events_templates")]
    renderer = Renderer(folders, invite_url=lambda: None, report=faults.append)
    renderer.check(registry.types())
    event = registry.from_dict(
        sample_event(registry, event_type if event_type != "event" else "peer_joined", [])
    )

    entry = renderer.render(event)

    assert faults == []
    embed = entry.embed.to_dict()
    if "fallback" in text:  # it has no address before it is attached
        del embed["thumbnail"]

    assert broken_limits([embed]) == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4
