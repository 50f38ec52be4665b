"""The stand-in as a program, which serves until Ctrl-C."""

from __future__ import annotations

import argparse
import errno
import json
import socket
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

import anyio

from lanrage_events.cli import ExitCode, discard_stdout, safe_text

from ._discord import StandInDiscord
from ._journal import Record
from ._webhooks import StandInWebhook

PORT = 8777
# https://docs.discord.com/developers/resources/message#message-object-message-flags
_SUPPRESS_NOTIFICATIONS = 1 << 12
_DESCRIPTION = """\
Serve a stand-in for Discord's webhook API on this machine, until Ctrl-C. It rejects what Discord
rejects, with the same answers. It posts nothing to Discord.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Serve the stand-in until Ctrl-C, and return the exit code.

    :param words: the words after the name of the program, by default those of this process
    """
    options = _parse(words)
    discord = StandInDiscord(latency=options.latency)
    try:
        anyio.run(partial(_serve, discord, options))
    except KeyboardInterrupt:
        return ExitCode.DONE
    except BrokenPipeError:
        discard_stdout()
        return ExitCode.FAILED
    except OSError as error:
        sys.stderr.write(f"{_reason(error, options)}\n")
        return ExitCode.FAILED

    return ExitCode.DONE


def _reason(error: OSError, options: argparse.Namespace) -> str:
    reason = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return f"port {options.port} is in use: give another one with --port, or 0 for a free one"

    if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES) or isinstance(error, socket.gaierror):
        place = f"{options.host}, port {options.port}"
        return f"cannot listen on {place}: {reason}; give others with --host and --port"

    return f"the stand-in ends: {reason}"


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lanrage_events_discord.testing", description=_DESCRIPTION
    )
    parser.add_argument(
        "webhook",
        nargs="*",
        default=["default"],
        help="a name for each webhook in the configuration that is shown (default: default)",
    )
    parser.add_argument(
        "--forum",
        action="append",
        default=[],
        metavar="NAME",
        help="a further webhook, whose channel is a forum; give it again for several",
    )
    parser.add_argument(
        "--bodies", action="store_true", help="print the JSON body of each request, too"
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help="the port; 0 for a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--latency",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="from a request to its answer (default: 0)",
    )
    options = parser.parse_args(words)
    names = [*options.webhook, *options.forum]
    if not all(map(str.strip, names)):
        parser.error("argument webhook: a name is empty")

    for name in names:
        if names.count(name) > 1:
            parser.error(f"argument webhook: two webhooks are named '{name}'")

    if not 0 <= options.port <= 65535:
        parser.error(f"argument --port: expected 0 to 65535, not {options.port}")

    if not 0 <= options.latency <= 60:
        parser.error(f"argument --latency: expected 0 to 60 seconds, not {options.latency:g}")

    return options


async def _serve(discord: StandInDiscord, options: argparse.Namespace) -> None:
    async with discord.serve(host=options.host, port=options.port):
        webhooks = {name: discord.create_webhook(name=name) for name in options.webhook}
        for name in options.forum:
            webhooks[name] = discord.create_webhook(name=name, forum=True)

        _write(*_configuration(discord, webhooks, options.forum), "")
        names = {webhook.id: name for name, webhook in webhooks.items()}
        async for record in discord.journal.follow():
            _write(_line(record, names if len(names) > 1 else {}))
            if options.bodies and record.body is not None:
                _write(safe_text(f"    {json.dumps(record.body, ensure_ascii=False)}"))


def _configuration(
    discord: StandInDiscord, webhooks: Mapping[str, StandInWebhook], forums: Collection[str]
) -> list[str]:
    lines = [f"The stand-in listens at {discord.base_url}. Ctrl-C ends it. In lanrage.yaml:", ""]
    lines += ["plugins:", "  discord:", f'    allow_hosts: ["{discord.host}"]']
    if list(webhooks) == ["default"]:
        return [*lines, f"    webhook_url: {webhooks['default'].url}"]

    lines.append("    webhooks:")
    for name, webhook in webhooks.items():
        # In a forum, each message needs a thread.
        thread = ", thread_name: LANrage" if name in forums else ""
        lines.append(f"      {json.dumps(name)}: {{url: '{webhook.url}'{thread}}}")

    return lines


def _line(record: Record, names: Mapping[str, str]) -> str:
    """Return what happened to a request in one line.

    :param names: of the webhooks by their id, if they are to be shown
    """
    status = "no answer" if record.status is None else str(record.status)
    name = names.get(record.webhook_id or "")
    where = "" if name is None else f" {name}"
    text = record.reason or " | ".join(_titles(record))
    notes = "".join(f" ({note})" for note in _notes(record)) if record.accepted else ""
    return safe_text(
        f"{status} {record.method} {record.action}{where}: {text}{notes}".removesuffix(": ")
    )


def _notes(record: Record) -> Iterator[str]:
    """Yield what a message does besides being there."""
    body = record.body if isinstance(record.body, dict) else {}
    if name := body.get("thread_name"):
        yield f"new post '{name}'"

    if thread := record.query.get("thread_id"):
        yield f"thread {thread}"

    message = record.message
    if message is None or record.action != "execute":
        return

    if message.get("flags", 0) & _SUPPRESS_NOTIFICATIONS:
        yield "silent"

    roles = [f"role {role}" for role in message["mention_roles"]]
    users = [f"user {user['id']}" for user in message["mentions"]]
    everyone = ["everyone"] if message["mention_everyone"] else []
    if pinged := [*everyone, *roles, *users]:
        yield f"pings {', '.join(pinged)}"


def _titles(record: Record) -> list[str]:
    body = record.body if isinstance(record.body, dict) else {}
    embeds = body.get("embeds")
    found = (
        [embed for embed in embeds if isinstance(embed, dict)] if isinstance(embeds, list) else []
    )
    texts = [body.get("content"), *(one.get("title") or one.get("description") for one in found)]
    if isinstance(poll := body.get("poll"), dict) and isinstance(poll.get("question"), dict):
        texts.append(f"poll: {poll['question'].get('text')}")

    return [str(text) for text in texts if text]


def _write(*lines: str) -> None:
    # These addresses are made up, so they are shown with their tokens.
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()
