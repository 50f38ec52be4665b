"""The history: who was on a server before its log was followed."""

from __future__ import annotations

from collections.abc import Callable

from anyio.lowlevel import checkpoint

from .._parsing import Roster, Translator
from .reader import LogReader

# About two seconds of reading. Of a server that writes more since its start, not all are known.
BYTES_MAX = 33_554_432


async def read_silently(
    reader: LogReader, translator: Translator, check_stopped: Callable[[], None]
) -> Roster:
    """Return the state of a server where a reader begins, of which nothing is reported.

    :param check_stopped: raises if it is not wanted any more
    """
    roster, end = Roster(), reader.offset
    translator.look_at(reader.written())
    before = LogReader.open(reader.file.path, translator.encoding, max(0, end - BYTES_MAX))
    try:
        while (lines := before.read(end=end)) is not None:
            for line in lines:
                text = before.decode(line)
                if text is not None:
                    translator.translate(text, roster, "")

            await checkpoint()
            check_stopped()
    finally:
        before.close()

    roster.unreported = set(roster.present)
    return roster
