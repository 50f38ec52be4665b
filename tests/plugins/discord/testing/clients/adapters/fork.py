"""What discord.py and its fork disnake have in common, for their adapters."""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any

import aiohttp
from lines import PICTURE, Rejected

LINK = "https://example.com/lan"
TEXT = "# LAN <@140000000000000001>"


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

    async def send(self, **request: Any) -> Any:
        """Post a message."""
        return await self._do(self._send, request)

    async def edit(self, **request: Any) -> Any:
        """Edit a message."""
        return await self._do(self._edit, request)

    async def fetch(self, **request: Any) -> Any:
        """Get a message."""
        return await self._do(self._fetch, request)

    async def delete(self, **request: Any) -> Any:
        """Delete a message."""
        return await self._do(self._delete, request)

    async def webhook(self, **request: Any) -> Any:
        """Get the webhook."""
        return await self._do(self._webhook, request)

    async def rename(self, **request: Any) -> Any:
        """Change the webhook's name and its picture."""
        return await self._do(self._rename, request)

    async def _do(self, action: Any, request: dict[str, Any]) -> Any:
        self.library.http.Route.BASE = f"{request.pop('base')}/api/v10"
        async with aiohttp.ClientSession() as session:
            webhook = self.library.Webhook.partial(
                int(request.pop("id")), request.pop("token"), session=session
            )
            try:
                return await action(webhook, **request)
            except self.library.HTTPException as error:
                raise Rejected(error.status, error.code) from error

    async def _send(self, webhook: Any, *, wait: bool, **request: Any) -> Any:
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

    async def _edit(self, webhook: Any, *, message_id: str, **request: Any) -> Any:
        words: dict[str, Any] = {key: request[key] for key in ("content",) if key in request}
        thread = self.library.Object(int(request["thread_id"])) if "thread_id" in request else None
        if thread is not None:
            words["thread"] = thread

        if "files" in request:
            before = await webhook.fetch_message(int(message_id))
            kept = [item for item in before.attachments if str(item.id) in request["keep"]]
            words |= self.file_words(kept, self._files(request["files"]))

        return describe(await webhook.edit_message(int(message_id), **words))

    async def _fetch(self, webhook: Any, *, message_id: str, thread_id: str | None = None) -> Any:
        thread = {} if thread_id is None else {"thread": self.library.Object(int(thread_id))}
        return describe(await webhook.fetch_message(int(message_id), **thread))

    async def _delete(self, webhook: Any, *, message_id: str) -> None:
        await webhook.delete_message(int(message_id))

    async def _webhook(self, webhook: Any) -> Any:
        found = await webhook.fetch(prefer_auth=False)
        return {"name": found.name, "channel_id": str(found.channel_id)}

    async def _rename(self, webhook: Any, *, name: str) -> Any:
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
