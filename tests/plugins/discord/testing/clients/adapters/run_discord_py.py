"""discord.py for test_clients.py."""

from __future__ import annotations

import datetime
from typing import Any

import discord
from fork import ForkClient
from lines import LINK, TEXT, serve


class Client(ForkClient):
    """discord.py's webhooks."""

    def make_poll(self, poll: dict[str, Any]) -> Any:
        made = discord.Poll(poll["question"], datetime.timedelta(hours=poll["hours"]))
        for answer in poll["answers"]:
            made.add_answer(text=answer, emoji="🎮")

        return made

    def component_words(self, kind: str) -> dict[str, Any]:
        button: Any = discord.ui.Button(label="Join", url=LINK)
        if kind == "link":
            return {"view": discord.ui.View().add_item(button)}

        thumbnail: Any = discord.ui.Thumbnail("https://example.com/a.png", description="a picture")
        container: Any = discord.ui.Container(
            discord.ui.TextDisplay(TEXT),
            discord.ui.Section(discord.ui.TextDisplay("tonight"), accessory=thumbnail),
            discord.ui.Separator(),
            discord.ui.MediaGallery(discord.MediaGalleryItem("https://example.com/b.png")),
            discord.ui.ActionRow(button),
            accent_colour=0x00FF00,
        )
        return {"view": discord.ui.LayoutView().add_item(container)}

    def file_words(self, kept: list[Any], files: list[Any]) -> dict[str, Any]:
        return {"attachments": [*kept, *files]}


if __name__ == "__main__":
    serve(Client(discord))
