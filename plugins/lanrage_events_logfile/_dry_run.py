"""A dry run: show the events of a log file without publishing them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TextIO

from lanrage_events import Event
from lanrage_events.cli import ExitCode, counted, safe_text
from lanrage_events.config import ConfigError, validate
from lanrage_events.events import COMMON_FIELDS, EventRegistry
from lanrage_events.yaml import Document, YAMLValue, read

from ._config import FileConfig, FileSettings
from ._following import LogReader
from ._parsing import Roster, Translator
from ._presets import preset_names

NO_PRESET = "none"
# Some logs have a new kind of line every time.
_KINDS_MAX = 100_000
_NUMBER = re.compile(r"\d+")
_SAMPLE_CHARACTERS = 160


def try_file(
    preset: str,
    file: Path,
    patterns: Sequence[str] = (),
    *,
    out: TextIO,
    err: TextIO,
    encoding: str | None = None,
    samples: int = 5,
    as_json: bool = False,
    registry: EventRegistry | None = None,
    sections: Mapping[str, Sequence[FileConfig]] | None = None,
) -> int:
    """Write the events of a log file.

    :param preset: the name of a preset, the path of a YAML file with the same keys, the name of a
        section, or ``none``
    :param file: the log; gzip-compressed if its name ends in ``.gz``
    :param patterns: additional patterns, each as ``event_type=regular expression``
    :param out: where to write the events
    :param err: where to report usage errors
    :param encoding: the encoding of the file, instead of the preset's
    :param samples: how many kinds of unmatched lines to show
    :param as_json: write JSON, one object per line, the summary last
    :param registry: the known event types; by default the built-in ones
    :param sections: the files of each section of a configuration, by its name
    :return: the exit code: 0 if there are events, 1 if there are none or lines lacked a field, 2 for
        usage errors
    """
    try:
        config = _config(preset, file, patterns, encoding, sections or {})
        translator = Translator(config, registry or EventRegistry())
        problems = [str(problem) for problem in translator.problems()]
        if not problems:
            return _DryRun(translator, out, as_json=as_json).run(file, samples)

    except ConfigError as error:
        problems = list(error.problems)
    except OSError as error:
        problems = [f"cannot read '{error.filename or file}': {error.strerror or error}"]
    except ValueError as error:
        problems = [str(error)]

    err.writelines(f"{safe_text(problem)}\n" for problem in problems)
    return ExitCode.MISUSE


def _config(
    preset: str,
    file: Path,
    patterns: Sequence[str],
    encoding: str | None,
    sections: Mapping[str, Sequence[FileConfig]],
) -> FileConfig:
    """Merge the settings.

    :raises ConfigError: if a preset's file or a pattern is not valid
    :raises ValueError: for other usage errors
    """
    own: dict[str, YAMLValue] = {"path": str(file)}
    added: dict[str, list[YAMLValue]] = {}
    for pattern in patterns:
        event_type, equals, regex = pattern.partition("=")
        if not equals:
            raise ValueError(f"expected event_type=regular expression, not '{pattern}'")

        added.setdefault(event_type.strip(), []).append(regex)

    if added:
        own["patterns"] = {
            event_type: regexes if len(regexes) > 1 else regexes[0]
            for event_type, regexes in added.items()
        }

    if encoding is not None:
        own["encoding"] = encoding

    below = FileSettings()
    if preset in sections:
        below = _file_of(preset, file, sections[preset])
    elif preset in preset_names():
        own["preset"] = preset
    elif Path(preset).suffix in (".yaml", ".yml"):
        below = validate(read(Path(preset)), FileSettings)
    elif preset != NO_PRESET:
        known = ", ".join(preset_names())
        raise ValueError(
            f"there is no preset '{preset}': use one of {known}, the path of a YAML file, or "
            f"'{NO_PRESET}' with --pattern"
        )

    return validate(Document(own), FileConfig).filled_from(below)


def _file_of(section: str, file: Path, files: Sequence[FileConfig]) -> FileConfig:
    """Return the settings for a file: those of the entry that matches, or of the only one."""
    name = str(file.absolute())
    same = [
        config
        for config in files
        if fnmatchcase(name, str(config.path.absolute()).replace("[", "[[]"))
    ]
    if not same and len(files) > 1:
        paths = ", ".join(f"'{config.path}'" for config in files)
        raise ValueError(f"section '{section}' has several files: name one of {paths}")

    return (same or files)[0]


class _DryRun:
    def __init__(self, translator: Translator, out: TextIO, *, as_json: bool) -> None:
        self._translator = translator
        self._out = out
        self._as_json = as_json
        self._lines = 0
        self._unmatched = 0
        self._events: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._problems: Counter[str] = Counter()

    def run(self, path: Path, samples: int) -> int:
        roster = Roster()
        for number, text in enumerate(self._read(path), 1):
            self._lines = number
            found = self._translator.translate(text, roster, f"line-{number}")
            for event in found.events:
                self._events[event.type] += 1
                self._show(number, event)

            self._problems.update(found.problems)
            if not found.is_known:
                self._unmatched += 1
                self._remember(text)

        self._summarize(samples)
        return ExitCode.DONE if self._events and not self._problems else ExitCode.FAILED

    def _read(self, path: Path) -> Iterator[str]:
        reader = LogReader.open(path, self._translator.encoding)
        # What this command writes may be appended to the same file.
        end = None if reader.file.packed else reader.file.size()
        self._translator.look_at(reader.written())
        try:
            while (lines := reader.read(end=end)) is not None:
                for line in lines:
                    # A line that is too long is skipped, as in the daemon.
                    yield reader.decode(line) or ""

            last = reader.finish()
            if last is not None:
                yield reader.decode(last) or ""
        finally:
            reader.close()

    def _show(self, number: int, event: Event) -> None:
        if self._as_json:
            self._write_json({"line": number, "event": event.to_dict()})
            return

        fields = {
            name: value
            for name, value in event.to_dict().items()
            if value is not None and name not in COMMON_FIELDS
        }
        time = _local(event.time).isoformat(" ", "seconds")
        values = " ".join(
            f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()
        )
        self._out.write(f"{number:>6}  {time}  {event.type}  {safe_text(values)}\n")

    def _remember(self, text: str) -> None:
        kind = _NUMBER.sub("0", text[:_SAMPLE_CHARACTERS])
        if kind in self._kinds or len(self._kinds) < _KINDS_MAX:
            self._kinds[kind] += 1
            self._examples.setdefault(kind, text[:_SAMPLE_CHARACTERS])

    def _summarize(self, samples: int) -> None:
        common = [(self._examples[kind], count) for kind, count in self._kinds.most_common(samples)]
        if self._as_json:
            self._write_json(
                {
                    "lines": self._lines,
                    "events": dict(self._events),
                    "unmatched": self._unmatched,
                    "unmatched_samples": [text for text, _ in common],
                    "problems": dict(self._problems),
                }
            )
            return

        types = ", ".join(f"{event_type} {count:,}" for event_type, count in self._events.items())
        total = counted(self._events.total(), "event")
        lines = [f"{counted(self._lines, 'line')}, {total}{': ' if types else ''}{types}"]
        lines += [f"{problem} ({count:,} times)" for problem, count in self._problems.items()]
        if common:
            lines.append(f"{counted(self._unmatched, 'line')} matched nothing, most often:")
            lines += [f"{count:>6}  {text}" for text, count in common]

        self._out.writelines(f"{safe_text(line)}\n" for line in lines)

    def _write_json(self, data: object) -> None:
        self._out.write(safe_text(json.dumps(data, ensure_ascii=False)) + "\n")


def _local(time: datetime) -> datetime:
    """Return a time in this machine's time zone, where that is possible."""
    try:
        return time.astimezone()
    except OSError:  # on Windows, before 1970
        return time
