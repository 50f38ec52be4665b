"""disnake for test_clients.py."""

from __future__ import annotations

import datetime
from typing import Any

import disnake
from fork import ForkClient
from lines import LINK, TEXT, serve


class Client(ForkClient):
    """disnake's webhooks."""

    def make_poll(self, poll: dict[str, Any]) -> Any:
        # With emoji, disnake cannot read the answer without a bot (PartialWebhookState).
        answers = [disnake.PollAnswer(disnake.PollMedia(text)) for text in poll["answers"]]
        duration = datetime.timedelta(hours=poll["hours"])
        return disnake.Poll(poll["question"], answers=answers, duration=duration)

    def component_words(self, kind: str) -> dict[str, Any]:
        button: Any = disnake.ui.Button(label="Join", url=LINK)
        if kind == "link":
            return {"components": [button]}

        ui: Any = disnake.ui
        container = ui.Container(
            ui.TextDisplay(TEXT),
            ui.Section("tonight", accessory=ui.Thumbnail("https://example.com/a.png", "a picture")),
            ui.Separator(),
            ui.MediaGallery(disnake.MediaGalleryItem("https://example.com/b.png")),
            ui.ActionRow(button),
            accent_colour=disnake.Colour(0x00FF00),
        )
        return {"components": [container]}

    def file_words(self, kept: list[Any], files: list[Any]) -> dict[str, Any]:
        return {"attachments": kept, "files": files}


if __name__ == "__main__":
    serve(Client(disnake))
