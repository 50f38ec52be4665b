"""Previews: the messages that events become, as Discord lays them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventDecodeError
from lanrage_events.config import explain_rules
from lanrage_events.events import COMMON_FIELDS, FieldProblem
from lanrage_events.http import RouteError, RouteRequest

from .._embeds import Embed, Message
from .._preview import CARD_SAMPLES, CardSample, find_registry, measure, sample_event, shown_event
from .._rendering import DigestMessage, Renderer, compose
from .._settling import NetEffect
from . import models
from .layout import lay_out, lay_out_text
from .runtime import Runtime

# Every event has them, and a preview makes them up.
_MAX_FIELDS = 100
_MAX_PROBLEMS = 20

_OTHER_TEMPLATES = (
    "posts still use the templates as they were read before: reload the configuration, or set "
    "'watch: true'"
)
_CANCELLED = (
    "{} of these events are joins and leaves that come to nothing: by batch.settle they would not be "
    "posted"
)


class Previews:
    """Answers with previews; nothing is posted.

    :param runtime: returns what exists while the plugin runs, or raises a ``RouteError``
    """

    def __init__(self, runtime: Callable[[], Runtime]) -> None:
        self._runtime = runtime

    async def samples(self, _: RouteRequest) -> models.Samples:
        """Return the event types that can be previewed, each with made-up values."""
        events = self._runtime().bus.events
        found: list[models.SampleType] = []
        for cls in (*events.types(), *CARD_SAMPLES):
            schema = find_registry(events, cls.type).json_schema(cls.type)
            sample = sample_event(events, cls.type, ())
            found.append(
                models.SampleType(
                    type=cls.type,
                    is_card=issubclass(cls, CardSample),
                    description=str(schema.get("description", "")),
                    fields={k: v for k, v in sample.items() if k not in COMMON_FIELDS},
                    json_schema=schema,
                )
            )

        return models.Samples(types=tuple(found), max_events=models.DIGEST_MAX_EVENTS)

    async def preview(self, request: RouteRequest) -> models.Preview:
        """Return the message that reports an event, as Discord lays it out; nothing is posted.

        Templates are read again, so that it shows what you just changed in them. As long as posts
        are made by templates that were read before, ``note`` says so.
        """
        runtime = self._runtime()
        event = shown_event(_decode(runtime, request.body, max_problems=_MAX_PROBLEMS))
        renderer, faults = _make_renderer(runtime)
        [message] = compose([renderer.render(event)], wording=renderer.wording)
        if (thread := runtime.thread_of(event)) is not None:
            message = replace(message, thread_name=thread.name, applied_tags=thread.tags)

        message = await renderer.pictures.attach(message, faults.append)
        return models.Preview(
            **_lay_out(message),
            faults=tuple(faults),
            note=_note(runtime, renderer, {type(event)}),
        )

    async def preview_digest(self, request: RouteRequest) -> models.DigestPreview:
        """Return the messages that report events which happen at about the same time.

        These are digests, as far as the events fit into them. Nothing is posted. Templates are read
        again, as for the preview of one event.
        """
        runtime = self._runtime()
        wanted: models.DigestRequest = request.body
        events = await _decode_each(runtime, wanted.events)
        renderer, faults = _make_renderer(runtime)
        entries = []
        for event in events:
            entries.append(renderer.render(event))
            await checkpoint()

        messages = []
        for message in compose(entries, wording=renderer.wording, catch_up=wanted.catch_up):
            message = await renderer.pictures.attach(message, faults.append)
            messages.append(models.DigestMessage(**_lay_out(message), events=message.entries))
            await checkpoint()

        types = {type(event) for event in events}
        if len(events) > 1:
            types.add(DigestMessage)

        notes = [_note(runtime, renderer, types)]
        if cancelled := NetEffect.count_cancelled(entries, runtime.setup.batch):
            notes.append(_CANCELLED.format(cancelled))

        note = "; ".join(filter(None, notes))
        return models.DigestPreview(messages=tuple(messages), faults=tuple(faults), note=note)


async def _decode_each(runtime: Runtime, wanted: Sequence[models.PreviewRequest]) -> list[Event]:
    events: list[Event] = []
    problems: list[FieldProblem] = []
    for index, one in enumerate(wanted):
        try:
            event = _decode(runtime, one, max_problems=_MAX_PROBLEMS)
            if isinstance(event, CardSample):
                raise RouteError(
                    422, f"'{one.type}' is a message of its own, so no digest shows it"
                )

            events.append(event)
        except RouteError as error:
            found = error.errors or (FieldProblem("fields", error.detail),)
            problems += [replace(p, field=f"events.{index}.{p.field}") for p in found]
            if len(problems) >= _MAX_PROBLEMS:
                break

        await checkpoint()

    if problems:
        raise _invalid(problems[:_MAX_PROBLEMS])

    return events


def _decode(runtime: Runtime, wanted: models.PreviewRequest, *, max_problems: int) -> Event:
    if len(wanted.fields) > _MAX_FIELDS:
        raise RouteError(422, f"an event has at most {_MAX_FIELDS} fields")

    try:
        values = {**wanted.fields, "type": wanted.type}
        registry = find_registry(runtime.bus.events, wanted.type)
        event = registry.from_dict(values, max_problems=max_problems)
    except EventDecodeError as error:
        raise _invalid(error.problems) from None

    if isinstance(event, CardSample):
        return event

    for step in explain_rules(runtime.bus, event):
        event = step.event or event  # of one that is dropped, the message can be seen all the same

    return event


def _invalid(problems: Sequence[FieldProblem]) -> RouteError:
    return RouteError(422, "; ".join(map(str, problems)), problems)


def _make_renderer(runtime: Runtime) -> tuple[Renderer, list[str]]:
    """Return what renders by the templates as they are now, and a list that gets their errors."""
    faults: list[str] = []
    renderer = Renderer(
        runtime.bus.template_folders(),
        invite_url=lambda: runtime.setup.invite_url,
        report=lambda error: faults.append(str(error)),
        players=runtime.renderer.players,
    )
    return renderer, faults


def _note(runtime: Runtime, renderer: Renderer, types: set[type[Event]]) -> str:
    is_current = all(runtime.renderer.renders_like(renderer, cls) for cls in types)
    return "" if is_current else _OTHER_TEMPLATES


def _lay_out(message: Message) -> dict[str, Any]:
    embeds = [Embed.from_dict(embed.to_dict()) for embed in message.embeds]
    return {
        "body": message.body(),
        "content": lay_out_text(message.content),
        "embeds": tuple(map(lay_out, embeds)),
        "buttons": tuple(models.ButtonLayout(**asdict(button)) for button in message.buttons),
        "meters": tuple(models.MeterStatus(**asdict(meter)) for meter in measure(message)),
    }
