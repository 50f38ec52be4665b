"""hikari for test_clients.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import hikari
from hikari.impl import special_endpoints as builders
from lines import LINK, PICTURE, TEXT, Rejected, serve


class Client:
    """hikari's REST client, which always waits for the message and makes no threads."""

    @asynccontextmanager
    async def connect(
        self, base: str, webhook_id: str, token: str
    ) -> AsyncIterator[tuple[Any, int, str]]:
        """Give the REST client, and the id and the token of the webhook."""
        app = hikari.RESTApp(url=f"{base}/api/v10", max_retries=1)
        await app.start()
        try:
            async with app.acquire(None) as rest:
                yield rest, int(webhook_id), token
        except hikari.HTTPResponseError as error:
            raise Rejected(int(error.status), getattr(error, "code", 0) or None) from error
        finally:
            await app.close()

    async def send(self, rest: Any, webhook: int, token: str, *, wait: bool, **request: Any) -> Any:
        """Post a message."""
        words: dict[str, Any] = {
            key: request[key] for key in ("content", "username") if key in request
        }
        words["user_mentions"] = True
        if "embed" in request:
            words["embed"] = hikari.Embed(**request["embed"])

        if "files" in request:
            words["attachments"] = make_files(request["files"])

        if "thread_id" in request:
            words["thread"] = int(request["thread_id"])

        if "poll" in request:
            words["poll"] = make_poll(request["poll"])

        if "components" in request:
            words["components"] = make_components(request["components"])

        return describe(await rest.execute_webhook(webhook, token, **words))

    async def edit(
        self, rest: Any, webhook: int, token: str, *, message_id: str, **request: Any
    ) -> Any:
        """Edit a message."""
        words: dict[str, Any] = {key: request[key] for key in ("content",) if key in request}
        if "thread_id" in request:
            words["thread"] = int(request["thread_id"])

        if "files" in request:
            before = await rest.fetch_webhook_message(webhook, token, int(message_id))
            kept = [item for item in before.attachments if str(item.id) in request["keep"]]
            words["attachments"] = [*kept, *make_files(request["files"])]

        return describe(await rest.edit_webhook_message(webhook, token, int(message_id), **words))

    async def fetch(
        self, rest: Any, webhook: int, token: str, *, message_id: str, thread_id: str | None = None
    ) -> Any:
        """Get a message."""
        thread = {} if thread_id is None else {"thread": int(thread_id)}
        return describe(await rest.fetch_webhook_message(webhook, token, int(message_id), **thread))

    async def delete(self, rest: Any, webhook: int, token: str, *, message_id: str) -> None:
        """Delete a message."""
        await rest.delete_webhook_message(webhook, token, int(message_id))

    async def webhook(self, rest: Any, webhook: int, token: str) -> Any:
        """Get the webhook."""
        found = await rest.fetch_webhook(webhook, token=token)
        return {"name": found.name, "channel_id": str(found.channel_id)}

    async def rename(self, rest: Any, webhook: int, token: str, *, name: str) -> Any:
        """Change the webhook's name and its picture."""
        picture = hikari.Bytes(PICTURE, "a.png")
        changed = await rest.edit_webhook(webhook, token=token, name=name, avatar=picture)
        return {"name": changed.name, "has_picture": changed.avatar_hash is not None}


def make_files(files: list[dict[str, str]]) -> list[Any]:
    """Return files to attach."""
    return [hikari.Bytes(file["text"].encode(), file["name"]) for file in files]


def make_poll(poll: dict[str, Any]) -> Any:
    """Return a poll."""
    made = builders.PollBuilder(
        question_text=poll["question"], duration=poll["hours"], allow_multiselect=False
    )
    for answer in poll["answers"]:
        made.add_answer(text=answer, emoji=hikari.UnicodeEmoji("🎮"))

    return made


def make_components(kind: str) -> list[Any]:
    """Return a link button, or everything that Components v2 have for webhooks."""
    row = builders.MessageActionRowBuilder().add_link_button(LINK, label="Join")
    if kind == "link":
        return [row]

    section = builders.SectionComponentBuilder(
        accessory=builders.ThumbnailComponentBuilder(
            media="https://example.com/a.png", description="a picture"
        )
    ).add_text_display("tonight")
    gallery = builders.MediaGalleryComponentBuilder().add_media_gallery_item(
        "https://example.com/b.png"
    )
    container = builders.ContainerComponentBuilder(
        accent_color=hikari.Color(0x00FF00),
        components=[
            builders.TextDisplayComponentBuilder(content=TEXT),
            section,
            builders.SeparatorComponentBuilder(),
            gallery,
            row,
        ],
    )
    return [container]


def describe(message: Any) -> dict[str, Any]:
    """Return what the client understood of a message."""
    poll = message.poll
    return {
        "id": str(message.id),
        "channel_id": str(message.channel_id),
        "content": message.content or "",
        "author": message.author.username,
        "embeds": [[embed.title, embed.color and int(embed.color)] for embed in message.embeds],
        "mentions": [[str(user.id), user.username] for user in message.user_mentions.values()],
        "attachments": [
            [str(item.id), item.filename, item.size, item.url, None] for item in message.attachments
        ],
        "poll": poll
        and [
            poll.question.text,
            [[answer.answer_id, answer.poll_media.text] for answer in poll.answers],
        ],
        "components": [[int(item.type), item.id] for item in message.components],
        "edited": message.edited_timestamp is not None,
    }


if __name__ == "__main__":
    serve(Client())
