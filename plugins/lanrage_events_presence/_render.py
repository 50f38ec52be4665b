"""The leaves of Rich Presence templates, and the activity rendered from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lanrage_events.events import parse_time
from lanrage_events.templates import TemplateFilter, TemplateLeaf, utf16_units

from ._activity import (
    BUTTON_LABEL_MAX_BYTES,
    MAX_BUTTONS,
    PARTY_MAX_SIZE,
    TEXT_MAX_UNITS,
    Activity,
    Button,
    fit_label,
    fit_text,
    utf8_bytes,
)
from ._links import parse_image, parse_link, place_in_url, url_part


def plain(text: str) -> str:
    """Write a value in one line; Rich Presence shows neither markdown nor links."""
    return " ".join(text.split())


def _parse_start(value: object) -> int:
    seconds = int(parse_time(value).timestamp())
    if seconds < 1:
        raise ValueError("a time after 1970-01-01 was expected: Discord shows nothing before it")

    return seconds


def _parse_size(value: object) -> int:
    size = int(str(value))
    if not 0 <= size <= PARTY_MAX_SIZE:
        raise ValueError(f"expected a number from 0 to {PARTY_MAX_SIZE}, found {size}")

    return size


_TEXT_LEAF = TemplateLeaf(write=plain, limit=TEXT_MAX_UNITS, measure=utf16_units)
_IMAGE_LEAF = TemplateLeaf(write=plain, context_filter=place_in_url, parse=parse_image)

LEAVES: Mapping[str, TemplateLeaf] = {
    "details": _TEXT_LEAF,
    "state": _TEXT_LEAF,
    "start": TemplateLeaf(parse=_parse_start),
    "party.size": TemplateLeaf(parse=_parse_size),
    "party.max": TemplateLeaf(parse=_parse_size),
    "large_image": _IMAGE_LEAF,
    "large_text": _TEXT_LEAF,
    "small_image": _IMAGE_LEAF,
    "small_text": _TEXT_LEAF,
    "buttons[].label": TemplateLeaf(write=plain, limit=BUTTON_LABEL_MAX_BYTES, measure=utf8_bytes),
    "buttons[].url": TemplateLeaf(write=plain, context_filter=place_in_url, parse=parse_link),
}
"""the leaves of a Rich Presence template"""

FILTERS: Mapping[str, TemplateFilter] = {"urlencode": TemplateFilter(url_part, atomic=True)}
"""additional filters of Rich Presence templates"""


def make_activity(leaves: Mapping[str, Any]) -> Activity:
    """Build an activity within Discord's limits from the leaves of a rendered template."""
    return Activity(
        details=fit_text(leaves.get("details", "")),
        state=fit_text(leaves.get("state", "")),
        party_size=_party_size(leaves),
        start=leaves.get("start"),
        large_image=leaves.get("large_image", ""),
        large_text=fit_text(leaves.get("large_text", "")),
        small_image=leaves.get("small_image", ""),
        small_text=fit_text(leaves.get("small_text", "")),
        buttons=tuple(
            Button(fit_label(item["label"]), item["url"])
            for item in leaves.get("buttons", ())
            if "label" in item and "url" in item
        )[:MAX_BUTTONS],
    )


def _party_size(leaves: Mapping[str, Any]) -> tuple[int, int] | None:
    size = leaves.get("party.size", 0)
    if not size:
        return None

    # Discord rejects an activity whose party is larger than its maximum.
    return (size, max(size, leaves.get("party.max", 0)))
