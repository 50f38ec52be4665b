from __future__ import annotations

from collections.abc import Iterator

from lanrage_events import ConfigProblem, PeerJoined, Preview, hookimpl

SPEAKERS = {"hall": "Welcome, {}!", "bar": ""}


@hookimpl
def preview(event: object) -> Iterator[Preview]:
    if not isinstance(event, PeerJoined):
        return  # the plugin says nothing about other events

    for speaker, text in SPEAKERS.items():
        problems = () if text else (ConfigProblem(f"speaker '{speaker}' has no text"),)
        said = text.format(event.peer_name)
        yield Preview(title=f"speaker '{speaker}'", text=said, problems=problems)
