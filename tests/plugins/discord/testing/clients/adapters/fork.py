"""What discord.py and its fork disnake have in common, for their adapters."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import aiohttp
from lines import PICTURE, Rejected


class ForkClient:
    """The webhooks of discord.py or of a fork, by their id and their token."""

    def __init__(self, library: ModuleType) -> None:
        self.library: Any = library

    def make_poll(self, poll: dict[str, Any]) -> Any:
        """Return a poll."""
        raise NotImplementedError

    def component_words(self, kind: str) -> dict[str, Any]:
        """Return the arguments for a link button, or for all that Components v2 have."""
        raise NotImplementedError

    def file_words(self, kept: list[Any], files: list[Any]) -> dict[str, Any]:
        """Return the arguments for an edit that keeps and adds files."""
        raise NotImplementedError

    @asynccontextmanager
    async def connect(self, base: str, webhook_id: str, token: str) -> AsyncIterator[tuple[Any]]:
        """Give the webhook."""
        self.library.http.Route.BASE = f"{base}/api/v10"
        async with aiohttp.ClientSession() as session:
            try:
                yield (self.library.Webhook.partial(int(webhook_id), token, session=session),)
            except self.library.HTTPException as error:
                raise Rejected(error.status, error.code) from error

    async def send(self, webhook: Any, *, wait: bool, **request: Any) -> Any:
        """Post a message."""
        words: dict[str, Any] = {
            key: request[key] for key in ("content", "username", "thread_name") if key in request
        }
        if "embed" in request:
            words["embed"] = self.library.Embed(**request["embed"])

        if "files" in request:
            words["files"] = self._files(request["files"])

        if "thread_id" in request:
            words["thread"] = self.library.Object(int(request["thread_id"]))

        if "tags" in request:
            words["applied_tags"] = [self.library.Object(int(tag)) for tag in request["tags"]]

        if "poll" in request:
            words["poll"] = self.make_poll(request["poll"])

        if "components" in request:
            words |= self.component_words(request["components"])

        message = await webhook.send(wait=wait, **words)
        return None if message is None else describe(message)

    async def edit(self, webhook: Any, *, message_id: str, **request: Any) -> Any:
        """Edit a message."""
        words: dict[str, Any] = {key: request[key] for key in ("content",) if key in request}
        thread = self.library.Object(int(request["thread_id"])) if "thread_id" in request else None
        if thread is not None:
            words["thread"] = thread

        if "files" in request:
            before = await webhook.fetch_message(int(message_id))
            kept = [item for item in before.attachments if str(item.id) in request["keep"]]
            words |= self.file_words(kept, self._files(request["files"]))

        return describe(await webhook.edit_message(int(message_id), **words))

    async def fetch(self, webhook: Any, *, message_id: str, thread_id: str | None = None) -> Any:
        """Get a message."""
        thread = {} if thread_id is None else {"thread": self.library.Object(int(thread_id))}
        return describe(await webhook.fetch_message(int(message_id), **thread))

    async def delete(self, webhook: Any, *, message_id: str) -> None:
        """Delete a message."""
        await webhook.delete_message(int(message_id))

    async def webhook(self, webhook: Any) -> Any:
        """Get the webhook."""
        found = await webhook.fetch(prefer_auth=False)
        return {"name": found.name, "channel_id": str(found.channel_id)}

    async def rename(self, webhook: Any, *, name: str) -> Any:
        """Change the webhook's name and its picture."""
        changed = await webhook.edit(name=name, avatar=PICTURE, prefer_auth=False)
        return {"name": changed.name, "has_picture": changed.avatar is not None}

    def _files(self, files: list[dict[str, str]]) -> list[Any]:
        return [
            self.library.File(
                io.BytesIO(file["text"].encode()),
                filename=file["name"],
                description=file.get("description"),
            )
            for file in files
        ]


def describe(message: Any) -> dict[str, Any]:
    """Return what the client understood of a message."""
    poll = message.poll
    return {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "content": message.content,
        "author": message.author.name,
        "embeds": [[embed.title, embed.colour and embed.colour.value] for embed in message.embeds],
        "mentions": [[str(user.id), user.name] for user in message.mentions],
        "attachments": [
            [str(item.id), item.filename, item.size, item.url, item.description]
            for item in message.attachments
        ],
        "poll": poll
        and [
            getattr(poll.question, "text", poll.question),
            [[answer.id, answer.media.text] for answer in poll.answers],
        ],
        "components": [[item.type.value, item.id] for item in message.components],
        "edited": message.edited_at is not None,
    }
