"""The preview of an event: the message that would report it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lanrage_events import ConfigProblem, Event, Preview
from lanrage_events.abc import Bus
from lanrage_events.templates import TemplateError

from .._embeds import Message
from .._rendering import NamedThread, Players, Renderer, compose
from .cards import shown_event
from .spans import parse_markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePreview(Preview):
    """A message, which a terminal draws as Discord lays it out."""

    message: Message


def preview_event(
    event: Event,
    bus: Bus,
    invite_url: str | None,
    thread: NamedThread | None = None,
    players: Players | None = None,
) -> MessagePreview:
    """Return the message that reports an event, by the templates as they are now.

    :param invite_url: the invite that templates show
    :param thread: the thread that it would create, if there is none yet; None for that of its template
    :param players: knows the users of players
    """
    errors: list[TemplateError] = []
    renderer = Renderer(
        bus.template_folders(), invite_url=lambda: invite_url, report=errors.append, players=players
    )
    renderer.check(bus.events.types())
    [message] = compose([renderer.render(shown_event(event))], wording=renderer.wording)
    if thread is not None:
        message = replace(message, thread_name=thread.name, applied_tags=thread.tags)

    message, missing = renderer.pictures.attach_now(message)
    problems = [ConfigProblem(f"template {one}", warning=one.is_warning) for one in errors]
    return MessagePreview(
        text=_plain_text(message),
        json=message.body(),
        problems=[*problems, *(ConfigProblem(one, warning=True) for one in missing)],
        message=message,
    )


def _plain_text(message: Message) -> str:
    """Return what a message says, without markup."""
    texts: list[tuple[str, bool]] = [(message.content, False)]
    for embed in message.embeds:
        texts += [(embed.author, True), (embed.title, True), (embed.description, False)]
        for field in embed.fields:
            texts += [(f"{field.name}: {field.value}", False)]

        texts.append((embed.footer, True))

    spans = (parse_markdown(text, is_name=is_name) for text, is_name in texts if text.strip())
    return "\n".join("".join(span.text for span in line) for line in spans)
