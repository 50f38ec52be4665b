"""The pictures of the documentation show what there is, and are small."""

from __future__ import annotations

import importlib.util
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "docs" / "_static"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PICTURE_MAX_BYTES = 120_000
PICTURES = sorted(path for path in STATIC.iterdir() if path.suffix in (".png", ".svg"))


def load_picture(name: str) -> Any:
    path = ROOT / "docs" / "_ext" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_picture_of_the_demo_is_what_the_demo_prints() -> None:
    drawn = load_picture("demo_picture").draw()
    message = "it changed: run python docs/_ext/demo_picture.py"

    assert without_counts((STATIC / "demo.svg").read_text("utf-8")) == without_counts(drawn), (
        message
    )
    text = "".join(ET.fromstring(drawn).itertext())
    for part in ("12 joined", "**@everyone**", " events, ", "0 events lost"):
        assert part in text


def test_the_picture_of_a_card_shows_what_the_templates_make() -> None:
    drawn = load_picture("card_picture").draw()

    assert (STATIC / "card.svg").read_text("utf-8") == drawn, (
        "it changed: run python docs/_ext/card_picture.py"
    )
    states = [
        "".join(state.itertext())
        for state in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}g")
        if "state" in state.get("class", "")
    ]
    shown = ("1 here", "5 here", "13 here", "Party Over")
    assert len(states) == len(shown)
    for state, text in zip(states, shown, strict=True):
        assert text in state
        assert ("Join voice chat" in state) == (text != "Party Over")


def test_the_first_picture_is_a_card() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"!\[.*?\]\((\S+?)\)", readme)[0] == "docs/_static/card.svg"


def without_counts(text: str) -> str:
    """Leave out what depends on which task comes first: how the events of one moment are divided."""
    return re.sub(r"\d+ messages: \d+ requests saved|edited \d+ times", "", text)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_shown(path: Path) -> None:
    assert path.stat().st_size <= PICTURE_MAX_BYTES
    assert any(f"_static/{path.name}" in page.read_text("utf-8") for page in PAGES)


def test_pictures_of_the_page_have_one_width() -> None:
    assert len(list(STATIC.glob("page-*.png"))) >= 3
    assert {width(path) for path in STATIC.glob("*.png")} == {1280}


def width(path: Path) -> int:
    # https://www.w3.org/TR/png-3/#11IHDR
    (pixels,) = struct.unpack(">I", path.read_bytes()[16:20])
    return int(pixels)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_picture_of_a_page_exists_and_says_what_it_shows(page: Path) -> None:
    text = page.read_text("utf-8")
    for alt, name in re.findall(r"!\[(.*?)\]\((\S+?)\)", text):
        assert (page.parent / name).is_file()
        assert len(alt) >= 20
