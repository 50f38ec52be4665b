"""The messages of cards: what Discord should show of a party, by the templates."""

from __future__ import annotations

from dataclasses import replace

from lanrage_events import Party

from .. import limits
from .._config import CardConfig
from .._embeds import Message
from .._rendering import PartyCard, PartyRecap, PlainCard, Renderer, compose


class CardRenderer:
    """Renders cards and recaps; the same party always gives the same message.

    :param renderer: renders by the templates as they are now
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def card(self, party: Party, config: CardConfig, *, plain: bool = False) -> Message:
        """Return the message that shows a party.

        :param plain: name, count and game only, after Discord rejected the card
        """
        message = self._render(PlainCard if plain else PartyCard, party)
        return message if config.thread else replace(message, thread_name="", applied_tags=())

    def recap(self, party: Party, config: CardConfig, *, plain: bool = False) -> Message:
        """Return what the message shows when the party is over.

        :param plain: as in :meth:`card`
        """
        return self._render(PlainCard if plain else PartyRecap, party)

    def poll(self, party: Party, config: CardConfig) -> Message | None:
        """Return the poll about what was played; None without one, and for fewer than two games."""
        if config.poll is None:
            return None

        names = (self._renderer.wording.poll_answer(name) for name, _, _ in party.games)
        answers = list(dict.fromkeys(filter(None, names)))[: limits.POLL_MAX_ANSWERS]
        if len(answers) < 2:
            return None

        # https://docs.discord.com/developers/resources/poll#poll-create-request-object
        poll = {
            "question": {"text": config.poll.question},
            "answers": [{"poll_media": {"text": answer}} for answer in answers],
            "duration": config.poll.hours,
        }
        return Message(entries=0, embeds=(), poll=poll)

    def _render(self, cls: type[PartyCard | PartyRecap | PlainCard], party: Party) -> Message:
        # Not the time and the id of this moment, with which the text would change.
        event = cls(id=party.key, time=party.last_change, parent_id=None, party=party)
        [message] = compose([self._renderer.render(event)], wording=self._renderer.wording)
        return replace(message, entries=0)
