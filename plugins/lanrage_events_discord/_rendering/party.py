"""The messages about a whole party: its card while it lasts, and the recap that the card becomes.

Nothing publishes them. Their time is that of the last event, so the same party is rendered alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lanrage_events import Event, Member, Party
from lanrage_events.templates import LeafWarning, TemplateLeaf, utf16_units

from .. import limits
from .._embeds import plain
from .leaves import LEAVES, markdown_leaf, plain_leaf

PLAIN_CARD_MAX_CHARACTERS = 200
"""of the title of a plain card, and of its text"""

POLL_ANSWER = "poll_answer"
"""the leaf of a game's name in the poll"""

_ID = re.compile(r"[0-9]{15,20}")


def _parse_tags(text: object) -> tuple[str, ...]:
    ids = str(text).replace(",", " ").split()
    if wrong := next((one for one in ids if _ID.fullmatch(one) is None), None):
        raise ValueError(f"expected the ids of tags of the forum, found '{wrong[:40]}'")

    if len(ids) > limits.THREAD_MAX_TAGS:
        raise LeafWarning(f"a post has at most {limits.THREAD_MAX_TAGS} tags, found {len(ids)}")

    return tuple(dict.fromkeys(ids))


_NO_PLAYERS = "a card mentions nobody but whom 'mention' of its configuration names"
_SHOWN = {
    **{path: leaf for path, leaf in LEAVES.items() if not path.startswith("digest.")},
    # What is too long for it would push the rest of a card down.
    "title": markdown_leaf(limits.TITLE_MAX_CHARACTERS),
    "description": markdown_leaf(limits.DESCRIPTION_MAX_CHARACTERS, lines=True),
    "content": replace(LEAVES["content"], meaningless={"mention_player": _NO_PLAYERS}),
}

CARD_ONLY_LEAVES: Mapping[str, TemplateLeaf] = {
    "thread_name": plain_leaf(limits.THREAD_NAME_MAX_CHARACTERS),
    "applied_tags": TemplateLeaf(write=plain, parse=_parse_tags),
}
"""the leaves of the post of a card"""

_TIME = datetime(2026, 3, 6, 20, 15, tzinfo=UTC)
SAMPLE_PARTY = Party(
    key="id:lan-42",
    id="lan-42",
    name="Friday LAN",
    host="Ann",
    since=_TIME,
    members=(Member(name="Ann", since=_TIME),),
    peak=1,
    game="Quake III Arena",
    game_since=_TIME,
    players=("Ann",),
    games=(("Quake III Arena", 60.0, 1),),
    visitors=1,
    loyal=(("Ann", 60.0),),
    last_change=_TIME,
    is_empty=False,
    is_idle=False,
)
"""a party that has everything, with which the templates are checked"""

CARD_LEAVES: Mapping[str, TemplateLeaf] = {**_SHOWN, **CARD_ONLY_LEAVES}
"""the leaves of ``party_card.yaml``"""

RECAP_LEAVES: Mapping[str, TemplateLeaf] = {
    **{path: leaf for path, leaf in _SHOWN.items() if not path.startswith("buttons")},
    POLL_ANSWER: TemplateLeaf(
        write=plain, limit=limits.POLL_ANSWER_MAX_CHARACTERS, measure=utf16_units, apart=True
    ),
}
"""the leaves of ``party_recap.yaml``; what could be joined is over"""

PLAIN_CARD_LEAVES: Mapping[str, TemplateLeaf] = {
    "title": markdown_leaf(PLAIN_CARD_MAX_CHARACTERS),
    "description": markdown_leaf(PLAIN_CARD_MAX_CHARACTERS),
}
"""the leaves of ``plain_card.yaml``: nothing else is taken from ``event.yaml``, since Discord may
have rejected just that"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyCard(Event):
    """The message that shows a party and is edited when it changes."""

    party: Party


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyRecap(Event):
    """What the message of a party shows when it is over."""

    party: Party


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainCard(Event):
    """What the message of a party shows when Discord rejects the card or the recap."""

    party: Party
