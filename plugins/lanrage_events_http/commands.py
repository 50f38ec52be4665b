"""The commands ``publish``, ``stream``, ``top`` and ``forget``, which use the API of a daemon."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter, validators
from pydantic import TypeAdapter, ValidationError

from lanrage_events.cli import ExitCode, read_file, write_errors
from lanrage_events.config import Duration, load_bus

from ._client import (
    DEFAULT_URL,
    TOKEN_VARIABLE,
    URL_VARIABLE,
    DaemonClient,
    DaemonError,
    FeedPrinter,
    FilePublisher,
    SinglePublisher,
    Task,
    parse_token,
    parse_url,
    read_lines,
)

STANDARD_INPUT = Path("-")
TOKEN_FILE_MAX_BYTES = 65_536
# Windows would otherwise change line ends, and take a control character for the end.
_O_BINARY: int = getattr(os, "O_BINARY", 0)

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
InputFile = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]
Types = Annotated[tuple[str, ...], Parameter(name="--type", negative=(), show_default=False)]
Skip = Annotated[int, Parameter(validator=validators.Number(gte=0))]
Count = Annotated[int | None, Parameter(validator=validators.Number(gte=1))]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon that a command talks to; each field is an option."""

    url: Annotated[str, Parameter(env_var=URL_VARIABLE)] = DEFAULT_URL
    """the address of the daemon"""
    token_file: Path | None = None
    """a file that contains the daemon's token"""

    def client_factory(self) -> Callable[[], DaemonClient]:
        """Return a function that creates clients.

        :raises ValueError: if the address or the token is not valid
        """
        address = parse_url(self.url)
        if self.token_file is None:
            text = os.environ.get(TOKEN_VARIABLE, "")
            token = parse_token(text, f"the environment variable {TOKEN_VARIABLE}")
            return lambda: DaemonClient(address, token)

        try:
            text = read_file(self.token_file, TOKEN_FILE_MAX_BYTES).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
            raise ValueError(f"cannot read the token file {self.token_file}: {reason}") from None

        token = parse_token(text, f"the file {self.token_file}")
        if token is None:
            raise ValueError(f"the token file {self.token_file} is empty")

        return lambda: DaemonClient(address, token)


DEFAULT_DAEMON = Daemon()


def publish(
    event_type: str | None = None,
    /,
    *values: str,
    file: InputFile = None,
    skip: Skip = 0,
    timeout: str = "30s",
    daemon: Daemon = DEFAULT_DAEMON,
    json: Flag = False,
) -> int:
    """Publish an event, or a file of events, in a running daemon.

    It returns when every durable plugin has the event, such as Discord's in its outbox. If the
    daemon has a token, put it into the environment variable LANRAGE_EVENTS_TOKEN.

    :param event_type: such as peer_joined
    :param values: fields of the event, each as name=value, such as peer_name=Ann
    :param file: publish the events of this file instead, one JSON object a line; - is standard
        input
    :param skip: skip this many lines of the file, to go on where it was interrupted
    :param timeout: how long to retry when the daemon is away or cannot accept events
    :param json: print what was published as JSON
    """
    if (event_type is None) == (file is None):
        return _misuse(
            "name either a type with its fields, such as peer_joined peer_name=Ann, or --file"
        )

    if skip and file is None:
        return _misuse("--skip is for --file")

    try:
        task = Task(
            daemon.client_factory(),
            timeout=_seconds(timeout),
            as_json=json,
            out=sys.stdout,
            err=sys.stderr,
        )
    except ValueError as error:
        return _misuse(str(error))

    if file is not None:
        return _publish_file(task, file, skip)

    publisher = SinglePublisher(task, event_type or "", values)
    try:
        return anyio.run(publisher.run)
    except KeyboardInterrupt:
        return publisher.report_interruption()


def stream(
    *,
    types: Types = (),
    count: Count = None,
    daemon: Daemon = DEFAULT_DAEMON,
    json: Flag = False,
) -> int:
    """Print the events of a running daemon as they happen, until Ctrl-C.

    When the connection is lost, it reconnects and goes on after the last event that it received. If
    the daemon has a token, put it into the environment variable LANRAGE_EVENTS_TOKEN.

    :param types: print only events of this type, or of the types below it; may be given several
        times
    :param count: stop after this many events
    :param json: print each event as JSON, which publish --file reads
    """
    try:
        printer = FeedPrinter(
            daemon.client_factory(),
            types=types,
            count=count,
            as_json=json,
            out=sys.stdout,
            err=sys.stderr,
        )
    except ValueError as error:
        return _misuse(str(error))

    return _show(printer.run)


