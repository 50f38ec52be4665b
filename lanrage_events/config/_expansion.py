"""The placeholders of a configuration, such as ``${NAME}``, and the values that replace them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .._files import READ_SECONDS, read_file
from .._redaction import Redactor
from ..yaml import Document, KeyPath, YAMLValue

_MAX_FILE_BYTES = 65_536
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_NESTED = r"(?:[^{}$]|\$(?!\{)|\$\{[^{}]*\})*"
_PLACEHOLDER = re.compile(
    r"(?P<literal>\$\$\{)"
    rf"|\$\{{file:(?P<file>{_NESTED})\}}"
    rf"|\$\{{(?P<name>{_NAME})(?::-(?P<default>{_NESTED}))?\}}"
    r"|(?P<other>\$\{[^}]*\}?)"
)


def expand(
    document: Document,
    environment: Mapping[str, str],
    redactor: Redactor,
    files: list[Path] | None = None,
) -> dict[KeyPath, list[str]]:
    """Replace ``${NAME}``, ``${NAME:-default}`` and ``${file:path}`` in the texts of a document.

    An inserted value stays text: it adds no keys and is not expanded again. ``$${`` stands for
    ``${``. A placeholder that cannot be replaced becomes a problem of the document.

    :param document: changed in place
    :param environment: the environment variables
    :param redactor: learns the content of files, which usually hold secrets
    :param files: gets the files that were read
    :returns: the values that were inserted, by the path of the text
    """
    expander = _Expander(document, environment, redactor, [] if files is None else files)
    document.data = expander.walk(document.data, ())
    return expander.parts


@dataclass(slots=True)
class _Expander:
    document: Document
    environment: Mapping[str, str]
    redactor: Redactor
    files: list[Path]
    parts: dict[KeyPath, list[str]] = field(default_factory=dict)
    deadline: float = field(default_factory=lambda: time.monotonic() + READ_SECONDS)
    """until when all pipes and devices together must have given their content"""

    def walk(self, value: YAMLValue, path: KeyPath) -> YAMLValue:
        if isinstance(value, dict):
            for key in value:
                if "${" in key:
                    self.document.report((*path, key), "'${' has no meaning in a key", key=True)

            return {key: self.walk(item, (*path, key)) for key, item in value.items()}

        if isinstance(value, list):
            return [self.walk(item, (*path, index)) for index, item in enumerate(value)]

        if isinstance(value, str) and "${" in value:
            return self._replace_all(value, path)

        return value

    def _replace_all(self, text: str, path: KeyPath) -> str:
        try:
            return "".join(self._pieces(text, path))
        except _NotReplacedError as error:
            self.document.report(path, str(error))
            self.document.failed.add(path)
            return text

    def _pieces(self, text: str, path: KeyPath) -> Iterator[str]:
        end = 0
        for match in _PLACEHOLDER.finditer(text):
            yield text[end : match.start()]
            end = match.end()
            if match["literal"]:
                yield "${"
                continue

            value = self._value(match, path)
            self.parts.setdefault(path, []).append(value)
            yield value

        yield text[end:]

    def _value(self, match: re.Match[str], path: KeyPath) -> str:
        if match["file"] is not None:
            content = self._read("".join(self._pieces(match["file"], path)))
            self.redactor.add(content)
            return content

        name: str | None = match["name"]
        default: str | None = match["default"]
        if name is None:
            # It is not shown: the secret itself may be between the braces.
            raise _NotReplacedError(
                "this use of '${' is not understood: write ${NAME}, ${NAME:-default} or "
                "${file:path}, and $${ for a literal ${"
            )

        value = self.environment.get(name)
        if default is not None and not value:
            return "".join(self._pieces(default, path))

        if value is None:
            raise _NotReplacedError(f"the environment variable {name} is not set")

        return value

    def _read(self, name: str) -> str:
        if not name.strip():
            raise _NotReplacedError("'${file:}' names no file")

        path = self.document.folder / name
        try:
            path = self.document.folder / Path(name).expanduser()
            self.files.append(path)
            timeout = max(0.0, self.deadline - time.monotonic())
            content = read_file(path, _MAX_FILE_BYTES, timeout=timeout)
            text = content.decode("utf-8-sig").rstrip("\r\n")
        except FileNotFoundError:
            raise _NotReplacedError(f"the file {path} does not exist") from None
        except UnicodeDecodeError:
            raise _NotReplacedError(f"the file {path} is not UTF-8 text") from None
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise _NotReplacedError(f"the file {path} cannot be read: {reason}") from None

        if not text:
            raise _NotReplacedError(f"the file {path} is empty")

        return text


class _NotReplacedError(Exception):
    """Raised when a placeholder cannot be replaced."""
