"""What a party looks like, by the templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from typing import Any

from lanrage_events import Event, GameEnded, GameStarted, PartyCreated, PartyEvent, TemplateError
from lanrage_events.templates import TemplateFilter, TemplateLeaf, Templates

from ._activity import (
    BUTTON_LABEL_MAX_BYTES,
    MAX_BUTTONS,
    PARTY_MAX_SIZE,
    TEXT_MAX_UNITS,
    Activity,
    Button,
    fit_label,
    fit_text,
)
from ._config import PresenceConfig
from ._links import parse_image, parse_link, place_in_url, url_part
from ._parties import Party

KIND = "presence"
"""the folder in each folder of templates"""


def plain(text: str) -> str:
    """Write a value as it is, but in one line: Rich Presence shows neither markdown nor links."""
    return " ".join(text.split())


def _parse_start(value: object) -> int:
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return int((time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp())


def _parse_size(value: object) -> int:
    size = int(str(value))
    if not 0 <= size <= PARTY_MAX_SIZE:
        raise ValueError(f"expected a number from 0 to {PARTY_MAX_SIZE}, found {size}")

    return size


_TEXT_LEAF = TemplateLeaf(write=plain, limit=TEXT_MAX_UNITS)
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
    "buttons[].label": TemplateLeaf(write=plain, limit=BUTTON_LABEL_MAX_BYTES),
    "buttons[].url": TemplateLeaf(write=plain, context_filter=place_in_url, parse=parse_link),
}
"""the leaves of a Presence template"""

FILTERS: Mapping[str, TemplateFilter] = {"urlencode": TemplateFilter(url_part, atomic=True)}
"""the filters of Presence templates besides Jinja2's and the core's"""


class Renderer:
    """Turns a party into an activity, by the templates.

    :param folders: where to look for templates, the most important first; each has a folder
        ``presence`` with one file an event type
    :param config: what templates name as ``invite``, ``player``, ``large_image``, ``large_text``
    :param report: is told what is wrong with a template, each fault once; by default it is logged
    """

    def __init__(
        self,
        folders: Iterable[Traversable],
        config: PresenceConfig,
        *,
        report: Callable[[TemplateError], object] | None = None,
    ) -> None:
        self._folders = tuple(folders)
        self._templates = Templates(KIND, self._folders, LEAVES, filters=FILTERS, report=report)
        self._context: Mapping[str, object] = {
            "invite": config.invite_url,
            "player": config.player,
            "large_image": config.large_image,
            "large_text": config.large_text,
        }
        self._occasions: dict[type[Event], bool] = {}

    def check(self, types: Iterable[type[Event]]) -> list[str]:
        """Read and compile the templates of event types now, not at their first event.

        :param types: all event types that there are; a file that is named for none is a fault
        :return: what is wrong besides what is reported
        """
        types = tuple(types)
        self._templates.check(types)
        return [
            f"{path}: is not used: Rich Presence tells of parties, and {cls.type} is about none"
            for cls in types
            if not issubclass(cls, PartyEvent)
            for path in self._files(cls)
        ]

    def is_occasion(self, event: PartyEvent) -> bool:
        """Say whether an event has words of its own for the party.

        Those that begin or end something have; others, if there is a template for their type.
        """
        cls = type(event)
        if cls not in self._occasions:
            own = [base for base in cls.__mro__ if issubclass(base, PartyEvent)]
            own.remove(PartyEvent)
            self._occasions[cls] = issubclass(cls, (PartyCreated, GameStarted, GameEnded)) or any(
                self._files(base) for base in own
            )

        return self._occasions[cls]

    def render(self, party: Party, occasion: PartyEvent) -> Activity:
        """Tell of a party; a leaf that is wrong is left out.

        :param party: what templates name as ``my_party``
        :param occasion: the event whose template is used
        """
        leaves = self._templates.render(occasion, {**self._context, "my_party": party})
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

    def _files(self, cls: type[Event]) -> list[str]:
        paths = [folder / KIND / f"{cls.type}.yaml" for folder in self._folders]
        return [str(path) for path in paths if path.is_file()]


def _party_size(leaves: Mapping[str, Any]) -> tuple[int, int] | None:
    size = leaves.get("party.size", 0)
    if not size:
        return None

    # Discord refuses the whole activity if more are in the party than it can have.
    return (size, max(size, leaves.get("party.max", 0)))
