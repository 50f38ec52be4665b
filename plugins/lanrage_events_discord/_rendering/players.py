"""Players who are users in Discord, and texts that mention them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from lanrage_events import Event

from .. import limits
from .._embeds import markdown, player_key, shorten_markdown, user_mention

logger = logging.getLogger("lanrage_events.discord")

# Code points for private use, which no value has.
_BEGIN, _END = "\ue001", "\ue002"
_MARKED = re.compile(f"{_BEGIN}([^{_END}]*){_END}")
_USER = re.compile(r"[0-9]{1,20}")
# Steam's, Xbox's and others' have a colon, and Minecraft's are of hexadecimal digits.
_ID = re.compile(r".*:.*|[0-9a-f-]{12,}", re.IGNORECASE | re.DOTALL)

Ask = Callable[[str, Event], Mapping[str, str | None]]
"""asks the plugins for the user that a player is: the name and the event; returns ids by plugin"""


def mark_player(name: str) -> str:
    """Write a player whom :meth:`Players.mention` finds in the text."""
    return f"{_BEGIN}{name}{_END}"


class Players:
    """Knows the users of players.

    :param users: the ids of users, by the names of players or their ``peer_id``
    :param ask: asks the plugins for those who are not among them
    """

    def __init__(
        self, users: Mapping[str, str] = MappingProxyType({}), ask: Ask = lambda player, event: {}
    ) -> None:
        self._users = {player_key(key): user for key, user in users.items()}
        self._ask = ask
        self._logged: set[str] = set()

    def mention(self, text: str, event: Event) -> tuple[str, tuple[str, ...]]:
        """Return a text with mentions in place of its marked players, and the users in it.

        A player who is not known is shown by name.
        """
        if _BEGIN not in text:
            return text, ()

        users: dict[str, None] = {}

        def write(match: re.Match[str]) -> str:
            user = self._find(match[1], event)
            if user is None:
                return markdown(match[1])

            users[user] = None
            return user_mention(user)

        written = shorten_markdown(_MARKED.sub(write, text), limits.CONTENT_MAX_CHARACTERS)
        return written, tuple(one for one in users if user_mention(one) in written)

    def _find(self, player: str, event: Event) -> str | None:
        name, id = (getattr(event, key, None) for key in ("peer_name", "peer_id"))
        is_peer = isinstance(name, str) and player_key(name) == player_key(player)
        if is_peer and id and (user := self._users.get(player_key(str(id)))) is not None:
            return user

        # A name that looks like the id of someone else may be an imitation.
        if not _ID.fullmatch(player) and (user := self._users.get(player_key(player))) is not None:
            return user

        for plugin, answer in self._ask(player, event).items():
            if answer is not None and _USER.fullmatch(answer):
                return answer

            if answer and plugin not in self._logged:
                self._logged.add(plugin)
                logger.warning("plugin '%s': mention_player returned no id of a user", plugin)

        return None