def top(*, interval: str = "1s", daemon: Daemon = DEFAULT_DAEMON) -> int:
    """Show the plugins and the delivery of a running daemon live, until Ctrl-C.

    A lane leads to one webhook. The view has what each lane does, how much waits and why, and of each
    plugin the state, how many events are pending, and how many it dropped. Without a terminal it is
    printed once. If the daemon has a token, put it into the environment variable
    LANRAGE_EVENTS_TOKEN; the scope read is enough.

    :param interval: how long to wait between two looks
    """
    from ._top import Top  # imports rich

    try:
        view = Top(
            daemon.client_factory(), out=sys.stdout, seconds=_seconds(interval, "--interval")
        )
    except ValueError as error:
        return _misuse(str(error))

    return _show(view.run)


def forget(
    name: str,
    /,
    *,
    config: Path | None = None,
    state_folder: Path | None = None,
    daemon: Daemon = DEFAULT_DAEMON,
    json: Flag = False,
) -> int:
    """Remove a person from everything that the daemon keeps, whether it runs or not.

    What waits for Discord or another receiver and names the person is dropped, and so are such dead
    letters. It prints what was removed where, and exits with 1 if something could not be removed or
    a file still has the name. Events that come later are taken as before: to keep a name out of
    them, add a rule with hide. A running daemon needs the plugin http; if it has tokens, put one with
    the scope admin into the environment variable LANRAGE_EVENTS_TOKEN.

    :param name: the name or the id of the person, in any case; * stands for any characters
    :param config: the daemon's configuration; lanrage.yaml in this folder by default
    :param state_folder: the daemon's state folder, instead of the one that the file names
    :param json: print JSON
    """
    from ._forget import PersonForgetter  # imports what a daemon needs

    try:
        make_client = daemon.client_factory()
        bus = load_bus(config, as_run=True)
        if state_folder is not None:
            bus.state_folder = state_folder

        return anyio.run(partial(PersonForgetter(bus, make_client).run, name, as_json=json))
    except ValueError as error:
        return _misuse(str(error))
    except (DaemonError, OSError) as error:
        write_errors([str(error)])
        return ExitCode.FAILED


def _show(run: Callable[[], Awaitable[object]]) -> int:
    """Run what prints until Ctrl-C, and return the exit code."""
    try:
        anyio.run(run)
    except KeyboardInterrupt:
        return ExitCode.DONE
    except DaemonError as error:
        write_errors([str(error)])
        return ExitCode.FAILED

    return ExitCode.DONE


def _publish_file(task: Task, path: Path, skip: int) -> int:
    is_stdin = path == STANDARD_INPUT
    if is_stdin and sys.stdin is None:
        return _misuse("this process has no standard input: name a file")

    try:
        fd = sys.stdin.fileno() if is_stdin else os.open(path, os.O_RDONLY | _O_BINARY)
    except OSError as error:
        return _misuse(f"cannot read {path}: {error.strerror or error}")

    status = os.fstat(fd)
    size = status.st_size if stat.S_ISREG(status.st_mode) else None
    publisher = FilePublisher(task, "stdin" if is_stdin else str(path), skip=skip, size=size)

    async def run() -> int:
        async with aclosing(read_lines(fd)) as groups:
            return await publisher.run(groups)

    try:
        return anyio.run(run)
    except KeyboardInterrupt:
        return publisher.report_interruption()
    finally:
        if not is_stdin:
            os.close(fd)


def _seconds(text: str, option: str = "--timeout") -> float:
    try:
        seconds: float = TypeAdapter[float](Duration).validate_python(text)
    except ValidationError as error:
        message = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise ValueError(f"{option}: {message.removeprefix('Value error, ')}") from None

    return seconds


def _misuse(text: str) -> int:
    write_errors([text])
    return ExitCode.MISUSE
