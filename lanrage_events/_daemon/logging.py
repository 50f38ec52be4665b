"""The log of the daemon: text for people or JSON lines, on stderr, without secrets."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Any, Literal, TextIO, TypeAlias

import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.types import EventDict, ExcInfo, Processor, WrappedLogger

from .._exit import process_stack
from .._redaction import RedactedException, Redactor, safe_text
from ..cli import StatusLine

logger = logging.getLogger(__name__)

LogFormat: TypeAlias = Literal["console", "json"]

# The first two log every request with the webhook's URL, the last one each change of a file.
_CHATTY_LOGGERS = ("httpx", "httpcore", "watchfiles")
_OWN_PACKAGE = "lanrage_events"
_INDENT = "    "


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes log lines to stderr, after clearing the line that shows the progress."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.status_line = StatusLine(stream)
        self.log_format: LogFormat = "console"

    def set_format(self, log_format: LogFormat, redactor: Redactor) -> None:
        """Write further lines in a format, without the secrets that a redactor knows."""
        self.log_format = log_format
        colors = _has_colors(self.stream)
        self.setFormatter(_formatter(log_format, redactor, colors=colors))

    def write(self, text: str) -> None:
        """Write a line, whatever the level of the log is."""
        self.handle(logging.LogRecord(_OWN_PACKAGE, logging.INFO, "", 0, "%s", (text,), None))

    def emit(self, record: logging.LogRecord) -> None:
        self.status_line.clear()
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        # The base class would show the arguments, which are not redacted.
        values = record.name, record.pathname, record.lineno, type(sys.exception()).__name__
        message = "cannot log a message of %s, from %s:%d: %s"
        with suppress(Exception):  # such as a full disk
            other = logging.LogRecord(_OWN_PACKAGE, logging.ERROR, "", 0, message, values, None)
            self.stream.write(f"{self.format(other)}{self.terminator}")
            self.flush()


@contextmanager
def logging_to_stderr(
    level: str, log_format: LogFormat, redactor: Redactor
) -> Iterator[LogHandler]:
    """Write the log to stderr, until the end of the block.

    What Python prints itself (warnings, exceptions that ended a thread) is logged, too.

    :param level: the least severe level that is written, such as ``info``
    :param log_format: ``console`` for people, or ``json`` for one object a line
    :param redactor: knows the values that must not be shown; more may be added later
    """
    handler = LogHandler(sys.stderr)
    handler.set_format(log_format, redactor)
    root = logging.getLogger()
    chatty_level = "DEBUG" if level == "debug" else "WARNING"
    with ExitStack() as stack:
        stack.enter_context(_level(root, level.upper()))
        for name in _CHATTY_LOGGERS:
            stack.enter_context(_level(logging.getLogger(name), chatty_level))

        others = [other for other in root.handlers if isinstance(other, LogHandler)]
        for other in others:
            root.removeHandler(other)
            stack.callback(root.addHandler, other)

        root.addHandler(handler)
        stack.callback(root.removeHandler, handler)
        stack.enter_context(_logging_what_python_prints())
        yield handler


@contextmanager
def logging_until_exit(redactor: Redactor) -> Iterator[LogHandler]:
    """Write the log to stderr for people until the process ends, if it runs nothing else.

    So what Python prints at its end, and threads that outlive the daemon, are logged, too.
    """
    with ExitStack() as own:
        stack = process_stack.get() or own
        yield stack.enter_context(logging_to_stderr("info", "console", redactor))


@contextmanager
def _level(target: logging.Logger, level: str) -> Iterator[None]:
    before = target.level
    target.setLevel(level)
    try:
        yield
    finally:
        target.setLevel(before)


@contextmanager
def _logging_what_python_prints() -> Iterator[None]:
    before = threading.excepthook, sys.unraisablehook, warnings.showwarning
    excepthook_before = sys.excepthook

    def log_thread_exception(args: threading.ExceptHookArgs) -> None:
        exc_info: Any = args.exc_type, args.exc_value, args.exc_traceback
        name = "?" if args.thread is None else args.thread.name
        logger.error("unexpected error in the thread %s", name, exc_info=exc_info)

    def log_exception(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            excepthook_before(kind, error, trace)
        else:
            logger.critical("unexpected error", exc_info=(kind, error, trace))

    def log_unraisable(args: sys.UnraisableHookArgs) -> None:
        exc_info: Any = args.exc_type, args.exc_value, args.exc_traceback
        logger.error("%s %r", args.err_msg or "ignored in", args.object, exc_info=exc_info)

    def log_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        logger.warning("%s:%d: %s: %s", filename, lineno, category.__name__, message)

    sys.excepthook = log_exception
    threading.excepthook = log_thread_exception
    sys.unraisablehook = log_unraisable
    warnings.showwarning = log_warning
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook, warnings.showwarning = before
        sys.excepthook = excepthook_before


def _formatter(log_format: LogFormat, redactor: Redactor, *, colors: bool) -> ProcessorFormatter:
    def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {key: redactor.redact_value(value) for key, value in event.items()}

    def restore_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Show a traceback that contained a secret like any other one, not as a message."""
        original = RedactedException.of(event["_record"])
        if original is not None:
            event["event"] = str(original.message)
            event["exception"] = original.format(format_exception)

        return event

    pre_chain: list[Processor] = [
        structlog.stdlib.add_log_level,
        _add_logger,
        restore_exception,
    ]
    processors: list[Processor]
    format_exception: Callable[[ExcInfo], object]
    if log_format == "json":
        # Without the local variables, which may hold anything.
        format_exception = ExceptionDictTransformer(show_locals=False)
        exceptions = ExceptionRenderer(format_exception)
        processors = [TimeStamper(fmt="iso", utc=True), exceptions, redact, JSONRenderer()]
    else:
        format_exception = _indented_traceback
        # The renderer would format exceptions after the redaction, so they are formatted before.
        pre_chain.append(_set_address_apart)
        processors = [
            TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            ExceptionRenderer(_indented_traceback),
            _escape_values,
            redact,
            structlog.dev.ConsoleRenderer(
                colors=colors,
                pad_event_to=0,
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]

    return ProcessorFormatter(
        foreign_pre_chain=pre_chain,
        processors=[ProcessorFormatter.remove_processors_meta, *processors],
    )


def _add_logger(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Name the package that logs, without its private modules, unless it is the daemon's own."""
    package = event["_record"].name.partition("._")[0]
    if package != _OWN_PACKAGE:
        event["logger"] = package

    return event


def _set_address_apart(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Show the attribute ``address`` of a record, which users are to open, on a line of its own."""
    address = getattr(event["_record"], "address", None)
    text = str(event["event"])
    if isinstance(address, str) and text.endswith(address):
        event["event"] = text[: -len(address)].rstrip()
        event["exception"] = _INDENT + safe_text(address)
        event.pop("logger", None)

    return event


def _escape_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep values from forging lines and from controlling the terminal."""
    for key, value in event.items():
        if key != "exception":
            event[key] = safe_text(str(value))

    return event


def _indented_traceback(exc_info: ExcInfo) -> str:
    """Format an exception so that none of its lines looks like a line of the log."""
    text = "".join(traceback.format_exception(*exc_info))
    return "\n".join(_INDENT + safe_text(line) for line in text.split("\n") if line)


def _has_colors(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
