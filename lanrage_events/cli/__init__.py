"""The parts that commands share: exit codes, output, input in lines, and hints."""

from __future__ import annotations

from .._files import read_file as read_file
from .._hints import did_you_mean as did_you_mean
from .._hints import install_command as install_command
from .._redaction import error_text as error_text
from .._redaction import safe_text as safe_text
from ._input import LINE_MAX_BYTES as LINE_MAX_BYTES
from ._input import ChunkReader as ChunkReader
from ._input import Line as Line
from ._input import LineSplitter as LineSplitter
from ._output import ExitCode as ExitCode
from ._output import StatusLine as StatusLine
from ._output import counted as counted
from ._output import progress_bar as progress_bar
from ._output import table as table
from ._output import write_errors as write_errors
from ._output import write_json as write_json
from ._output import write_lines as write_lines
from ._streams import discard_stdout as discard_stdout

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith("lanrage_events."):
        _value.__module__ = __name__
