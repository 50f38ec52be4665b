"""discord-webhook for test_clients.py."""

from __future__ import annotations

import json
from typing import Any

from discord_webhook import DiscordEmbed, DiscordWebhook
from lines import Rejected, serve


class Client:
    """discord-webhook, which gets neither messages nor webhooks, and has no polls and components."""

    def send(self, *, wait: bool, **request: Any) -> Any:
        """Post a message; ``execute`` itself fails if the answer is not JSON."""
        webhook = make_webhook(request)
        for key in ("content", "username", "thread_name"):
            if key in request:
                setattr(webhook, key, request[key])

        if "tags" in request:
            webhook.applied_tags = request["tags"]

        if "embed" in request:
            embed = request["embed"]
            webhook.add_embed(DiscordEmbed(title=embed["title"], color=embed["color"]))

        webhook.wait = wait
        try:
            return answer_of(webhook.execute())
        except json.JSONDecodeError as error:
            raise Rejected(None, None) from error

    def edit(self, *, message_id: str, **request: Any) -> Any:
        """Edit a message."""
        webhook = make_webhook(request)
        webhook.id = message_id
        webhook.content = request.get("content")
        webhook.attachments = [{"id": kept} for kept in request.get("keep", [])]
        return answer_of(webhook.edit())

    def delete(self, *, message_id: str, **request: Any) -> None:
        """Delete a message."""
        webhook = make_webhook(request)
        webhook.id = message_id
        answer_of(webhook.delete())


def make_webhook(request: dict[str, Any]) -> Any:
    """Return the webhook, with the files of the request."""
    webhook = DiscordWebhook(
        url=f"{request['base']}/api/webhooks/{request['id']}/{request['token']}",
        rate_limit_retry=True,
        thread_id=request.get("thread_id"),
        timeout=30,
    )
    for file in request.get("files", ()):
        webhook.add_file(file["text"].encode(), file["name"])

    return webhook


def answer_of(response: Any) -> Any:
    """Return what the client gives of a message: Discord's answer."""
    if response.status_code >= 300:
        raise Rejected(response.status_code, response.json().get("code"))

    if not response.content:
        return None

    message = response.json()
    return {
        "id": message["id"],
        "channel_id": message["channel_id"],
        "content": message["content"],
        "author": message["author"]["username"],
        "embeds": [[embed["title"], embed["color"]] for embed in message["embeds"]],
        "mentions": [[user["id"], user["username"]] for user in message["mentions"]],
        "attachments": [
            [item["id"], item["filename"], item["size"], item["url"], item.get("description")]
            for item in message["attachments"]
        ],
        "poll": None,
        "components": [],
        "edited": message["edited_timestamp"] is not None,
    }


if __name__ == "__main__":
    serve(Client())
