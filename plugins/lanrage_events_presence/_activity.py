"""An activity, which Discord shows for a user, and Discord's limits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lanrage_events.templates import character_boundary, utf16_units

# https://discord.com/developers/docs/social-sdk/classdiscordpp_1_1Activity.html: state, details and
# the texts of images have 2 to 128 characters; the client, which is written in JavaScript, counts
# UTF-16 code units.
TEXT_MIN_UNITS = 2
TEXT_MAX_UNITS = 128
# https://discord.com/developers/docs/social-sdk/classdiscordpp_1_1ActivityAssets.html
IMAGE_MAX_CHARACTERS = 256
# https://docs.discord.com/developers/events/gateway-events#activity-object-activity-buttons says 32
# characters, but with 32 bytes of UTF-8 nobody else sees the activity:
# https://github.com/Lachee/discord-rpc-csharp/issues/182
BUTTON_LABEL_MAX_BYTES = 31
BUTTON_URL_MAX_CHARACTERS = 512
MAX_BUTTONS = 2
# JavaScript's safe integers would allow more, but no party needs it.
PARTY_MAX_SIZE = 1_000_000

_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Button:
    """A link below an activity, which all but the user who shows it can see."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What Discord shows below the name of the application; ``str()`` gives one line."""

    details: str = ""
    """the first line, such as the game"""
    state: str = ""
    """the second line, before the size of the party"""
    party_size: tuple[int, int] | None = None
    """the current and the maximum size of the party"""
    start: int | None = None
    """the start of the elapsed time, in seconds since 1970"""
    large_image: str = ""
    """the name of an uploaded picture, or an address"""
    large_text: str = ""
    """the text next to the large picture"""
    small_image: str = ""
    small_text: str = ""
    buttons: tuple[Button, ...] = ()

    def __str__(self) -> str:
        return " · ".join(self._parts()) or "the application's name alone"

    def _parts(self) -> Iterator[str]:
        if self.details:
            yield self.details.strip()

        if self.party_size is not None:
            size, maximum = self.party_size
            yield f"{self.state.strip()} ({size} of {maximum})".strip()
        elif self.state:
            yield self.state.strip()

        if self.start is not None:
            yield f"since {datetime.fromtimestamp(self.start, UTC):%H:%M} UTC"

        yield from (f"[{button.label}]" for button in self.buttons)


def fit_text(text: str) -> str:
    """Cut or pad a line of an activity to Discord's limits; empty stays empty."""
    text = _cut(text, TEXT_MAX_UNITS, utf16_units)
    # Discord rejects an activity with a text of one letter, and does not show a trailing space.
    # Whether an emoji counts as two is not known, so it is padded too.
    return text.ljust(TEXT_MIN_UNITS) if text else text


def fit_label(text: str) -> str:
    """Cut a text to the limit of a button."""
    return _cut(text, BUTTON_LABEL_MAX_BYTES, utf8_bytes)


def utf8_bytes(text: str) -> int:
    """Return the length of a text in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def _cut(text: str, limit: int, size: Callable[[str], int]) -> str:
    if size(text) <= limit:
        return text

    position = min(len(text), limit)
    while position and size(text[:position]) + size(_ELLIPSIS) > limit:
        position = character_boundary(text, position - 1)

    return text[:position].rstrip() + _ELLIPSIS
