"""Discord's webhook API without a network: it turns requests into replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ._body import Body
from ._form import Form
from ._limits import OLD_MESSAGE_SECONDS, Limits
from ._messages import (
    Checked,
    Sent,
    attach,
    avatar_hash,
    check_identity,
    check_message,
    check_webhook_name,
    edited_message,
    is_empty,
    legacy_field,
    new_message,
)
from ._reply import Reply, error, form_error, in_old_form, json_reply, no_content
from ._routes import Route
from ._webhooks import Channel, Message, StandInWebhook, make_snowflakes

# https://docs.discord.com/developers/reference#api-versioning: without one, it is 6.
_VERSIONS = (None, 6, 7, 8, 9, 10)
_OLD_VERSIONS = (None, 6, 7)


class WebhookAPI:
    """Holds the webhooks, answers the requests to them, and keeps to the limits."""

    def __init__(self, limits: Limits) -> None:
        self.snowflakes = make_snowflakes()
        self.guild_id = next(self.snowflakes)
        self.channels: dict[str, Channel] = {}
        self.webhooks: dict[str, StandInWebhook] = {}
        self._limits = limits

    def answer(self, route: Route, body: Body, now: float, epoch: float) -> Reply:
        """Carry out a request, or reject it.

        :param now: seconds of :func:`anyio.current_time`
        :param epoch: the time in seconds since 1970 at which ``now`` was 0
        """
        webhook = self.webhooks.get(route.webhook_id or "")
        rejection = self._limits.check_address(now) or self._check_route(route, webhook)
        if rejection is not None or webhook is None:
            return rejection or error(404, 10015, "Unknown Webhook")

        reply = self._limits.check_webhook(webhook.id, route.action, now)
        if reply is None:
            reply = self._act(webhook, route, body, now, epoch)
            # A rejection by a channel's hidden limit does not show in the webhook's own numbers:
            # https://github.com/discord/discord-api-docs/issues/4043
            if reply.scope != "shared":
                self._limits.count_webhook(webhook.id, route.action, now)

        old = route.version in _OLD_VERSIONS
        if old:
            reply = in_old_form(reply)

        headers = self._limits.headers(webhook.id, route.action, now, epoch, precise=not old)
        return replace(reply, headers={**reply.headers, **headers})

    def _check_route(self, route: Route, webhook: StandInWebhook | None) -> Reply | None:
        if route.webhook_id is None:
            return error(404, 0, "404: Not Found")

        if route.version not in _VERSIONS:
            return error(400, 50041, "Invalid API version")

        if route.token is None:
            return error(401, 0, "401: Unauthorized")

        if webhook is None or webhook.deleted:
            return error(404, 10015, "Unknown Webhook")

        if route.token != webhook.token:
            return error(401, 50027, "Invalid Webhook Token")

        if route.action == "unknown":
            return error(405, 0, "405: Method Not Allowed")

        return None

    def _act(
        self, webhook: StandInWebhook, route: Route, body: Body, now: float, epoch: float
    ) -> Reply:
        match route.action:
            case "execute":
                return self._execute(webhook, route, body, now, epoch)
            case "edit":
                return self._edit(webhook, route, body, now, epoch)
            case "delete":
                return self._delete(webhook, route)
            case "get_message":
                found = self._find(webhook, route)
                return found if isinstance(found, Reply) else json_reply(200, found)
            case "modify_webhook":
                return self._modify(webhook, body)
            case "delete_webhook":
                webhook.delete()
                return no_content()
            case _:
                return json_reply(200, self._describe(webhook))

    def _describe(self, webhook: StandInWebhook) -> dict[str, Any]:
        return {
            "id": webhook.id,
            "type": 1,
            "name": webhook.name,
            "avatar": webhook._avatar,
            "channel_id": webhook.channel_id,
            "guild_id": self.guild_id,
            "application_id": None,
            "token": webhook.token,
            "url": webhook.url,
        }

    def _modify(self, webhook: StandInWebhook, body: Body) -> Reply:
        if body.rejection is not None:
            return body.rejection

        form = Form()
        data: Mapping[str, Any] = body.data or {}
        name = webhook.name
        if "name" in data:
            name = check_webhook_name(form, ("name",), data["name"], required=True)

        avatar = form.picture(("avatar",), data.get("avatar"))
        if form.errors:
            return form_error(form.errors)

        webhook.name = name
        if "avatar" in data:
            webhook._avatar = avatar_hash(avatar) if avatar else None

        return json_reply(200, self._describe(webhook))

    def _execute(
        self, webhook: StandInWebhook, route: Route, body: Body, now: float, epoch: float
    ) -> Reply:
        if body.rejection is not None:
            return body.rejection

        form = Form()
        data: Mapping[str, Any] = body.data or {}
        wait = form.switch(("wait",), route.query.get("wait"))
        with_components = form.switch(("with_components",), route.query.get("with_components"))
        uploaded = [file.filename for file in body.files]
        checked = check_message(form, data, with_components=with_components, uploaded=uploaded)
        check_identity(form, data, checked)
        if form.errors:
            return form_error(form.errors)

        channel = webhook._channel
        thread_id = route.query.get("thread_id")
        rejection = _check_thread(channel, thread_id, checked)
        if rejection is not None:
            return rejection

        message_id = next(self.snowflakes)
        # A thread in a forum has the id of its first message.
        channel_id = thread_id or (message_id if checked.thread_name else channel.id)
        sent = Sent(
            message_id=message_id,
            channel_id=channel_id,
            webhook_id=webhook.id,
            webhook_name=webhook.name,
            webhook_avatar=webhook._avatar,
            seconds=epoch + now,
        )
        attachments = self._attach(webhook, channel_id, checked, body, None)
        message = new_message(checked, sent, attachments)
        if is_empty(message):
            return error(400, 50006, "Cannot send an empty message")

        rejection = self._limits.check_channel(thread_id or channel.id, now)
        if rejection is not None:
            return rejection

        if checked.thread_name:
            channel.threads[channel_id] = checked.thread_name

        webhook._post(message, attachments)
        # A form with files is answered with the message, whether it waits or not.
        if wait or body.files:
            return json_reply(200, message, message=message)

        return no_content(message=message, message_id=message_id)

    def _edit(
        self, webhook: StandInWebhook, route: Route, body: Body, now: float, epoch: float
    ) -> Reply:
        found = self._find(webhook, route)
        if isinstance(found, Reply):
            return found

        if body.rejection is not None:
            return body.rejection

        form = Form()
        with_components = form.switch(("with_components",), route.query.get("with_components"))
        before = webhook._attachments[found["id"]]
        checked = check_message(
            form,
            body.data or {},
            with_components=with_components,
            uploaded=[file.filename for file in body.files],
            kept=[attachment["filename"] for attachment in before],
            flags=found["flags"],
        )
        if form.errors:
            return form_error(form.errors)

        if found.get("poll") is not None:
            return error(400, 520003, "Cannot edit a poll message")

        attachments = self._attach(webhook, found["channel_id"], checked, body, before)
        message = edited_message(found, checked, attachments, seconds=epoch + now)
        if checked.modern:
            _check_modern(form, message)
            if form.errors:
                return form_error(form.errors)

        if is_empty(message):
            return error(400, 50006, "Cannot send an empty message")

        posted = datetime.fromisoformat(found["timestamp"]).timestamp()
        if epoch + now - posted > OLD_MESSAGE_SECONDS:
            rejection = self._limits.check_old_edit(found["channel_id"], now)
            if rejection is not None:
                return rejection

        webhook._keep(message, attachments)
        return json_reply(200, message, message=message)

    def _delete(self, webhook: StandInWebhook, route: Route) -> Reply:
        found = self._find(webhook, route)
        if isinstance(found, Reply):
            return found

        webhook.delete_message(found["id"])
        return no_content(message_id=found["id"])

    def _attach(
        self,
        webhook: StandInWebhook,
        channel_id: str,
        checked: Checked,
        body: Body,
        before: list[dict[str, Any]] | None,
    ) -> list[dict[str, Any]]:
        # https://docs.discord.com/developers/reference#signed-attachment-cdn-urls: with Discord it
        # is another host, where nothing of a test should arrive.
        folder = f"{webhook.url.partition('/api/')[0]}/attachments/{channel_id}"
        return attach(
            body.files,
            checked.attachments,
            before,
            make_id=self.snowflakes.__next__,
            folder=folder,
        )

    def _find(self, webhook: StandInWebhook, route: Route) -> Message | Reply:
        """Return a message, which must be in the thread that the query names."""
        thread_id = route.query.get("thread_id")
        if thread_id is not None and thread_id not in webhook.threads:
            return error(404, 10003, "Unknown Channel")

        message = webhook._messages.get(route.message_id or "")
        if message is None or message["channel_id"] != (thread_id or webhook.channel_id):
            return error(404, 10008, "Unknown Message")

        return message


def _check_modern(form: Form, message: Message) -> None:
    """Reject an edit that leaves something beside the components."""
    # https://docs.discord.com/developers/resources/webhook#edit-webhook-message
    for name in ("content", "embeds", "poll"):
        if message.get(name) and name not in form.errors:
            form.add((name,), *legacy_field(name))

    if message["attachments"]:
        form.add(("files",), *legacy_field("files"))


def _check_thread(channel: Channel, thread_id: str | None, checked: Checked) -> Reply | None:
    # https://docs.discord.com/developers/topics/opcodes-and-status-codes#json-json-error-codes
    if checked.thread_name and not channel.forum:
        return error(400, 220003, "Webhooks can only create threads in forum channels")

    if checked.thread_name and thread_id:
        message = "Webhooks posted to forum channels cannot have both a thread_name and thread_id"
        return error(400, 220002, message)

    if channel.forum and not checked.thread_name and not thread_id:
        message = "Webhooks posted to forum channels must have a thread_name or thread_id"
        return error(400, 220001, message)

    if thread_id and thread_id not in channel.threads:
        return error(404, 10003, "Unknown Channel")

    if thread_id in channel.locked:
        return error(400, 160005, "Thread is locked")

    if checked.thread_name and channel.require_tag and not checked.applied_tags:
        message = "A tag is required to create a forum post in this channel"
        return error(400, 40067, message)

    return None
