"""The command ``parties``, which shows who is on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from lanrage_events.cli import ExitCode, did_you_mean, write_errors
from lanrage_events.config import load_bus

from ._plugin import PartiesPlugin, parties_file
from ._view import PartiesView

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]


def parties(
    party: str | None = None,
    /,
    *,
    watch: Flag = False,
    json: Flag = False,
    config: Path | None = None,
    state_folder: Path | None = None,
    plugin: str | None = None,
) -> int:
    """Show the parties and who is in them, whether the daemon runs or not.

    It reads the file of the plugin parties, beside a running daemon too, so it needs neither an address
    nor a token, but the right to read that file. It exits with 1 if the party is not there, or no
    party was ever kept.

    :param party: the id or the name of a party; all of them by default
    :param watch: show each change until Ctrl-C: a terminal is drawn again, and a pipe gets the table
        again or, with --json, a line of JSON
    :param json: print JSON, as the API has it
    :param config: the daemon's configuration; lanrage.yaml in this folder by default
    :param state_folder: the daemon's state folder, instead of the one that the file names
    :param plugin: the section of the configuration, if several keep parties
    """
    bus = load_bus(config, as_run=True)
    found = [name for name, one in bus.plugins.items() if isinstance(one, PartiesPlugin)]
    if plugin is not None and plugin not in found:
        known = f", known: {', '.join(found) or 'none'}{did_you_mean(plugin, found)}"
        return _misuse(f"no plugin '{plugin}' keeps parties{known}")

    if not found:
        return _misuse(
            "the configuration has no plugin that keeps parties: add 'parties:' below 'plugins:'"
        )

    if plugin is None and len(found) > 1:
        names = ", ".join(found)
        return _misuse(f"several plugins keep parties, choose one with --plugin: {names}")

    folder = state_folder or bus.state_folder
    if folder is None:
        return _misuse("the parties are in the daemon's memory only: set 'state_folder'")

    view = PartiesView(parties_file(folder, plugin or found[0]), party, as_json=json)
    try:
        return anyio.run(view.watch) if watch else view.show()
    except KeyboardInterrupt:
        return ExitCode.DONE
    except OSError as error:
        write_errors([f"cannot read {view.path}: {error.strerror or error}"])
        return ExitCode.FAILED


def _misuse(text: str) -> int:
    write_errors([text])
    return ExitCode.MISUSE
