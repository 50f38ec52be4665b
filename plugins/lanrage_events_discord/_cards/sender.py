"""The sender: one request for a card, and what the card is once it succeeded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from lanrage_events import Party

from .. import limits
from .._client import Outcome, OutcomeKind, WebhookClient, WebhookURL
from .._delivery import Envelope, post_name, with_mentions
from .._embeds import (
    SUPPRESS_NOTIFICATIONS,
    Embed,
    Message,
    Pictures,
    role_mention,
    shorten,
    user_mention,
)
from .._rendering import Digest, Entry, Presentation
from .answers import WITHOUT_ID, stop
from .card import Card
from .render import CardRenderer
from .steps import Step, may_call
from .store import CardStore


class Sender:
    """Makes the requests for cards, each once.

    :param store: has the parties, and keeps what must be known before a request
    :param renderer: renders
    :param client: sends
    :param pictures: reads those that cards show
    """

    def __init__(
        self, store: CardStore, renderer: CardRenderer, client: WebhookClient, pictures: Pictures
    ) -> None:
        self._store = store
        self._renderer = renderer
        self._client = client
        self._pictures = pictures

    def is_right(self, card: Card) -> bool:
        """Whether Discord shows what it should, as far as is known."""
        return self._hash(self._edited(card)) == card.shown

    async def send(
        self, card: Card, step: Step, webhook: WebhookURL, envelope: Envelope, *, is_loud: bool
    ) -> Outcome | None:
        """Make one request, and change the card as it says if it succeeded.

        :param envelope: for a message of the webhook
        :param is_loud: whether it may mention someone now
        :return: the outcome; None if there is nothing to send after all
        :raises OSError: if what must be known before cannot be kept
        """
        if step is Step.POST:
            return await self._post(card, webhook, envelope, is_loud)

        if step is Step.POLL:
            return await self._poll(card, webhook, envelope)

        if step is Step.EDIT:
            return await self._edit(card, webhook)

        return await self._delete(card, step, webhook)

    async def _edit(self, card: Card, webhook: WebhookURL) -> Outcome:
        look = self._edited(card)
        message, had = await self._pictures.attach(look), card.pictures
        if had != (names := tuple(file.name for file in message.files)):
            card.pictures = None

        outcome = await self._client.edit(
            webhook,
            card.message_id or "",
            message.edit_body(),
            files=message.files,
            had=had,
            thread_id=card.thread_id,
        )
        if outcome.kind is OutcomeKind.DELIVERED:
            card.shown, card.misses, card.pictures = self._hash(look), 0, names

        return self._without_files(message, outcome)

    def _without_files(self, message: Message, outcome: Outcome) -> Outcome:
        """Return an outcome, after which the message is tried without what Discord rejected of it."""
        if not message.files or not outcome.is_about_files:
            return outcome

        self._pictures.reject(message)
        return replace(outcome, kind=OutcomeKind.RETRY_AFTER)

    async def _delete(self, card: Card, step: Step, webhook: WebhookURL) -> Outcome:
        message_id = card.formers[0] if step is Step.DELETE_FORMER else card.message_id
        return await self._client.delete(webhook, message_id or "", thread_id=card.thread_id)

    async def _poll(self, card: Card, webhook: WebhookURL, envelope: Envelope) -> Outcome | None:
        poll = self._renderer.poll(self._store.party(card), card.config)
        card.is_polled = True
        if poll is None:
            return None

        # Known before the request, so that it is never posted twice.
        await self._keep(card, "is_polled")
        message = envelope.wrap(poll, (), webhook.id, is_backlog=False)
        if card.config.silent:
            message = replace(message, flags=SUPPRESS_NOTIFICATIONS)

        if card.thread_id is not None:
            message = replace(message, thread_name="", thread_id=card.thread_id)

        outcome = await self._execute(webhook, message)
        if outcome.kind is not OutcomeKind.DELIVERED and not outcome.may_be_carried_out:
            card.is_polled = outcome.is_rejection

        return outcome

    async def _post(
        self, card: Card, webhook: WebhookURL, envelope: Envelope, is_loud: bool
    ) -> Outcome | None:
        party = self._store.party(card)
        message = self._new(card, party, webhook, envelope, is_loud)
        roles = message.allowed_mentions.get("roles", ())
        users = message.allowed_mentions.get("users", ())
        mention = " ".join([*map(role_mention, roles), *map(user_mention, users)])
        answer: Outcome | None = None
        try:
            if may_call(card, party, is_loud=is_loud):
                card.is_mentioned = True
                if not mention and card.message_id is not None:
                    return None

                # Known before the request, so that no one is ever mentioned twice.
                await self._keep(card, "is_mentioned")

            posted = await self._pictures.attach(message)
            card.thread_id = message.thread_id or None
            answer = outcome = await self._execute(webhook, posted)
        finally:
            envelope.answered(message, answer, webhook.id)

        if outcome.kind is OutcomeKind.DELIVERED:
            self._posted(card, message, outcome, webhook)
            card.pictures = tuple(file.name for file in posted.files)
            card.mention = mention
            is_own = card.owns_thread and message.thread_name
            kept = replace(message, thread_name=post_name(card.id)) if is_own else message
            envelope.delivered(kept, webhook.id, outcome.channel_id)
        elif mention and not outcome.may_be_carried_out:
            card.is_mentioned = False

        is_place = outcome.kind is OutcomeKind.LANE_DEAD and not card.config.thread
        if is_place and envelope.avoid_thread(message, outcome, webhook.id):
            return replace(outcome, kind=OutcomeKind.RETRY_AFTER)

        return self._without_files(posted, outcome)

    async def _keep(self, card: Card, flag: str) -> None:
        """Keep a flag of a card, which is not so if it cannot be kept."""
        try:
            await self._store.save(card)
        except OSError:
            setattr(card, flag, False)
            raise

    async def _execute(self, webhook: WebhookURL, message: Message) -> Outcome:
        thread_id = message.thread_id or None
        return await self._client.execute(
            webhook, message.body(), files=message.files, thread_id=thread_id
        )

    def _posted(self, card: Card, message: Message, outcome: Outcome, webhook: WebhookURL) -> None:
        if card.message_id is not None:
            card.formers = (*card.formers, card.message_id)

        if outcome.message_id is None:
            stop(card, WITHOUT_ID)

        card.owns_thread = card.owns_thread or (card.config.thread and bool(message.thread_name))
        card.thread_id = outcome.channel_id if message.thread_name else message.thread_id or None
        card.message_id, card.channel_id = outcome.message_id, outcome.channel_id
        card.webhook_id, card.shown = webhook.id, self._hash(message)
        card.is_pushed, card.is_requested, card.is_announced = False, False, True

    def _new(
        self, card: Card, party: Party, webhook: WebhookURL, envelope: Envelope, is_loud: bool
    ) -> Message:
        """Return the message to post."""
        config = card.config
        wanted = Presentation(silent=config.silent or card.is_announced)
        if may_call(card, party, is_loud=is_loud) and (mention := config.mention) is not None:
            wanted = replace(
                wanted, roles=mention.roles, users=mention.users, cooldown=mention.cooldown
            )

        look = self._look(card, party)
        entry = Entry(card.id, "", party.since, Embed(), Digest("", "", ""), wanted)
        message = envelope.wrap(look, [entry], webhook.id, is_backlog=False)
        if any(message.allowed_mentions.values()):
            message = replace(message, flags=0)

        if card.is_plain:
            message = replace(message, username="", avatar_url="")

        if card.owns_thread:
            return replace(message, thread_name="", thread_id=card.thread_id or "")

        if config.thread:
            name = look.thread_name or party.name or party.key
            name = shorten(name, limits.THREAD_NAME_MAX_CHARACTERS)
            tags = look.applied_tags
            return replace(message, thread_name=name, thread_id="", applied_tags=tags)

        return message

    def _look(self, card: Card, party: Party) -> Message:
        is_recap = card.is_over and card.config.when_over == "recap"
        render = self._renderer.recap if is_recap else self._renderer.card
        return render(party, card.config, plain=card.is_plain)

    def _edited(self, card: Card) -> Message:
        """Return what the message should show; an edit mentions no one."""
        look = self._look(card, self._store.party(card))
        content, _ = with_mentions(look.content, [card.mention] if card.mention else [])
        return replace(look, content=content, allowed_mentions={"parse": []})

    def _hash(self, message: Message) -> str:
        """Return by what is known again what a message shows, whomever it mentions."""
        body = message.edit_body()
        shown = {key: part for key, part in body.items() if key != "allowed_mentions"}
        if pictures := message.references:
            shown["pictures"] = [self._pictures.readings, *pictures]

        return hashlib.sha256(json.dumps(shown).encode(errors="replace")).hexdigest()[:32]
