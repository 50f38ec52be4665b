"""The film of a card: the states of one message, played as a frame that changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lanrage_events.events import utc_now

from .._embeds import Embed
from .._preview import format_time, parse_markdown
from .._terminal import draw_message

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segments


class CardFilm:
    """Takes pictures of a card whenever it changes, and plays them.

    :param console: where it is played
    :param webhook_id: that of the webhook to which the card is posted
    """

    def __init__(self, console: Console, webhook_id: str) -> None:
        self.webhook_id = webhook_id
        self._console = console
        self._frames: list[Segments] = []
        self._times: list[str] = []
        self._lines: list[str] = []

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, body: Mapping[str, Any]) -> None:
        """Take a picture, with the times as they are now.

        :param body: what was posted to Discord, with one embed
        """
        from rich.segment import Segments  # slow to import

        rendered = self._console.render(draw_message(body))
        self._frames.append(Segments(list(rendered)))
        self._times.append(format_time(utc_now(), "t"))
        self._lines.append(f"    {self._times[-1]}  {_summary(Embed.from_dict(body['embeds'][0]))}")

    def play(self, pause: Callable[[], object]) -> None:
        """Draw one state after another in the same place; without a terminal, a line of each.

        :param pause: called after each state, so that people can see it
        """
        from rich.console import Group  # slow to import
        from rich.live import Live
        from rich.text import Text

        console = self._console
        if not self._frames:
            return

        if not console.is_terminal:
            for line in self._lines:
                console.print(Text(line), no_wrap=True, overflow="ellipsis")

            console.print("", self._frames[-1], "")
            return

        with Live(console=console, auto_refresh=False) as live:
            for time, frame in zip(self._times, self._frames, strict=True):
                live.update(Group(Text(time, "dim"), frame), refresh=True)
                pause()

        console.print()


def _summary(embed: Embed) -> str:
    """Return what a card says, in one line."""
    count = [embed.fields[0].name] if len(embed.fields) == 1 else []
    texts = [embed.title, *count, *embed.description.splitlines()]
    return " · ".join("".join(span.text for span in parse_markdown(text)) for text in texts)
