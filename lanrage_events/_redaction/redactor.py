"""The redactor, which masks secrets in texts, values and log records."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeAlias, cast

from .index import SecretIndex
from .webhook_urls import mask, webhook_tokens

_MAX_DEPTH = 20
_ORIGINAL = "redacted_exception"
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", _ORIGINAL}

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]


class Redactor:
    """Masks secrets in everything that is shown or logged.

    It finds the values that were added to it, also as they are encoded in a URL, in JSON and in a
    Python literal. Of a URL it also finds the parts that look like tokens, because a request may go
    to another path of the same host. The token of whatever looks like a webhook URL is masked even
    if it was not added. It may be used from several threads.
    """

    def __init__(self) -> None:
        self._index = SecretIndex()
        self.filter: logging.Filter = _RedactingFilter(self)
        """Redacts each log record; attach it to handlers, or to others' loggers. On a logger it does
        not see the records that propagate from child loggers."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._index)} values>"

    def add(self, value: str) -> None:
        """Mask a value from now on; a value shorter than 6 characters is not masked.

        :param value: the secret
        """
        self._index.add(value)

    def redact(self, text: str) -> str:
        """Return the text with each secret replaced by ``**********``."""
        return mask(text, sorted([*self._index.find(text), *webhook_tokens(text)]))

    def redact_value(self, value: object) -> object:
        """Return a copy of a structure with the secrets in all its texts masked.

        Mappings, lists, tuples and sets are copied. Any other object is kept unless its text
        contains a secret; then its redacted text replaces it. Format exceptions before.

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
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001 - a broken object must not break the log
                return f"<{type(value).__name__} without a text>"

            redacted = self.redact(text)
            if redacted != text:
                return redacted

        return value

    @contextmanager
    def redacting(self, loggers: Iterable[str]) -> Iterator[None]:
        """Redact the records of some loggers within a ``with`` block.

        Blocks of the same loggers may overlap: each has its own filter.

        :param loggers: names; each includes its child loggers that already exist
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


class RedactedException:
    """What a log record had before a traceback with a secret became a part of its message.

    A handler that knows it can show message and traceback as it shows any other ones.

    :param message: the message, redacted
    :param exc_info: the exception with its secret, which no other handler may see
    """

    def __init__(self, message: object, exc_info: ExcInfo) -> None:
        self.message = message
        self._exc_info = exc_info
        self._redactors: list[Redactor] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._exc_info[0].__name__}>"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        # A handler may send the record to another process, which must not see the secret.
        return str, (repr(self),)

    @staticmethod
    def of(record: logging.LogRecord) -> RedactedException | None:
        """Return that of a log record, None if nothing in its traceback was redacted."""
        found = getattr(record, _ORIGINAL, None)
        return found if isinstance(found, RedactedException) else None

    def redact_by(self, redactor: Redactor) -> None:
        """Mask what this redactor knows, too."""
        self._redactors.append(redactor)
        self.message = redactor.redact_value(self.message)

    def format(self, format_exception: Callable[[ExcInfo], object]) -> object:
        """Return what a function makes of the exception, with every secret masked."""
        value = format_exception(self._exc_info)
        for redactor in self._redactors:
            value = redactor.redact_value(value)

        return value


class _RedactingFilter(logging.Filter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        original = RedactedException.of(record)
        if original is not None:
            original.redact_by(self._redactor)

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
            # Anything but a text, such as a dictionary for a structured log, keeps its structure.
            record.msg = cast(Any, redactor.redact_value(record.msg))
            record.args = cast(Any, redactor.redact_value(record.args))
            return

        try:
            message = record.getMessage()
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - logging reports it, and shows the arguments
            record.msg = redactor.redact(record.msg)
            record.args = cast(Any, redactor.redact_value(record.args))
            return

        redacted = redactor.redact(message)
        if redacted != message:
            record.msg, record.args = redacted, ()

    def _redact_exception(self, record: logging.LogRecord) -> None:
        if record.exc_text:
            record.exc_text = self._redactor.redact(record.exc_text)

        if not isinstance(record.exc_info, tuple):
            return

        text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        redacted = self._redactor.redact(text)
        if redacted == text:
            return

        # A formatter that formats the exception again would show the secret, and one that ignores
        # exc_text would omit the traceback: so it becomes a part of the message.
        original = RedactedException(
            _message(record) if isinstance(record.msg, str) else record.msg,
            cast(ExcInfo, record.exc_info),
        )
        original.redact_by(self._redactor)
        record.__dict__[_ORIGINAL] = original
        record.exc_info = None
        if isinstance(record.msg, str):
            record.exc_text = None
            record.msg, record.args = f"{_message(record)}\n{redacted}", ()
        else:
            record.exc_text = redacted


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a format that does not fit
        return f"{record.msg} {record.args}"
