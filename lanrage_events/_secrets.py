from __future__ import annotations

import json
import logging
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from types import TracebackType
from typing import Any, cast
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

SECRET_MASK = "**********"  # noqa: S105 - what stands in place of a secret
"""what stands where a secret was"""

_MIN_CHARACTERS = 6  # what is shorter occurs in ordinary words
_MIN_URL_PART_CHARACTERS = 20  # longer than the words of a path, shorter than any token
_MAX_DEPTH = 20
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class Redactor:
    """Replaces secrets in everything that is shown or logged.

    It knows the values that were added to it, as they are and as they look in a URL, in JSON and
    in a Python literal. Of a URL it also knows the parts that look like tokens, because a request
    may go to another path of the same host. It may be used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()
        self._filter = _RedactingFilter(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._forms)} forms>"

    def add(self, value: str) -> None:
        """Replace this value from now on; one shorter than 6 characters is not replaced.

        :param value: the secret
        """
        forms = {
            form
            for part in chain((value, value.strip()), _url_tokens(value))
            if len(part) >= _MIN_CHARACTERS
            for form in _forms(part)
        }
        with self._lock:
            self._forms = tuple(sorted(forms.union(self._forms), key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Return the text with :data:`SECRET_MASK` in place of every secret.

        :param text: what may hold secrets
        """
        spans = [
            span
            for form in self._forms
            if form in text  # the usual answer is no, and this the fastest way to it
            for span in _spans(form, text)
        ]
        if not spans:
            return text

        spans.sort()
        pieces: list[str] = []
        end = 0
        for start, stop in spans:
            if start >= end:
                pieces += text[end:start], SECRET_MASK

            end = max(end, stop)

        return "".join(pieces) + text[end:]

    def redact_value(self, value: object) -> object:
        """Return a copy of a structure with the secrets replaced in all texts that it holds.

        Mappings, lists, tuples and sets are copied. Any other object stays as it is unless its
        text shows a secret; then its redacted text takes its place. Format exceptions before.

        :param value: such as the fields of a structured log entry
        """
        return self._redact_value(value, _MAX_DEPTH)

    def _redact_value(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return self.redact(value)

        if depth and isinstance(value, Mapping):
            return {
                self._redact_value(key, depth - 1): self._redact_value(item, depth - 1)
                for key, item in value.items()
            }

        if depth and type(value) in (list, tuple, set, frozenset):
            items = cast("list[object]", value)
            return type(items)(self._redact_value(item, depth - 1) for item in items)

        for show in (str, repr):
            try:
                text = show(value)
            except Exception:  # noqa: BLE001 - a broken object does not break the log
                return f"<{type(value).__name__} without a text>"

            redacted = self.redact(text)
            if redacted != text:
                return redacted

        return value

    @property
    def filter(self) -> logging.Filter:
        """A filter that redacts each log record; attach it to handlers, or to others' loggers.

        On a logger it sees what is logged there, but not what comes up from the loggers below it.
        """
        return self._filter

    @contextmanager
    def redacting(self, loggers: Iterable[str]) -> Iterator[None]:
        """Redact what some loggers log, within a ``with`` block.

        Blocks of the same loggers may overlap: each has a filter of its own.

        :param loggers: names; each also stands for the loggers below it that exist by now
        """
        wanted = tuple(loggers)
        known = tuple(logging.root.manager.loggerDict)
        below = (n for n in known if n.startswith(tuple(f"{name}." for name in wanted)))
        chosen = [logging.getLogger(name) for name in {*wanted, *below}]
        redacting_filter = _RedactingFilter(self)
        for logger in chosen:
            logger.addFilter(redacting_filter)

        try:
            yield
        finally:
            for logger in chosen:
                logger.removeFilter(redacting_filter)


class _RedactingFilter(logging.Filter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        self._redact_message(record)
        self._redact_exception(record)
        if record.stack_info:
            record.stack_info = self._redactor.redact(record.stack_info)

        for name in record.__dict__.keys() - _RECORD_ATTRIBUTES:
            record.__dict__[name] = self._redactor.redact_value(record.__dict__[name])

        return True

    def _redact_message(self, record: logging.LogRecord) -> None:
        redactor = self._redactor
        if not isinstance(record.msg, str):
            # What is no text, such as a dictionary for a structured log, keeps its structure.
            record.msg = cast(Any, redactor.redact_value(record.msg))
            record.args = _redact_arguments(redactor, record.args)
            return

        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - logging tells of it, and shows the arguments
            record.msg = redactor.redact(record.msg)
            record.args = _redact_arguments(redactor, record.args)
            return

        redacted = redactor.redact(message)
        if redacted != message:
            record.msg, record.args = redacted, ()

    def _redact_exception(self, record: logging.LogRecord) -> None:
        if record.exc_text:
            record.exc_text = self._redactor.redact(record.exc_text)

        if not isinstance(record.exc_info, tuple):
            return

        text = _exception_text(*record.exc_info)
        redacted = self._redactor.redact(text)
        if redacted == text:
            return

        # A formatter that formats the exception anew would show it, and one that ignores exc_text
        # would lose it: so it becomes a part of the message.
        record.exc_info = None
        if isinstance(record.msg, str):
            record.exc_text = None
            record.msg, record.args = f"{_message(record)}\n{redacted}", ()
        else:
            record.exc_text = redacted


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a format that does not fit
        return f"{record.msg} {record.args}"


def _redact_arguments(redactor: Redactor, arguments: Any) -> Any:
    return redactor.redact_value(arguments) if arguments else arguments


def _exception_text(
    kind: type[BaseException] | None,
    error: BaseException | None,
    origin: TracebackType | None,
) -> str:
    return "".join(traceback.format_exception(kind, error, origin)).rstrip("\n")


def _spans(form: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _forms(value: str) -> Iterator[str]:
    """Yield how a value may look where it is shown."""
    yield value
    for quoted in (quote(value, safe="", errors="replace"), quote(value, errors="replace")):
        yield quoted
        yield _lower_escapes(quoted)

    yield quote_plus(value, errors="replace")
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    if "\n" in value:
        # A log may break it over several lines, each with something before it.
        yield from (line for line in value.splitlines() if len(line) >= _MIN_CHARACTERS)


def _lower_escapes(quoted: str) -> str:
    head, *escapes = quoted.split("%")
    return "%".join([head, *(escape[:2].lower() + escape[2:] for escape in escapes)])


def _url_tokens(value: str) -> Iterator[str]:
    """Yield the parts of a URL that are secret by themselves, nothing for other values."""
    if "://" not in value:
        return

    try:
        url = urlsplit(value.strip())
        password = url.password
        queries = parse_qsl(url.query)
    except ValueError:
        return

    if password:
        yield password

    for part in (*url.path.split("/"), url.fragment, *(query for _, query in queries)):
        # Ids in digits only are in many places and open no door.
        if len(part) >= _MIN_URL_PART_CHARACTERS and not part.isdecimal():
            yield part
