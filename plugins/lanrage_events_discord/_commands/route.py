"""The command ``route``: where an event goes, how it is posted, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from lanrage_events import Event
from lanrage_events.cli import ExitCode, counted, write_errors, write_lines
from lanrage_events.config import EventTypes, explain_rules
from lanrage_events.events import format_event
from lanrage_events.templates import TemplateError

from .._config import DEFAULT_WEBHOOK, MentionConfig
from .._preview import describe, sample_event
from .._quiet import Loudness, Quiet
from .._rendering import Presentation
from .._routing import RouteStep, explain
from .mute import make_quiet
from .plugin import ConfiguredPlugin

_INDENT = "  "


def show_route(found: ConfiguredPlugin, event_type: str, values: Sequence[str]) -> int:
    """Print where an event goes, and return the exit code: 1 if it goes nowhere.

    :param values: fields of the event, each as ``name=value``; the others are made up
    :raises EventDecodeError: if that is no event
    :raises ValueError: if a value is not written as ``name=value``
    """
    registry = found.bus.events
    event = registry.from_dict(sample_event(registry, event_type, values))
    given = {value.partition("=")[0] for value in values}
    write_lines([format_event(event.to_dict()), ""])
    rules = list(explain_rules(found.bus, event, with_details=False))
    if rules:
        write_lines(f"{step.place}: {step.rule} {step.outcome}" for step in rules)
        if rules[-1].event is None:
            write_lines(["it goes nowhere: no plugin receives it"])
            return ExitCode.FAILED

        event = rules[-1].event
        write_lines([""])

    steps = list(explain(event, found.routes, tuple(found.webhooks)))
    posting = {name: step for step in steps for name in step.webhooks}
    on_cards = dict(_cards(found, event))
    live = [name for name in (*posting, *on_cards) if name in found.webhooks]
    if posting or on_cards:
        quiet = make_quiet(found)
        posted = {name: step for name, step in posting.items() if name not in on_cards}
        write_lines(on_cards.values())
        found.thread_names.follow(event)
        write_lines(_destination(found, quiet, name, step, event) for name, step in posted.items())
    else:
        is_taken = any(not step.mismatch for step in steps)
        taker = "route" if found.config.routes else "webhook"
        reason = "a route takes it and names no webhook" if is_taken else f"no {taker} takes it"
        write_lines(
            [
                f"it goes nowhere: {'there is no webhook' if is_taken and not found.webhooks else reason}"
            ]
        )

    write_lines(_expiry(found, event))
    write_lines(["", *_reasons(found, steps, given), "", *_templates(found, event)])
    return ExitCode.DONE if live else ExitCode.FAILED


def _cards(found: ConfiguredPlugin, event: Event) -> Iterator[tuple[str, str]]:
    """Yield the webhooks that show an event on a card, each with a line that says so."""
    named: set[str] = set()
    for index, card in enumerate(found.config.cards):
        for name in card.webhook if card.where.matches(event) else ():
            if name in found.webhooks and name not in named and card.shows(event):
                place = found.place(f"cards.{index}")
                yield (
                    name,
                    f"webhook '{name}': on the card of its party, without a message ({place})",
                )

            named.add(name)


def _destination(
    found: ConfiguredPlugin, quiet: Quiet, name: str, step: RouteStep, event: Event
) -> str:
    if name not in found.webhooks:
        missing = "webhook_url is not set" if name == DEFAULT_WEBHOOK else "it is not configured"
        return f"webhook '{name}': not posted, since {missing}"

    mention = found.routes[step.number].mention if step.number >= 0 else None
    ways = ", ".join(_ways(step.presentation, mention)) or "with a notification, and no mention"
    now = quiet.at(name)
    if now.loudness and not step.presentation.important:
        ways = f"{_MEANWHILE[now.loudness]}: {now.why}; at other times {ways}"

    names = found.thread_names
    thread = names.find(name, step.number, event).name or names.own(name, found.webhooks[name]).name
    post = f", in the forum post '{thread}'" if thread else ""
    return f"webhook '{name}': {ways}{post}"


_MEANWHILE = {
    Loudness.SILENT: "now silent and without a mention",
    Loudness.HOLD: "now held and posted later",
    Loudness.DROP: "now not posted",
}


def _ways(presentation: Presentation, mention: MentionConfig | None) -> Iterator[str]:
    if presentation.silent:
        yield "silent"

    if presentation.immediate:
        yield "immediate"

    if presentation.important:
        yield "important, so quiet hours and mutes do not apply"

    ids = [f"role {role}" for role in presentation.roles]
    ids += [f"user {user}" for user in presentation.users]
    if ids:
        once = " and once in a party" if presentation.once else ""
        yield f"mentions {', '.join(ids)}, each at most every {presentation.cooldown:g} s{once}"
    elif mention is not None and (mention.roles or mention.users):
        reasons = [f"count is not {mention.when.count} or more"] if mention.when else []
        reasons += ["it has quiet hours"] if mention.quiet else []
        yield f"no mention now, since {' or '.join(reasons)}"


def _expiry(found: ConfiguredPlugin, event: Event) -> Iterator[str]:
    name = EventTypes(found.config.max_age).nearest(type(event))
    if name is not None:
        seconds = found.config.max_age[name]
        yield f"not posted once it is older than {seconds:g} s ({found.place(f'max_age.{name}')})"


def _reasons(
    found: ConfiguredPlugin, steps: Sequence[RouteStep], given: Collection[str]
) -> Iterator[str]:
    if steps[0].number < 0:
        yield "why: there are no routes, so every webhook posts every event"
        return

    if not found.config.routes:
        yield "why: there are no routes, so what was chosen on the setup page decides:"
        for step in steps:
            names = ", ".join(found.routes[step.number].webhook or ())
            yield f"{_INDENT}webhook '{names}': {step.mismatch or 'takes it'}"

        return

    yield "why:"
    for step in steps:
        yield f"{_INDENT}{found.place(f'routes.{step.number}')}: {_verdict(step, given)}"


def _verdict(step: RouteStep, given: Collection[str]) -> str:
    if step.mismatch:
        is_made_up = step.field and step.field not in given
        hint = f" (a made-up value: give it as {step.field}=…)" if is_made_up else ""
        return f"{step.mismatch}{hint}"

    parts = ["takes it"]
    if step.webhooks:
        parts.append(f"for {', '.join(step.webhooks)}")
    elif not step.earlier:
        parts.append("for no webhook")

    if step.earlier:
        parts.append(f"(not for {', '.join(step.earlier)}, which a route above has taken it for)")

    if step.stops:
        parts.append("and stops, so the routes below do not see it")

    return " ".join(parts)


def _templates(found: ConfiguredPlugin, event: Event) -> Iterator[str]:
    problems: list[TemplateError] = []
    renderer = found.make_renderer(problems)
    by_file: dict[str, list[str]] = {}
    for leaf, file in renderer.sources(type(event)).items():
        by_file.setdefault(file, []).append(leaf)

    yield f"rendered by {counted(len(by_file), 'template')}:"
    for file, leaves in by_file.items():
        yield f"{_INDENT}{file}: {', '.join(leaves)}"

    write_errors(map(describe, problems))
