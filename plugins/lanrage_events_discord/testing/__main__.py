"""The stand-in as a program: ``python -m lanrage_events_discord.testing``."""

from __future__ import annotations

import argparse
import errno
import json
import socket
import sys
from collections.abc import Sequence
from functools import partial

import anyio

from lanrage_events.cli import ExitCode, discard_stdout, safe_text

from ._discord import StandInDiscord
from ._journal import Record

PORT = 8777
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
        anyio.run(partial(_serve, discord, options.host, options.port, options.webhook))
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
    if not all(map(str.strip, options.webhook)):
        parser.error("argument webhook: a name is empty")

    if not 0 <= options.port <= 65535:
        parser.error(f"argument --port: expected 0 to 65535, not {options.port}")

    if not 0 <= options.latency <= 60:
        parser.error(f"argument --latency: expected 0 to 60 seconds, not {options.latency:g}")

    return options


async def _serve(discord: StandInDiscord, host: str, port: int, names: Sequence[str]) -> None:
    async with discord.serve(host=host, port=port):
        _write(*_configuration(discord, names), "")
        async for record in discord.journal.follow():
            _write(_line(record))


def _configuration(discord: StandInDiscord, names: Sequence[str]) -> list[str]:
    lines = [f"The stand-in listens at {discord.base_url}. Ctrl-C ends it. In lanrage.yaml:", ""]
    lines += ["plugins:", "  discord:", f'    allow_hosts: ["{discord.host}"]']
    urls = {name: discord.create_webhook(name=name).url for name in names}
    if list(urls) == ["default"]:
        return [*lines, f"    webhook_url: {urls['default']}"]

    lines.append("    webhooks:")
    return [*lines, *(f"      {json.dumps(name)}: {{url: '{url}'}}" for name, url in urls.items())]


def _line(record: Record) -> str:
    status = "no answer" if record.status is None else str(record.status)
    text = record.reason or " | ".join(_titles(record))
    return safe_text(f"{status} {record.method} {record.action}: {text}".removesuffix(": "))


def _titles(record: Record) -> list[str]:
    body = record.body if isinstance(record.body, dict) else {}
    embeds = body.get("embeds")
    found = (
        [embed for embed in embeds if isinstance(embed, dict)] if isinstance(embeds, list) else []
    )
    texts = [body.get("content"), *(one.get("title") or one.get("description") for one in found)]
    return [str(text) for text in texts if text]


def _write(*lines: str) -> None:
    # These addresses are made up, so they are shown with their tokens.
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
