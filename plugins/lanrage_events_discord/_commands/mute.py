"""The commands ``mute`` and ``unmute``, whether the daemon runs or not."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lanrage_events.backoff import in_words
from lanrage_events.cli import ExitCode, did_you_mean, write_errors, write_lines
from lanrage_events.outbox import Outbox, OutboxError

from .._memory import Memory
from .._quiet import (
    LONGEST_DAYS,
    Mute,
    MuteLength,
    Mutes,
    Quiet,
    Then,
    clock_time,
    make_calendar,
)
from .plugin import ConfiguredPlugin


async def mute(
    found: ConfiguredPlugin, duration: str, webhook: str | None, *, why: str, then: Then
) -> int:
    """Mute webhooks, print until when, and return the exit code.

    :param duration: for how long, such as ``2h``
    :param webhook: the name of one; None for all
    :param why: the reason
    :param then: what happens to messages meanwhile
    """
    file = found.state_file("mutes.json")
    if file is None:
        return _no_folder(found)

    try:
        seconds = TypeAdapter[float](MuteLength).validate_python(duration)
    except ValidationError as error:
        message = error.errors(include_input=False, include_url=False)[0]["msg"]
        write_errors(
            [f"{duration!r}: {message.removeprefix('Value error, ')}; at most {LONGEST_DAYS}d"]
        )
        return ExitCode.MISUSE

    if (problem := _unknown(webhook, found.webhooks)) is not None:
        return problem

    mutes = _open(file)
    now = mutes.now()
    muted = Mute.starting(now, seconds, by=_user(), why=why, then=then)
    try:
        await mutes.add(webhook, muted)
    except OSError as error:
        return _cannot_write(file, error)

    write_lines(
        [
            f"{_name(webhook)} muted until {clock_time(muted.until, now, _zone(found))}",
            await _when(found),
        ]
    )
    return ExitCode.DONE


async def unmute(found: ConfiguredPlugin, webhook: str | None) -> int:
    """End the mute of a webhook, or every mute, and return the exit code.

    :param webhook: the name of the one whose mute ends; None for every mute
    """
    file = found.state_file("mutes.json")
    if file is None:
        return _no_folder(found)

    mutes = _open(file)
    known = (*found.webhooks, *(name for name in mutes.all() if name))
    if (problem := _unknown(webhook, known)) is not None:
        return problem

    try:
        ended = await mutes.remove(webhook)
    except OSError as error:
        return _cannot_write(file, error)

    if ended:
        write_lines([*(f"the mute of {_named(one)} is over" for one in ended), await _when(found)])
    else:
        write_lines(["nothing was muted" if webhook is None else f"{_name(webhook)} not muted"])

    if webhook is not None and (rest := mutes.all().get(None)) is not None:
        until = clock_time(rest.until, mutes.now(), _zone(found))
        write_lines([f"all webhooks are still muted until {until}: unmute without --webhook"])

    return ExitCode.DONE


def show_mutes(found: ConfiguredPlugin) -> int:
    """Print how quiet each webhook is now, and return the exit code."""
    quiet, zone = make_quiet(found), _zone(found)
    lines = [line for name in found.webhooks for line in _states(quiet, name, zone)]
    write_lines(lines or ["no webhook is muted, and there are no quiet hours now"])
    return ExitCode.DONE


def make_quiet(found: ConfiguredPlugin) -> Quiet:
    """Return what keeps the webhooks quiet: the quiet hours, and the mutes in the state folder."""
    mutes = _open(found.state_file("mutes.json"))
    quiet = Quiet(make_calendar(found.config.quiet), mutes)
    for name, config in found.webhooks.items():
        quiet.use(name, None if config.quiet is None else make_calendar(config.quiet))

    return quiet


def _states(quiet: Quiet, webhook: str, zone: tzinfo | None) -> Iterator[str]:
    """Yield how quiet a webhook is now, and the weaker mutes that are left after that."""
    found, now = quiet.at(webhook), quiet.mutes.now()
    if not found.loudness:
        return

    time_left = "" if found.until is None else f", {in_words(quiet.seconds_left(webhook))} left"
    yield f"webhook '{webhook}': {found.why}{time_left}; then: {found.loudness.word}"
    for mute in quiet.mutes.of(webhook):
        if mute.then < found.loudness and found.until is not None and mute.until > found.until:
            until = f"{clock_time(mute.until, now, zone)}{mute.reason}"
            left = in_words((mute.until - now).total_seconds())
            yield f"webhook '{webhook}': after that muted until {until}, {left} left; then: {mute.then.word}"


def _open(file: Path | None) -> Mutes:
    return Mutes(Memory(file, "the mutes", survives_power_loss=True))


def _zone(found: ConfiguredPlugin) -> tzinfo | None:
    return make_calendar(found.config.quiet).zone


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # a container's user may have no name


def _unknown(webhook: str | None, known: Iterable[str]) -> int | None:
    names = dict.fromkeys(known)
    if webhook is None or webhook in names:
        return None

    hint = did_you_mean(webhook, names) or f", known: {', '.join(names) or 'none'}"
    write_errors([f"no webhook is named '{webhook}'{hint}"])
    return ExitCode.MISUSE


def _name(webhook: str | None) -> str:
    return f"{_named(webhook)} {'are' if webhook is None else 'is'}"


def _named(webhook: str | None) -> str:
    return "all webhooks" if webhook is None else f"webhook '{webhook}'"


async def _when(found: ConfiguredPlugin) -> str:
    """Let a daemon that runs notice a change, and say when it takes effect."""
    outbox, answered = found.state_file("outbox"), False
    if outbox is not None and outbox.exists():
        with suppress(OutboxError):
            async with Outbox.administer(outbox) as admin:
                answered = await admin.notify_owner()

    return (
        "the daemon that runs does it now"
        if answered
        else "no daemon runs: it counts from now on all the same, for the next one"
    )


def _no_folder(found: ConfiguredPlugin) -> int:
    reason = "without a state folder, only the daemon's memory has mutes"
    remedy = "use its page or POST /api/discord/mute, or set state_folder"
    write_errors([f"{found.place('quiet')}: {reason}: {remedy}"])
    return ExitCode.BAD_CONFIG


def _cannot_write(file: Path, error: OSError) -> int:
    write_errors([f"{file} cannot be written: {error.strerror or type(error).__name__}"])
    return ExitCode.FAILED
