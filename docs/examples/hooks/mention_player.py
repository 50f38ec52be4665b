from __future__ import annotations

from lanrage_events import Event, hookimpl

# The seats of this LAN, by Steam ids, which nobody can imitate.
USERS = {"STEAM_0:1:4242": "123456789012345678"}


@hookimpl
def mention_player(player: str, event: Event) -> str | None:
    if player != getattr(event, "peer_name", None):
        return None

    return USERS.get(getattr(event, "peer_id", None) or "")
